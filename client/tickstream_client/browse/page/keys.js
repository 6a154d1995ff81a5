// Keys of the whole page; where something is typed they are that box's own.

import { SECONDS } from "./bars.js";

export function bindKeys(chart, { everything, turnTheme, interval, step }) {
  const $ = (id) => document.getElementById(id);
  const views = {
    earlier: () => chart.pan(-0.4), later: () => chart.pan(0.4), in: () => chart.zoom(0.6), out: () => chart.zoom(1 / 0.6), whole: () => chart.whole(),
  };
  const ready = (act) => () => chart.bars?.length && act();
  for (const [id, act] of Object.entries(views)) $(id).addEventListener("click", ready(act));
  $("help").addEventListener("click", () => $("keys").showModal());

  const acts = {
    "/": () => $("symbol").focus(), "?": () => $("keys").showModal(), r: everything, t: turnTheme,
    ArrowLeft: ready(views.earlier), ArrowRight: ready(views.later), "+": ready(views.in), "=": ready(views.in), "-": ready(views.out), 0: ready(views.whole),
    ",": ready(() => step(-1)), ".": ready(() => step(1)),
    ...Object.fromEntries(Object.keys(SECONDS).map((name, place) => [place + 1, () => interval(name)])),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
    const { target } = event;
    if (target.closest("input:not([type=radio]):not([type=checkbox]), select, textarea")) return;
    // Radios have the arrows for themselves; so has what scrolls.
    if (event.key.startsWith("Arrow") && target.closest("[type=radio], .scroll, aside")) return;
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
