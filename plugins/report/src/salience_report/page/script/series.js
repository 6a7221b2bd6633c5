// Series: a spectrum or signal above, its saliency with the 95 % interval below.

const SERIES = { width: 460, top: 110, strip: 10, bottom: 84, left: 12, right: 12 };

const seriesView = {
  width: 420,
  uncertain: "Empty in the strip of colours",
  name: (item, mark) => `${item.xLabel || "position"} ${plainNumber(item.xs[mark])}`,
  build(item, host) {
    const height = SERIES.top + SERIES.strip + SERIES.bottom + 28;
    return { svg: shape("svg", { viewBox: `0 0 ${SERIES.width} ${height}` }, host), height };
  },
  paint(item, drawn) {
    drawn.svg.replaceChildren();
    drawLines(item, drawn.svg);
    drawStrip(item, drawn.svg);
    drawSaliency(item, drawn.svg);
    drawSeriesLabels(item, drawn.svg);
    drawn.cursor = shape("line", { stroke: "none", y1: 4, y2: drawn.height - 18 }, drawn.svg);
  },
  markAt(item, drawn, event) {
    const box = drawn.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * SERIES.width;
    let nearest = 0;
    for (let mark = 1; mark < item.n; mark += 1) {
      if (Math.abs(seriesX(item, mark) - x) < Math.abs(seriesX(item, nearest) - x)) nearest = mark;
    }
    moveCursor(item, drawn, nearest);
    return nearest;
  },
  hitAt(drawn, mark, item) {
    moveCursor(item, drawn, mark);
    return drawn.cursor;
  },
};

function moveCursor(item, drawn, mark) {
  const x = seriesX(item, mark);
  for (const name of ["x1", "x2"]) drawn.cursor.setAttribute(name, x);
  drawn.cursor.setAttribute("stroke", "var(--line)");
}

function seriesX(item, mark) {
  item.extent ??= [Math.min(...item.xs), Math.max(...item.xs)];
  const [low, high] = item.extent;
  const room = SERIES.width - SERIES.left - SERIES.right;
  return SERIES.left + (room * (item.xs[mark] - low)) / (high - low || 1);
}

const pathOf = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function drawLines(item, svg) {
  const every = item.lines.flatMap((line) => [...line]);
  const [low, high] = [Math.min(...every), Math.max(...every)];
  const y = (value) => SERIES.top - 4 - ((SERIES.top - 24) * (value - low)) / (high - low || 1);
  for (const line of item.lines) {
    const points = [...line].map((value, mark) => [seriesX(item, mark), y(value)]);
    shape("path", { d: pathOf(points), fill: "none", stroke: "var(--ink)", "stroke-width": 1.2 }, svg);
  }
}

/** A strip of colours, empty where the sign is uncertain. */
function drawStrip(item, svg) {
  const limit = limitOf(item);
  const middle = (mark, next) => (seriesX(item, mark) + seriesX(item, clamp(next, 0, item.n - 1))) / 2;
  for (let mark = 0; mark < item.n; mark += 1) {
    if (!isCertain(item, mark)) continue;
    const [one, two] = [middle(mark, mark - 1), middle(mark, mark + 1)];
    const fill = asCss(colorOf(valueAt(item, mark) / limit));
    const box = { x: Math.min(one, two), y: SERIES.top, width: Math.abs(two - one) + 0.3 };
    shape("rect", { ...box, height: SERIES.strip, fill }, svg);
  }
  const frame = { x: SERIES.left, y: SERIES.top, width: SERIES.width - SERIES.left - SERIES.right };
  shape("rect", { ...frame, height: SERIES.strip, fill: "none", stroke: "var(--faint)" }, svg);
}

function drawSaliency(item, svg) {
  const halves = halfWidths(item);
  const bounds = range(item.n).map((mark) => {
    const [value, error] = [valueAt(item, mark), errorAt(item, mark)];
    const half = halves && known(error) ? halves[1] * error : 0;
    return [value - half, value, value + half];
  });
  const every = bounds.flat();
  const end = Math.max(...every.map(Math.abs), STATE.ownScale ? 0 : method().reach) || 1;
  const low = method().signed || Math.min(...every) < 0 ? -end : 0;
  const base = SERIES.top + SERIES.strip + 8;
  const y = (value) => base + SERIES.bottom - (SERIES.bottom * (value - low)) / (end - low);
  const points = (at) => bounds.map((bound, mark) => [seriesX(item, mark), y(bound[at])]);
  if (halves && method().errors) {
    const band = `${pathOf([...points(2), ...points(0).reverse()])}Z`;
    shape("path", { d: band, fill: "var(--line)", "fill-opacity": 0.4, stroke: "none" }, svg);
  }
  const zero = { x1: SERIES.left, x2: SERIES.width - SERIES.right, y1: y(0), y2: y(0) };
  shape("line", { ...zero, stroke: "var(--line)", "stroke-width": 0.8 }, svg);
  shape("path", { d: pathOf(points(1)), fill: "none", stroke: "var(--ink)", "stroke-width": 1.3 }, svg);
  const text = { x: SERIES.left, "font-size": 10.5, class: "quiet" };
  shape("text", { ...text, y: base + 8, text: withUnit(written(end, 2)) }, svg);
}

function drawSeriesLabels(item, svg) {
  const y = SERIES.top + SERIES.strip + SERIES.bottom + 22;
  const text = { y, "font-size": 11, class: "quiet" };
  const [first, last] = [item.xs[0], item.xs[item.n - 1]];
  shape("text", { ...text, x: SERIES.left, text: plainNumber(first) }, svg);
  shape("text", { ...text, x: SERIES.width - SERIES.right, "text-anchor": "end", text: plainNumber(last) }, svg);
  shape("text", { ...text, x: SERIES.width / 2, "text-anchor": "middle", text: item.xLabel }, svg);
  shape("text", { ...text, y: 12, x: SERIES.left, text: item.yLabel }, svg);
}
