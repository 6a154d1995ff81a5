// Draws the figures of this page with plotly, in the colours that the page's style sheet has at the moment.
(() => {
  "use strict";

  const charts = [...document.querySelectorAll("[data-figure]")];
  const overTime = charts.filter((chart) => chart.dataset.figure !== "latency");
  const coarse = matchMedia("(pointer: coarse)").matches;

  const resolved = (value, style) => {
    if (Array.isArray(value)) return value.map((one) => resolved(one, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, resolved(one, style)]));
    }
    const variable = typeof value === "string" && /^var\((--[\w-]+)\)$/.exec(value);
    return variable ? style.getPropertyValue(variable[1]).trim() : value;
  };

  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    for (const chart of charts) {
      const source = document.getElementById(`figure-${chart.dataset.figure}`);
      const { data, layout } = resolved(JSON.parse(source.textContent), style);
      layout.font.family = getComputedStyle(document.body).fontFamily;
      // A finger that drags scrolls the page.
      if (coarse || chart.dataset.figure === "latency") layout.dragmode = false;
      Plotly.react(chart, data, layout, { responsive: true, displayModeBar: false, doubleClick: "reset" });
    }
  };

  // Charts over time move together, those of one group where there are several: zooming into one shows the same seconds
  // in the others.
  const follow = (changed, event) => {
    const from = event["xaxis.range[0]"], to = event["xaxis.range[1]"];
    const whole = event["xaxis.autorange"] === true;
    if (from === undefined && !whole) return;
    for (const chart of overTime) {
      const [lower, upper] = chart.layout.xaxis.range;
      if (chart === changed || chart.dataset.group !== changed.dataset.group || (lower === from && upper === to)) continue;
      Plotly.relayout(chart, whole ? { "xaxis.autorange": true } : { "xaxis.range": [from, to] });
    }
  };

  draw();
  for (const chart of overTime) chart.on("plotly_relayout", (event) => follow(chart, event));
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", draw);
  }
  document.documentElement.dataset.drawn = "yes";
})();
