// The events that wait, drawn as tally marks: four strokes and a slash.

import { byId } from "./dom.js";
import { count, plural } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const STROKE_PX = 6;
const GROUP_PX = 34;
const TOP_PX = 3;

export function createMarks() {
  const box = byId("marks");
  const svg = document.createElementNS(SVG, "svg");
  const strokes = path("strokes");
  const slashes = path("slash");
  const rest = document.createElementNS(SVG, "text");
  svg.append(strokes, slashes, rest);
  box.append(svg);
  let shown = -1;

  function draw() {
    const { clientWidth: width, clientHeight: height } = svg;
    const room = Math.max(1, Math.floor((width - 90) / GROUP_PX)) * 5;
    const drawn = Math.max(0, Math.min(shown, room));
    let down = "";
    let across = "";
    for (let i = 0; i < drawn; i += 1) {
      const x = Math.floor(i / 5) * GROUP_PX + 5;
      const nth = i % 5;
      if (nth < 4) {
        down += `M${x + nth * STROKE_PX} ${TOP_PX}v${height - 2 * TOP_PX}`;
      } else {
        across += `M${x - 4} ${height * 0.78}L${x + 3 * STROKE_PX + 4} ${height * 0.22}`;
      }
    }
    strokes.setAttribute("d", down);
    slashes.setAttribute("d", across);
    rest.textContent =
      shown === 0 ? "Nothing waits" : shown > drawn ? `and ${count(shown - drawn)} more` : "";
    rest.setAttribute("x", String(Math.ceil(drawn / 5) * GROUP_PX + 2));
    rest.setAttribute("y", String(height / 2 + 4));
  }

  new ResizeObserver(draw).observe(box);

  return {
    show(waiting) {
      if (waiting === shown) return;
      shown = waiting;
      box.setAttribute(
        "aria-label",
        waiting ? `${plural(waiting, "event")} waiting` : "No events wait",
      );
      draw();
    },
  };
}

function path(name) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("class", name);
  return element;
}
