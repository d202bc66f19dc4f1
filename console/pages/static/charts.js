// Draws the charts of the overview. Beside each chart the page says in words what is to be seen in it.
"use strict";

(() => {
  const drawn = new Set();
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const draw = (element) => {
    const axis = {
      stroke: color("--soft"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const clock = "{HH}:{mm}";
    const day = "{DD}.{MM}.";
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: element.clientHeight,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_, __, most) => [0, Math.max(1, (most || 0) * 1.1)] } },
        axes: [
          {
            ...axis,
            size: 22,
            space: 70,
            values: [[86400, day, null, null, null, null, null, null, 1], [60, clock, null, null, null, null, null, null, 1]],
          },
          { ...axis, size: 44, space: 28, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6, 1e7] },
        ],
        series: [{}, { stroke: color("--accent"), width: 1.5, fill: color("--quiet"), points: { size: 4 } }],
      },
      [JSON.parse(element.dataset.times), JSON.parse(element.dataset.values)],
      element,
    );
    drawn.add(chart);
  };

  const drawNew = () => {
    for (const chart of drawn) {
      if (!chart.root.isConnected) {
        chart.destroy();
        drawn.delete(chart);
      }
    }
    for (const element of document.querySelectorAll(".chart:empty")) draw(element);
  };

  const drawAllAnew = () => {
    for (const chart of drawn) chart.destroy();
    drawn.clear();
    drawNew();
  };

  let waiting;
  addEventListener("DOMContentLoaded", drawNew);
  addEventListener("htmx:afterSettle", drawNew);
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAllAnew, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAllAnew);
})();
