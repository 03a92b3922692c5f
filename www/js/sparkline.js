// A post's views by hour as bars, the current hour in the signal colour, drawn by uPlot.

import uPlot from "/vendor/uplot/uPlot.esm.js";
import { count, hourOfDay, plural } from "./format.js";

const HOURS = 24;
const HOUR_S = 3600;
const HEIGHT = 57;

const bars = uPlot.paths.bars({ size: [0.72, 100], align: 0 });

/** `figure` holds `.chart` and the two ends of its caption; returns `{ show(rows) }`. */
export function createSparkline(figure) {
  const box = figure.querySelector(".chart");
  const left = figure.querySelector(".chart-left");
  const right = figure.querySelector(".chart-right");
  let plot;
  let hours = emptyDay();

  function caption() {
    const total = hours.views.reduce((sum, n) => sum + n, 0);
    const at = hours.views.indexOf(Math.max(...hours.views));
    left.textContent = total ? `${plural(total, "view")} in 24 h` : "No views in 24 h";
    right.textContent = total
      ? `peak ${count(hours.views[at])} at ${hourOfDay(hours.starts[at])}`
      : "";
    box.setAttribute(
      "aria-label",
      total
        ? `Views by hour, last 24 hours: ${count(total)} in all, most from ${hourOfDay(hours.starts[at])} with ${count(hours.views[at])}`
        : "Views by hour, last 24 hours: none",
    );
  }

  function onCursor(u) {
    const at = u.cursor.idx;
    if (at === null || at === undefined || u.cursor.left < 0) return caption();
    left.textContent = plural(hours.views[at], "view");
    right.textContent = `from ${hourOfDay(hours.starts[at])}`;
  }

  function draw() {
    const data = [hours.starts, hours.views.with(HOURS, null), onlyLast(hours.views)];
    if (plot) return plot.setData(data);
    const ink = () => getComputedStyle(box).color;
    const signal = () => getComputedStyle(box).caretColor;
    plot = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        padding: [4, 0, 0, 0],
        legend: { show: false },
        axes: [{ show: false }, { show: false }],
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        scales: {
          x: { range: (_, min, max) => [min - HOUR_S / 2, max + HOUR_S / 2] },
          y: { range: (_, __, max) => [0, Math.max(max, 1)] },
        },
        series: [
          {},
          { paths: bars, points: { show: false }, width: 0, fill: ink },
          { paths: bars, points: { show: false }, width: 0, fill: signal },
        ],
        hooks: { setCursor: [onCursor] },
      },
      data,
      box,
    );
  }

  new ResizeObserver(() => plot?.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
  document.addEventListener("themechange", () => plot?.redraw(true));

  return {
    /** `rows` are `{ hour, views }` of the hours that have views. */
    show(rows) {
      hours = fill(rows);
      draw();
      caption();
    },
  };
}

function emptyDay() {
  const now = Math.floor(Date.now() / 1000 / HOUR_S) * HOUR_S;
  const starts = Array.from({ length: HOURS + 1 }, (_, i) => now - (HOURS - i) * HOUR_S);
  return { starts, views: starts.map(() => 0) };
}

function fill(rows) {
  const day = emptyDay();
  const byHour = new Map(rows.map((row) => [Date.parse(row.hour) / 1000, row.views]));
  day.views = day.starts.map((start) => byHour.get(start) ?? 0);
  return day;
}

const onlyLast = (views) => views.map((n, i) => (i === views.length - 1 ? n : null));
