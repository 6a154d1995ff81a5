// Beside the chart: what came in on a day and what became of it, and what rests in queues.

const STATES = ["indexing", "processing", "complete", "partly_rejected", "rejected", "overdue", "retracting", "retracted", "replaced"];
const BAD = new Set(["rejected", "partly_rejected", "overdue"]);
const AT_WORK = new Set(["indexing", "processing", "retracting"]);
const number = new Intl.NumberFormat("en");
const words = (state) => state.replaceAll("_", " ");

export function make(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") element.className = value;
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...inside.filter((one) => one !== null && one !== undefined));
  return element;
}

/** Fills the list of states to choose from. */
export function fillStates(select) {
  select.append(make("option", { value: "" }, "all states"), ...STATES.map((one) => make("option", { value: one }, words(one))));
}

/** Shows ingests; those that are open stay open. */
export function showIngests(list, summary, { ingests, hasMore }, { clock, state }) {
  const open = new Set([...list.querySelectorAll("details[open]")].map((one) => one.dataset.id));
  list.replaceChildren(...ingests.map((one) => ingestRow(one, clock, open.has(one.id))));
  const counts = new Map();
  for (const one of ingests) counts.set(one.state, (counts.get(one.state) ?? 0) + 1);
  const told = STATES.filter((one) => counts.has(one)).map((one) => `${number.format(counts.get(one))} ${words(one)}`).join(" · ");
  summary.textContent = ingests.length === 0 ? `Nothing ${state ? `${words(state)} ` : ""}came in on this day.`
    : hasMore ? `The newest ${ingests.length}: ${told}` : told;
}

function ingestRow(one, clock, isOpen) {
  const at = Date.parse(one.received) / 1_000;
  const kind = BAD.has(one.state) ? "bad" : AT_WORK.has(one.state) ? "work" : one.state === "complete" ? "good" : "gone";
  const [done, total] = one.ranges;
  const counts = one.ticks || !one.why ? [`${number.format(one.ticks)} ticks`] : [];
  if (one.rejected) counts.push(`${number.format(one.rejected)} rejected`);
  if (one.cancelled) counts.push(`${number.format(one.cancelled)} cancelled`);
  const facts = {
    ingest: one.id, feed: one.feed, bytes: one.sizeBytes === null ? null : number.format(one.sizeBytes), rows: number.format(one.rows),
    skipped: one.skipped ? number.format(one.skipped) : null, ranges: `${done} of ${total}`, code: one.reason, complete: one.completed && `${clock.date(Date.parse(one.completed) / 1_000)}, ${clock.time(Date.parse(one.completed) / 1_000)}`,
    ...Object.fromEntries(Object.entries(one.rejectedByReason).map(([reason, count]) => [words(reason), number.format(count)])),
  };
  return make("li", {},
    make("details", { "data-id": one.id, ...(isOpen ? { open: "" } : {}) },
      make("summary", {},
        make("span", { class: `state ${kind}` }, words(one.state)),
        make("span", { class: "key", title: one.key ?? "" }, one.key ? make("bdi", {}, one.key) : "posted ticks"),
        make("time", { datetime: one.received }, clock.time(at)),
        counts.length ? make("span", { class: "counts" }, counts.join(" · ")) : null,
        AT_WORK.has(one.state) && total ? make("progress", { max: total, value: done, "aria-label": `${done} of ${total} ranges` }) : null,
        one.why ? make("span", { class: "why" }, one.why) : null),
      make("dl", {}, ...Object.entries(facts).filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))))));
}

/** Shows queues: those of work each, dead letters where there are any. */
export function showQueues(element, { queues }) {
  const dead = queues.filter((one) => one.is_dead_letter);
  const full = dead.filter((one) => total(one) > 0);
  const work = queues.filter((one) => !one.is_dead_letter);
  element.replaceChildren(
    make("ul", { class: "queues" }, ...work.map((one) => make("li", { class: total(one) ? "busy" : "" },
      make("span", {}, one.queue),
      make("b", {}, number.format(one.waiting + one.delayed)),
      make("small", {}, one.in_flight ? `waiting, ${number.format(one.in_flight)} worked on` : "waiting")))),
    full.length ? make("ul", { class: "dead", "aria-label": "Dead letters" }, ...full.map((one) => make("li", {},
      make("b", {}, number.format(total(one))), ` failed for good: ${one.queue}`)))
      : make("p", { class: "none" }, `No dead letters in ${dead.length} queues.`));
}

const total = (one) => one.waiting + one.in_flight + one.delayed;
