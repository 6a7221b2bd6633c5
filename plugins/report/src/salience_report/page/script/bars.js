// Bars: the features of a row as points on a line from 0, with their 66 and 95 % intervals.

const BARS = { width: 460, step: 21, names: 210, shown: 12, right: 14 };

const barsView = {
  width: 420,
  uncertain: "Hollow",
  name: (item, mark) => featureWords(item, mark),
  build(item, host) {
    const n = Math.min(item.n, host.dataset.all ? item.n : BARS.shown);
    const height = BARS.step * n + 42;
    const svg = shape("svg", { viewBox: `0 0 ${BARS.width} ${height}` }, host);
    return { svg, n, height };
  },
  paint(item, drawn) {
    drawn.svg.replaceChildren();
    const order = byMagnitude(item).slice(0, drawn.n);
    const axis = barAxis(item);
    const bottom = BARS.step * drawn.n + 6;
    drawAxis(drawn.svg, axis, bottom);
    order.forEach((mark, row) => drawBar(drawn.svg, item, mark, { axis, y: BARS.step * (row + 0.5) + 2 }));
  },
  hitAt: (drawn, mark) => drawn.svg.querySelector(`[data-mark="${mark}"]`),
};

/** Name of a feature and, where known, its value. */
function featureWords(item, mark) {
  if (item.texts?.[mark]) return `${item.names[mark]} = ${item.texts[mark]}`;
  if (item.numbers) return `${item.names[mark]} = ${plainNumber(item.numbers[mark])}`;
  return item.names[mark];
}

/** Name and value of a feature, as far as there is room: of the name the end is left out. */
function featureLabel(item, mark, room) {
  const most = Math.floor((room - 22) / 6.7);
  const text = item.texts?.[mark] || (item.numbers ? plainNumber(item.numbers[mark], 3) : "");
  const after = text ? ` = ${fitted(text, 14)}` : "";
  return `${fitted(item.names[mark], Math.max(6, most - after.length))}${after}`;
}

/** What values are, with their unit, at axes. */
const valueWords = () => (method().unit ? `${method().valueName} (${method().unit})` : method().valueName);

/** From a value to its place, by the scale of the method or of the item. */
function barAxis(item) {
  const halves = halfWidths(item);
  let end = STATE.ownScale ? 0 : method().reach;
  for (let mark = 0; STATE.ownScale && mark < item.n; mark += 1) {
    const error = errorAt(item, mark);
    end = Math.max(end, Math.abs(valueAt(item, mark)) + (halves && known(error) ? halves[1] * error : 0));
  }
  const low = method().signed ? -end : 0;
  const left = namesWidth(range(item.n).map((mark) => featureLabel(item, mark, Infinity)), BARS.names);
  const room = BARS.width - left - BARS.right;
  return { low, high: end, left, at: (value) => left + (room * (value - low)) / (end - low || 1) };
}

function drawAxis(svg, axis, bottom) {
  const zero = axis.at(0);
  const style = { stroke: "var(--line)", "stroke-width": 1 };
  shape("line", { x1: zero, x2: zero, y1: 2, y2: bottom, ...style }, svg);
  for (const value of new Set([axis.low, 0, axis.high])) {
    const anchor = value === axis.high ? "end" : value === axis.low && axis.low ? "start" : "middle";
    const text = { x: axis.at(value), y: bottom + 15, "font-size": 11, "text-anchor": anchor };
    shape("text", { ...text, class: "quiet", text: value ? written(value, 2) : "0" }, svg);
  }
  const middle = { x: axis.left + (BARS.width - axis.left) / 2, y: bottom + 31 };
  const words = valueWords();
  shape("text", { ...middle, "font-size": 11.5, "text-anchor": "middle", class: "quiet", text: words }, svg);
}

function drawBar(svg, item, mark, { axis, y }) {
  const value = valueAt(item, mark);
  const color = signColor(value);
  const name = featureLabel(item, mark, axis.left);
  const label = { x: axis.left - 10, y: y + 4, "font-size": 12, "text-anchor": "end" };
  shape("text", { ...label, text: name }, svg);
  const line = (from, to, width, stroke) =>
    shape("line", { x1: axis.at(clamp(from, axis.low, axis.high)), x2: axis.at(clamp(to, axis.low, axis.high)),
      y1: y, y2: y, stroke, "stroke-width": width }, svg);
  const [error, halves] = [errorAt(item, mark), halfWidths(item)];
  if (halves && known(error)) {
    line(value - halves[1] * error, value + halves[1] * error, 1.3, "var(--ink)");
    line(value - halves[0] * error, value + halves[0] * error, 3.6, "var(--ink)");
  } else {
    line(0, value, 2, color);
  }
  const sure = isCertain(item, mark);
  const point = { cx: axis.at(value), cy: y, r: 4.6, stroke: color, "stroke-width": 1.7 };
  shape("circle", { ...point, fill: sure ? color : "var(--card)" }, svg);
  const hit = { x: 0, y: y - BARS.step / 2, width: BARS.width, height: BARS.step };
  shape("rect", { ...hit, fill: "transparent", "data-mark": mark }, svg);
}

/** Width of a column of names, of which the longest are cut. */
const namesWidth = (names, most) => Math.min(most, 22 + 6.7 * Math.max(...names.map((name) => name.length)));

const fitted = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
