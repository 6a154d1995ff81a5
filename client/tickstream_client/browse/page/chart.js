// Candlesticks and volume, drawn by plotly over an axis of bars, not of time: nights and weekends take no room.
// What is in sight is drawn, and as much again on either side; where bars would be narrower than a few pixels several
// are put together into one candle, which is said. Nothing is left out.

const NARROWEST_PX = 2.2;
const FEWEST_BARS = 12;
/** First the last bars are seen, so many that each has about so much room, or all of them, where each can have a candle. */
const FIRST_PX = 3;
/** Of the height, for the volume. */
const BELOW = 0.2;
const MARK_PX = 72;
const EDGE_PX = 34;
const SIZES = [1, 2, 5];

export class Chart {
  /** told(chart): after each drawing. hovered(first, end): bars of the candle that is pointed at; null for none. */
  constructor(element, clock, told, hovered) {
    this.element = element;
    this.clock = clock;
    this.told = told;
    this.hovered = hovered;
    this.bars = null;
    this.view = [0, 1];
    this.size = 1;
    this.seconds = 60;
    this.pointed = null;
    this.waiting = false;
    this.isDrawing = false;
    this.isBound = false;
    new ResizeObserver(() => this.redraw()).observe(element);
  }

  /** Shows other bars: from the end of them, or what was in sight, where `kept` says so. */
  show(bars, seconds, kept) {
    const before = this.bars;
    const sight = before?.length ? this.#sight() : null;
    this.bars = bars;
    this.seconds = seconds;
    if (!kept || !sight || !bars.length) this.#begin();
    else {
      // Who looks at the end goes on looking at it when more comes; else the same moments stay in sight.
      const [from, to] = this.view;
      const atEnd = to >= before.length - 0.5;
      const whole = atEnd && from <= 0;
      const moved = atEnd ? bars.length - before.length : bars.find(sight.start) - sight.first;
      this.view = whole ? [-0.5, bars.length - 0.5] : [from + moved, to + moved];
    }
    this.pointed = null;
    this.redraw();
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#draw();
    });
  }

  whole() {
    this.#move(-0.5, this.bars.length - 0.5);
  }

  /** factor: of the width of what is in sight. */
  zoom(factor) {
    const [from, to] = this.view;
    const last = this.bars.length - 0.5;
    // The end stays where it is in sight: what is newest is looked at.
    const fixed = to >= last - 1 ? to : (from + to) / 2;
    this.#move(fixed - (fixed - from) * factor, fixed + (to - fixed) * factor);
  }

  /** share: of the width, to the right where it is positive. */
  pan(share) {
    const [from, to] = this.view;
    this.#move(from + share * (to - from), to + share * (to - from));
  }

  /** Points at the candle before (-1) or after (1), and returns its bars. */
  step(direction) {
    if (!this.bars?.length) return null;
    const last = this.bars.length - 1;
    const start = this.pointed === null ? Math.min(last, Math.floor(this.view[1])) : direction < 0 ? this.pointed[0] - 1 : this.pointed[1];
    const at = Math.max(0, Math.min(last, start));
    const first = at - (at % this.size);
    this.pointed = [first, Math.min(first + this.size, this.bars.length)];
    const [from, to] = this.view;
    if (at < from || at > to) this.#move(at - (to - from) / 2, at + (to - from) / 2);
    else this.redraw();
    this.hovered(...this.pointed);
    return this.pointed;
  }

  /** Places of the first bar in sight, and behind the last one. */
  inSight() {
    const first = Math.max(0, Math.ceil(this.view[0]));
    return [Math.min(first, this.bars.length), Math.max(first, Math.min(this.bars.length, Math.floor(this.view[1]) + 1))];
  }

  #sight() {
    const [first] = this.inSight();
    const at = Math.min(first, this.bars.length - 1);
    return { first: at, start: this.bars.start[at] };
  }

  #width() {
    return Math.max(100, this.element.clientWidth - 70);
  }

  #begin() {
    const end = this.bars.length - 0.5;
    const isEach = this.bars.length * NARROWEST_PX <= this.#width();
    this.view = [isEach ? -0.5 : Math.max(-0.5, end - Math.max(FEWEST_BARS, Math.floor(this.#width() / FIRST_PX))), end];
  }

  #move(from, to) {
    const last = this.bars.length - 0.5;
    const wide = Math.min(Math.max(to - from, Math.min(FEWEST_BARS, last + 0.5)), last + 0.5);
    const middle = (from + to) / 2;
    const begin = Math.min(Math.max(-0.5, middle - wide / 2), last - wide);
    this.view = [begin, begin + wide];
    this.redraw();
  }

  #draw() {
    if (!this.bars || !this.element.clientWidth) return;
    const bars = this.bars;
    if (!bars.length) {
      if (this.isBound) Plotly.purge(this.element);
      this.isBound = false;
      this.element.dataset.drawn = "0";
      this.told(this);
      return;
    }
    const [from, to] = this.view;
    const wide = to - from;
    this.size = sizeOf(wide * NARROWEST_PX / this.#width());
    const first = Math.max(0, Math.floor(from - wide)), end = Math.min(bars.length, Math.ceil(to + wide));
    const made = bars.candles(first, end, this.size);
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(`--${name}`).trim();
    this.isDrawing = true;
    Plotly.react(this.element, this.#traces(made, ink), this.#layout(made, ink), {
      displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: false,
    }).then(() => {
      this.isDrawing = false;
      if (!this.isBound) this.#bind();
      this.element.dataset.drawn = String(bars.length);
      this.told(this);
    });
  }

  #traces(made, ink) {
    const now = Date.now() / 1_000;
    const kinds = { traded: [], forming: [], filled: [] };
    for (let i = 0; i < made.x.length; i++) {
      const [first, end] = [made.first[i], made.end[i]];
      const isFilled = this.bars.filled[first] === true && end - first === 1;
      const kind = isFilled ? "filled" : this.bars.isForming(end - 1, this.seconds, now) ? "forming" : "traded";
      kinds[kind].push(i);
    }
    const of = (column, places) => places.map((i) => column[i]);
    const [up, down, quiet] = [ink("up"), ink("down"), ink("quiet")];
    const candles = (name, places, rising, falling) => ({
      type: "candlestick", name, hoverinfo: "none", showlegend: false, whiskerwidth: 0,
      x: of(made.x, places), open: of(made.open, places), high: of(made.high, places), low: of(made.low, places),
      close: of(made.close, places), customdata: places.map((i) => [made.first[i], made.end[i]]),
      increasing: rising, decreasing: falling,
    });
    const full = (color) => ({ line: { color, width: 1 }, fillcolor: color });
    const hollow = (color) => ({ line: { color, width: 1.5 }, fillcolor: ink("card") });
    return [
      candles("traded", kinds.traded, full(up), full(down)),
      candles("forming", kinds.forming, hollow(up), hollow(down)),
      candles("filled", kinds.filled, full(quiet), full(quiet)),
      {
        type: "bar", name: "volume", yaxis: "y2", hoverinfo: "none", showlegend: false, x: made.x, y: made.volume,
        customdata: made.x.map((_, i) => [made.first[i], made.end[i]]),
        marker: { color: made.x.map((_, i) => ink(made.close[i] < made.open[i] ? "down-wash" : "up-wash")), line: { width: 0 } },
      },
    ];
  }

  #layout(made, ink) {
    const [from, to] = this.view;
    const inSight = made.x.map((_, i) => i).filter((i) => made.x[i] >= from && made.x[i] <= to);
    const lows = inSight.map((i) => made.low[i]).filter((one) => !Number.isNaN(one));
    const highs = inSight.map((i) => made.high[i]).filter((one) => !Number.isNaN(one));
    const low = Math.min(...lows), high = Math.max(...highs);
    const margin = lows.length ? (high - low || Math.abs(high) * 0.01 || 1) * 0.06 : 1;
    const [first, end] = [Math.max(0, Math.floor(from - (to - from))), Math.min(this.bars.length, Math.ceil(to + (to - from)))];
    // Labels stand in the middle of their places: one at the very edge would be cut.
    const most = Math.max(3, (end - first) / (to - from) * this.#width() / MARK_PX);
    const edge = from + (to - from) * EDGE_PX / this.#width();
    const marks = this.clock.marks(this.bars.start, first, end, most, edge).filter(([i]) => i < from || i >= edge);
    const axis = { fixedrange: true, side: "right", gridcolor: ink("rule"), zeroline: false, tickfont: { color: ink("soft"), size: 11 }, ticklabelstandoff: 4 };
    const line = (x, color, dash) => ({ type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, line: { color, width: 1, dash }, layer: "below" });
    const shapes = marks.filter(([, , isDay]) => isDay).map(([i]) => line(i - 0.5, ink("rule-strong"), "dot"));
    if (this.pointed) shapes.push(line((this.pointed[0] + this.pointed[1] - 1) / 2, ink("soft"), "solid"));
    const last = this.bars.drawn.close.findLast((one) => !Number.isNaN(one));
    const isDown = last < this.bars.drawn.open.find((one) => !Number.isNaN(one));
    const color = ink(isDown ? "down-ink" : "up-ink");
    const annotations = [];
    if (last >= low - margin && last <= high + margin) {
      // The last price of all, as it came: a line across, and its text on the axis.
      shapes.push({ type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: last, y1: last, line: { color, width: 1, dash: "dot" }, layer: "below" });
      annotations.push({ xref: "paper", yref: "paper", x: 1, y: BELOW + (1 - BELOW) * (last - low + margin) / (high - low + 2 * margin), xanchor: "left", yanchor: "middle", text: this.bars.close.findLast((one) => one !== null), showarrow: false, bgcolor: color, font: { color: ink("card"), size: 11 }, borderpad: 2, xshift: 1 });
    }
    return {
      annotations,
      autosize: true, dragmode: "pan", hovermode: "x", hoverdistance: 200, spikedistance: -1,  barmode: "overlay", bargap: 0.25, showlegend: false,
      margin: { l: 2, r: 62, t: 6, b: 36 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: ink("ink") }, shapes,
      xaxis: {
        anchor: "y2", range: [from, to], rangeslider: { visible: false }, showgrid: false, zeroline: false,
        tickmode: "array", tickvals: marks.map(([i]) => i), ticktext: marks.map(([, label]) => label), tickangle: 0,
        tickfont: { color: ink("soft"), size: 11 }, ticks: "", showspikes: true, spikemode: "across", spikesnap: "data",
        spikethickness: 1, spikedash: "solid", spikecolor: ink("soft"),
      },
      yaxis: { ...axis, domain: [BELOW, 1], range: lows.length ? [low - margin, high + margin] : [0, 1], tickformat: ",~r", nticks: 8, exponentformat: "none", separatethousands: true },
      yaxis2: { ...axis, domain: [0, BELOW - 0.04], range: [0, Math.max(1e-9, ...inSight.map((i) => made.volume[i])) * 1.05], nticks: 3, tickformat: "~s", showgrid: false },
    };
  }

  #bind() {
    this.isBound = true;
    this.element.on("plotly_relayout", (event) => {
      // Plotly lets it go beyond the ends; `#move` brings it back, as wide as it was.
      const from = event["xaxis.range[0]"] ?? event["xaxis.range"]?.[0], to = event["xaxis.range[1]"] ?? event["xaxis.range"]?.[1];
      if (!this.isDrawing && from !== undefined && to !== undefined) this.#move(Number(from), Number(to));
    });
    // Of each kind of candles the nearest is told; looked at is the nearest of all.
    const nearest = ({ points, xvals: [at] = [points[0].x] }) =>
      points.reduce((best, one) => (Math.abs(one.x - at) < Math.abs(best.x - at) ? one : best));
    for (const name of ["plotly_hover", "plotly_click"]) this.element.on(name, (event) => this.hovered(...nearest(event).customdata));
    this.element.on("plotly_unhover", () => this.hovered(...(this.pointed ?? [null, null])));
  }
}

/** The smallest of 1, 2, 5, 10, 20, ... that is as large. */
function sizeOf(least) {
  for (let power = 1; ; power *= 10) {
    for (const one of SIZES) if (one * power >= least) return one * power;
  }
}
