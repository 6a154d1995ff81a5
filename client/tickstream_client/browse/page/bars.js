// Bars in memory: columns, upwards in time. Texts of exact decimals as they came; floats only for drawing.

const FIGURES = ["open", "high", "low", "close", "volume", "notional", "vwap"];
const PRICES = ["open", "high", "low", "close"];
export const SECONDS = { "1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400 };

export class Bars {
  constructor() {
    this.start = [];
    this.ticks = [];
    this.session = [];
    this.closed = [];
    this.filled = [];
    for (const name of FIGURES) this[name] = [];
    this.drawn = { open: [], high: [], low: [], close: [], volume: [] };
  }

  get length() {
    return this.start.length;
  }

  /** Adds columns of the server's behind those that are there. */
  push(columns) {
    const count = columns.start.length;
    for (let i = 0; i < count; i++) {
      this.start.push(columns.start[i]);
      this.ticks.push(columns.ticks[i]);
      for (const name of FIGURES) this[name].push(columns[name][i]);
      for (const name of ["session", "closed", "filled"]) this[name].push(columns[name]?.[i] ?? null);
      for (const name of PRICES) this.drawn[name].push(columns[name][i] === null ? NaN : Number(columns[name][i]));
      this.drawn.volume.push(Number(columns.volume[i]));
    }
  }

  /** Returns those before a moment, followed by others. */
  until(start, others) {
    const end = this.find(start);
    const made = new Bars();
    for (const name of ["start", "ticks", "session", "closed", "filled", ...FIGURES]) {
      made[name] = this[name].slice(0, end).concat(others[name]);
    }
    for (const name of Object.keys(this.drawn)) {
      made.drawn[name] = this.drawn[name].slice(0, end).concat(others.drawn[name]);
    }
    return made;
  }

  /** The place of the first bar that starts then or later. */
  find(start) {
    let low = 0, high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.start[middle] < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether bars are the same, to the last digit. */
  equals(other) {
    return this.length === other.length && ["start", "ticks", "closed", "filled", "notional", ...PRICES, "volume"]
      .every((name) => this[name].every((one, i) => one === other[name][i]));
  }

  /** Where a bar that still forms is: the server says so, or its end lies ahead. */
  isForming(i, seconds, now) {
    return this.closed[i] === false || (this.closed[i] === null && this.start[i] + seconds > now);
  }

  /** Bars `first` to before `end`, put together: what one bar of all their time would be. Exact. */
  together(first, end) {
    if (end - first === 1) return this.#one(first);
    const made = { ...this.#one(first), open: null, high: null, low: null, close: null, vwap: null };
    made.last = this.start[end - 1];
    made.bars = end - first;
    made.ticks = 0;
    const sums = { volume: [], notional: [] };
    for (let i = first; i < end; i++) {
      made.open ??= this.open[i];
      if (this.high[i] !== null && (made.high === null || compare(this.high[i], made.high) > 0)) made.high = this.high[i];
      if (this.low[i] !== null && (made.low === null || compare(this.low[i], made.low) < 0)) made.low = this.low[i];
      made.close = this.close[i] ?? made.close;
      made.ticks += this.ticks[i];
      for (const name of ["volume", "notional"]) sums[name].push(this[name][i]);
    }
    made.volume = sum(sums.volume);
    made.notional = sum(sums.notional);
    return made;
  }

  /** What is drawn of bars `first` to before `end`, `size` to a candle. `x`: the middle of each, in bars. */
  candles(first, end, size) {
    const made = { x: [], first: [], end: [], open: [], high: [], low: [], close: [], volume: [] };
    const { open, high, low, close, volume } = this.drawn;
    // Counted from the first bar of all, so that a candle has the same bars wherever the view begins.
    for (let from = first - (first % size); from < end; from += size) {
      const to = Math.min(from + size, this.length);
      let o = NaN, h = -Infinity, l = Infinity, c = NaN, v = 0;
      for (let i = from; i < to; i++) {
        if (Number.isNaN(o)) o = open[i];
        if (high[i] > h) h = high[i];
        if (low[i] < l) l = low[i];
        if (!Number.isNaN(close[i])) c = close[i];
        v += volume[i];
      }
      made.x.push((from + to - 1) / 2);
      made.first.push(from);
      made.end.push(to);
      made.open.push(o);
      made.high.push(Number.isFinite(h) ? h : NaN);
      made.low.push(Number.isFinite(l) ? l : NaN);
      made.close.push(c);
      made.volume.push(v);
    }
    return made;
  }

  #one(i) {
    const made = { start: this.start[i], last: this.start[i], bars: 1, ticks: this.ticks[i], session: this.session[i] };
    for (const name of FIGURES) made[name] = this[name][i];
    return made;
  }
}

/** Whole numbers of one scale: texts without their points. */
function scaled(texts) {
  const digits = Math.max(0, ...texts.map((text) => (text.includes(".") ? text.length - text.indexOf(".") - 1 : 0)));
  return [digits, texts.map((text) => {
    const [whole, fraction = ""] = text.split(".");
    return BigInt(whole + fraction.padEnd(digits, "0"));
  })];
}

function compare(one, other) {
  const difference = Number(one) - Number(other);
  if (difference !== 0) return difference;
  const [, [a, b]] = scaled([one, other]);
  return a < b ? -1 : a > b ? 1 : 0;
}

function sum(texts) {
  const [digits, numbers] = scaled(texts);
  let total = 0n;
  for (const one of numbers) total += one;
  return pointed(total, digits);
}

/** The difference of two decimals, exact. */
export function difference(one, other) {
  const [digits, [a, b]] = scaled([one, other]);
  return pointed(a - b, digits);
}

function pointed(number, digits) {
  const sign = number < 0n ? "-" : "";
  const text = String(number < 0n ? -number : number).padStart(digits + 1, "0");
  const fraction = digits ? text.slice(-digits).replace(/0+$/, "") : "";
  return sign + text.slice(0, text.length - digits) + (fraction && `.${fraction}`);
}
