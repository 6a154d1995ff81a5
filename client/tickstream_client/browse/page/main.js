// Puts the page together: what is asked for, what is read when, and what is said of it.

import { Bars, SECONDS, difference } from "./bars.js";
import { Chart } from "./chart.js";
import { Clock, ZONES, ago, dayAfter, isoDay } from "./clock.js";
import { bindKeys } from "./keys.js";
import { fillStates, make, showIngests, showQueues } from "./panels.js";
import { Picker } from "./picker.js";
import { Polling } from "./polling.js";
import { read, readLines } from "./server.js";

const $ = (id) => document.getElementById(id);
const SPANS = { "1D": 1, "5D": 5, "1M": 31, "1Y": 366 };
const TABLE_ROWS = 500;
const asked = new URLSearchParams(location.search);
const question = {
  symbol: asked.get("symbol") ?? "",
  interval: asked.get("interval") in SECONDS ? asked.get("interval") : "1m",
  from: asked.get("from") ?? "", to: asked.get("to") ?? "",
  session: asked.get("session") ?? "", hours: asked.get("hours") ?? "",
  fill: asked.get("fill") ?? "",
  zone: asked.get("zone") ?? "UTC",
};
/** `first`, `last`: of the symbol's bars. `of`: the question that the bars are of. */
const shown = { bars: new Bars(), of: "", first: null, last: null, end: null, trouble: null, fates: "", stale: false };
const state = { stack: null, day: isoDay(Date.now() / 1_000), pinned: false };
let clock = new Clock(question.zone);

const chart = new Chart($("chart"), clock, () => tellView(), (first, end) => readOut(first, end));
const picker = new Picker($("symbol"), $("symbols"), (one) => {
  question.symbol = one.symbol;
  know(one);
  ask();
});

// What is asked for -----------------------------------------------------------------------------------------------------

function know({ first, last }) {
  Object.assign(shown, { first, last });
  // Days that nobody chose follow the symbol.
  if (!state.pinned) Object.assign(question, last === null ? { from: "", to: "" } : { from: isoDay(last), to: isoDay(last) });
  if (!state.pinned && question.to === isoDay(Date.now() / 1_000)) question.to = "";
}

/** Asks anew, after anything of the question changed. */
function ask() {
  const query = new URLSearchParams(Object.entries(question).filter(([name, value]) => value && !(name === "zone" && value === "UTC")));
  history.replaceState(null, "", `${location.pathname}?${query}`);
  document.title = question.symbol ? `${question.symbol} · Tickstream` : "Tickstream";
  const takesSession = SECONDS[question.interval] >= SECONDS["4h"];
  const isExchange = /^[A-Z0-9_]+$/.test(question.session);
  $("symbol-heading").textContent = question.symbol || "Which symbol?";
  for (const one of document.querySelectorAll("[name=interval]")) one.checked = one.value === question.interval;
  for (const name of ["from", "to", "session", "hours"]) $(name).value = question[name];
  $("fill").checked = question.fill === "previous";
  $("session").disabled = !takesSession;
  $("hours").disabled = !takesSession || !isExchange;
  if (question.symbol) bars.now();
}

function questionNow() {
  const { symbol, interval, from, to, fill } = question;
  const takesSession = SECONDS[interval] >= SECONDS["4h"];
  const session = takesSession ? question.session : "";
  return {
    symbol, interval, from: from && `${from}T00:00:00Z`, to: to && `${dayAfter(to)}T00:00:00Z`, fill, session,
    hours: session && /^[A-Z0-9_]+$/.test(session) ? question.hours : "",
  };
}

// What is read ----------------------------------------------------------------------------------------------------------

const bars = new Polling(readBars, told);
const ingests = new Polling(readIngests, told);
const queues = new Polling(readQueues, told);

/** Reads all bars of a question, or only those that may still change, where nothing else came in since. */
async function readBars(signal) {
  if (!question.symbol) return false;
  const now = questionNow(), key = JSON.stringify(now);
  const isSame = key === shown.of && shown.trouble === null;
  const tail = isSame && !shown.stale && shown.bars.length > 0 ? tailStart() : null;
  if (isSame && !shown.stale && question.to && tail === null) return false;
  if (!isSame) $("chart").parentElement.classList.add("reading");
  // What comes in while this reads may be in it or not.
  shown.stale = false;
  const found = new Bars();
  let end = {};
  try {
    await readLines("bars", tail === null ? now : { ...now, from: new Date(tail * 1_000).toISOString() }, signal, (line) => {
      if (line.bars) found.push(line.bars);
      if (line.error || line.end) end = line;
      if (!isSame && found.length > 5_000) $("said").textContent = `${found.length.toLocaleString("en")} bars read`;
    });
    if (!end.end && !end.error) throw Object.assign(new Error("the answer broke off"), { kind: "failing" });
    if (end.error && !["unknown", "question"].includes(end.error.kind)) throw Object.assign(new Error(end.error.message), { kind: end.error.kind });
  } catch (error) {
    if (!signal.aborted) shown.stale = true;
    throw error;
  } finally {
    if (!signal.aborted) $("chart").parentElement.classList.remove("reading");
  }
  const made = tail === null ? found : shown.bars.until(tail, found);
  const changed = !isSame || !made.equals(shown.bars) || shown.trouble !== (end.error?.message ?? null);
  Object.assign(shown, { bars: made, of: key, end, trouble: end.error?.message ?? null });
  if (changed) {
    chart.show(made, SECONDS[question.interval], isSame);
    tellBars();
    for (const one of isSame ? [ingests, queues] : []) one.soon();
  }
  return changed;
}

/** Where the bars begin that may change by time alone: the first that forms, else the last; none of days that are over. */
function tailStart() {
  const seconds = SECONDS[question.interval], now = Date.now() / 1_000;
  for (let i = Math.max(0, shown.bars.length - 200); i < shown.bars.length; i++) {
    if (shown.bars.isForming(i, seconds, now)) return shown.bars.start[i];
  }
  return question.to ? null : shown.bars.start.at(-1);
}

async function readIngests(signal) {
  const answer = await read("ingests", { from: `${state.day}T00:00:00Z`, to: `${dayAfter(state.day)}T00:00:00Z`, state: $("state").value }, signal);
  const fates = JSON.stringify([state.day, $("state").value, answer]);
  if (fates === shown.fates) return false;
  const isFirst = shown.fates === "";
  shown.fates = fates;
  showIngests($("ingests"), $("ingests-summary"), answer, { clock, state: $("state").value });
  // Something came in or was taken back: any bar may be another one now.
  if (!isFirst) {
    shown.stale = true;
    bars.soon();
  }
  return true;
}

async function readQueues(signal) {
  if (!state.stack) {
    state.stack = await read("stack", {}, signal);
    const { pipeline, stage, region, host } = state.stack;
    $("stack").replaceChildren(make("b", {}, `${pipeline} · ${stage}`), make("span", { title: host }, ` ${region}`));
    $("queues-card").hidden = !state.stack.hasQueues;
  }
  if (!state.stack.hasQueues) return false;
  const answer = await read("queues", {}, signal);
  const counts = JSON.stringify(answer);
  const changed = counts !== shown.counts;
  shown.counts = counts;
  if (changed) showQueues($("queues"), answer);
  return changed;
}

// What is said ----------------------------------------------------------------------------------------------------------

const GRAVE = ["token", "gone", "credentials", "throttled", "unanswered", "failing", "question", "unknown"];
const SAID = {
  throttled: () => "the API is asked too often and slows down",
  unanswered: () => "the API does not answer",
  credentials: (error) => `the credentials were refused: ${error.message}`,
  failing: (error) => `the API failed: ${error.message}`,
};

function told() {
  const polls = [bars, ingests, queues];
  const own = queues.trouble && !["gone", "token"].includes(queues.trouble.kind) ? queues.trouble : null;
  $("queues-wrong").hidden = !own;
  $("queues-wrong").textContent = own?.message ?? "";
  const [worst] = polls.filter(({ trouble }) => trouble && trouble !== own)
    .sort((a, b) => GRAVE.indexOf(a.trouble.kind) - GRAVE.indexOf(b.trouble.kind));
  state.worst = worst ?? null;
  document.documentElement.dataset.trouble = worst?.trouble.kind ?? "";
  tick();
}

/** What changes with time alone. */
function tick() {
  const now = Date.now();
  for (const [id, polling] of [["bars-age", bars], ["ingests-age", ingests], ["queues-age", queues]]) {
    $(id).textContent = polling.readAt ? `read ${ago(now - polling.readAt)}` : "";
  }
  const worst = state.worst;
  $("banner").hidden = !worst;
  if (worst) {
    const said = SAID[worst.trouble.kind]?.(worst.trouble) ?? worst.trouble.message;
    const left = Math.max(0, Math.ceil((worst.nextAt - now) / 1_000));
    const next = worst.trouble.kind === "token" ? "" : worst.asking ? "; trying again now" : `; trying again in ${left} s`;
    setText($("banner-text"), said.charAt(0).toUpperCase() + said.slice(1));
    $("banner-text").dataset.next = next;
  }
  const oldest = Math.min(...[bars, ingests, queues].filter(({ readAt }) => readAt).map(({ readAt }) => readAt));
  $("live").dataset.state = worst ? "off" : "on";
  $("live-text").textContent = !Number.isFinite(oldest) ? "connecting" : `${worst ? "as of" : "live,"} ${ago(now - oldest)}`;
}

// A screen reader is told once.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tellBars() {
  const count = shown.bars.length;
  const isEmpty = count === 0;
  $("empty").hidden = !isEmpty;
  $("chart").classList.toggle("none", isEmpty);
  const days = question.from || question.to ? `from ${question.from || "the day before"} to ${question.to || "now"}` : "in the last 24 hours";
  $("empty-text").textContent = shown.trouble ? capital(shown.trouble) : `No bars of ${question.symbol} ${days}.`;
  const day = shown.last === null ? null : isoDay(shown.last);
  $("empty-act").hidden = shown.trouble !== null || day === null || day === question.to;
  $("empty-act").textContent = `Its last bars: ${day}`;
  const last = count - 1;
  $("last").textContent = isEmpty ? "" : grouped(shown.bars.close[last] ?? "–");
  const opened = shown.bars.open.find((one) => one !== null), closed = shown.bars.close.findLast((one) => one !== null);
  const change = opened && closed ? difference(closed, opened) : null;
  const share = change === null || Number(opened) === 0 ? null : (100 * Number(change)) / Math.abs(Number(opened));
  $("change").className = `change ${Number(change) < 0 ? "down" : "up"}`;
  $("change").textContent = change === null ? "" : `${Number(change) > 0 ? "+" : ""}${grouped(change)}${share === null ? "" : ` (${share > 0 ? "+" : ""}${share.toFixed(2)} %)`}`;
  $("said").textContent = isEmpty ? $("empty-text").textContent : `${count.toLocaleString("en")} bars of ${question.symbol}`;
  readOut(null, null);
}

function readOut(first, end, isSaid = false) {
  const count = shown.bars.length;
  if (count === 0) return $("readout").replaceChildren();
  if (first === null || end > count) [first, end] = chart.pointed ?? [count - 1, count];
  const one = shown.bars.together(first, end);
  const seconds = SECONDS[question.interval];
  const isForming = shown.bars.isForming(end - 1, seconds, Date.now() / 1_000);
  const when = seconds >= 86_400 && !one.session ? clock.date(one.start) : `${clock.date(one.start)}, ${clock.time(one.start)} ${clock.name}`;
  const facts = {
    start: one.bars > 1 ? `${when} and ${one.bars - 1} more` : when,
    mark: isForming ? "still forming" : shown.bars.filled[first] && one.bars === 1 ? "filled" : null,
    session: one.session, O: one.open, H: one.high, L: one.low, C: one.close, volume: one.volume, ticks: String(one.ticks),
    VWAP: one.vwap, notional: one.notional,
  };
  const isDown = Number(one.close) < Number(one.open);
  $("readout").replaceChildren(...Object.entries(facts).filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => {
    const isFigure = !["start", "session", "mark"].includes(name);
    return make("div", { class: name.length === 1 ? (isDown ? "down" : "up") : name },
      make("dt", { class: ["start", "mark"].includes(name) ? "unseen" : "" }, name), make("dd", { "data-exact": isFigure ? value : null }, isFigure ? grouped(value) : value));
  }));
  if (isSaid) $("said").textContent = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => `${name} ${value}`).join(", ");
  return undefined;
}

function tellView() {
  const [first, end] = chart.inSight();
  const count = shown.bars.length, inSight = end - first;
  const { start } = shown.bars;
  $("chart-told").textContent = count === 0 ? "" : `${inSight} of ${count} bars of ${question.symbol}, ${question.interval}, from ${clock.date(start[first])} ${clock.time(start[first])} to ${clock.date(start[end - 1])} ${clock.time(start[end - 1])} ${clock.name}. Arrow keys move, plus and minus zoom, comma and full stop read single bars.`;
  $("joined").hidden = chart.size === 1 && !shown.end?.hasMore;
  const parts = [];
  if (chart.size > 1) parts.push(`each candle is ${chart.size} bars of ${question.interval}, put together exactly`);
  if (shown.end?.hasMore) parts.push(`the first ${count.toLocaleString("en")} bars: there are more`);
  $("joined").textContent = capital(parts.join("; "));
  const coarser = Object.keys(SECONDS)[Object.keys(SECONDS).indexOf(question.interval) + (chart.size >= 5 ? 2 : 1)] ?? (question.interval === "1d" ? null : "1d");
  $("coarser").hidden = $("joined").hidden || coarser === null;
  $("coarser").textContent = `Show ${coarser}`;
  $("coarser").value = coarser;
  $("mark-filled").hidden = !shown.bars.filled.includes(true);
  $("mark-forming").hidden = count === 0 || !shown.bars.isForming(count - 1, SECONDS[question.interval], Date.now() / 1_000);
  if ($("table").open) fillTable();
}

function fillTable() {
  const [first, end] = chart.inSight();
  const names = ["open", "high", "low", "close", "volume", "ticks", "vwap"];
  const rows = [];
  for (let i = Math.max(first, end - TABLE_ROWS); i < end; i++) {
    rows.push(make("tr", {}, make("th", { scope: "row" }, `${clock.date(shown.bars.start[i])} ${clock.time(shown.bars.start[i])}`), ...names.map((name) => make("td", {}, String(shown.bars[name][i] ?? "–")))));
  }
  const table = make("table", {}, make("caption", {}, end - first > TABLE_ROWS ? `The last ${TABLE_ROWS} of ${end - first} bars in view` : `${end - first} bars in view`),
    make("thead", {}, make("tr", {}, ...[`start, ${clock.name}`, ...names].map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...rows));
  $("table").querySelector(".scroll").replaceChildren(table);
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A decimal's text with thousands apart; every digit stays. */
function grouped(text) {
  const [whole, fraction] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
}

// What is pressed -------------------------------------------------------------------------------------------------------

function everything() {
  shown.stale = true;
  for (const one of [bars, ingests, queues]) one.now();
}

function turnTheme() {
  const root = document.documentElement;
  const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("tickstream-theme", root.dataset.theme);
  chart.redraw();
}

function choose(change, isPinned = false) {
  Object.assign(question, change);
  state.pinned ||= isPinned;
  ask();
}

for (const [place, name] of Object.keys(SECONDS).entries()) {
  $("intervals").append(make("label", { title: `${name} (${place + 1})` }, make("input", { type: "radio", name: "interval", value: name }), make("span", {}, name)));
}
$("intervals").addEventListener("change", (event) => choose({ interval: event.target.value }));
$("coarser").addEventListener("click", (event) => choose({ interval: event.target.value }));
for (const [name, days] of Object.entries({ ...SPANS, All: null })) {
  const button = make("button", { type: "button", title: days ? `${days} days up to the last one` : "all that there is, as far as it is known" }, name);
  button.addEventListener("click", () => {
    const end = question.to || isoDay(Date.now() / 1_000);
    if (days) choose({ from: dayAfter(end, 1 - days) }, true);
    else if (shown.first !== null) choose({ from: isoDay(shown.first), to: isoDay(shown.last) }, true);
  });
  $("spans").append(button);
}
for (const name of ["from", "to", "session", "hours"]) $(name).addEventListener("change", () => choose({ [name]: $(name).value.trim() }, name === "from" || name === "to"));
$("fill").addEventListener("change", () => choose({ fill: $("fill").checked ? "previous" : "" }));
$("zone").append(...ZONES.map((one) => make("option", { value: one }, one.replaceAll("_", " "))));
$("zone").value = clock.zone;
$("zone").addEventListener("change", () => {
  clock = chart.clock = new Clock($("zone").value);
  shown.fates = "";
  choose({ zone: clock.zone });
  chart.redraw();
  readOut(null, null);
  ingests.now();
});
$("tools").addEventListener("submit", (event) => event.preventDefault());
$("empty-act").addEventListener("click", () => choose({ from: isoDay(shown.last), to: isoDay(shown.last) }));
$("table").addEventListener("toggle", () => $("table").open && fillTable());
fillStates($("state"));
$("day").value = state.day;
const turnDay = (day) => {
  if (!day) return;
  state.day = $("day").value = day;
  ingests.now();
};
$("day").addEventListener("change", () => turnDay($("day").value));
$("day-before").addEventListener("click", () => turnDay(dayAfter(state.day, -1)));
$("day-after").addEventListener("click", () => turnDay(dayAfter(state.day)));
$("state").addEventListener("change", () => ingests.now());
$("theme").addEventListener("click", turnTheme);
$("refresh").addEventListener("click", everything);
$("banner-again").addEventListener("click", everything);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw());
bindKeys(chart, { everything, turnTheme, interval: (interval) => choose({ interval }), step: (direction) => chart.step(direction) && readOut(...chart.pointed, true) });

// Begin -----------------------------------------------------------------------------------------------------------------

async function begin() {
  state.pinned = Boolean(question.from || question.to);
  try {
    const one = await picker.known(question.symbol);
    if (one) {
      question.symbol = one.symbol;
      picker.set(one.symbol);
      know(one);
    }
  } catch (error) {
    // The pollings below meet the same, and say it; the symbol is asked for all the same.
    if (error.kind === undefined) throw error;
    picker.set(question.symbol);
  }
  ask();
  if (!question.symbol) {
    $("empty").hidden = false;
    $("empty-text").textContent = "Which symbol? Press / and type.";
  }
}

setInterval(tick, 1_000);
ingests.now();
queues.now();
begin();
