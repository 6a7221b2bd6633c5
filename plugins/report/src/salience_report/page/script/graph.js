// Graphs: molecules as a chemist draws them, with discs at atoms and bands at bonds.

const GRAPH = { bond: 32, disc: 11, band: 10, pad: 22, width: 280, height: 180 };

const graphView = {
  width: 280,
  uncertain: "Dashed",
  name(item, mark) {
    const nodes = item.nodeMarks ? item.x.length : 0;
    if (mark < nodes) return item.words[mark] || item.symbols[mark] || `node ${mark}`;
    const [one, two] = item.edges[mark - nodes];
    return `${item.words[one] || one}–${item.words[two] || two}`;
  },
  build(item, host) {
    const places = placed(item);
    const svg = shape("svg", { viewBox: `0 0 ${places.width} ${places.height}` }, host);
    const marks = [];
    const bands = shape("g", {}, svg);
    const discs = shape("g", {}, svg);
    const edges = item.edges.map(([one, two]) => edgeBand(places, one, two, bands));
    const nodes = item.x.map((_, node) => nodeDisc(places, node, discs));
    drawBonds(item, places, svg);
    drawSymbols(item, places, svg);
    if (item.nodeMarks) marks.push(...nodes);
    if (item.edgeMarks) marks.push(...edges);
    svg.append(...hits(item, places));
    return { marks, nodes, edges, svg };
  },
  paint(item, drawn) {
    const limit = limitOf(item);
    drawn.marks.forEach((mark, at) => paintMark(mark, item, at, limit));
    if (item.nodeMarks && !item.edgeMarks) {
      item.edges.forEach(([one, two], at) => paintBetween(drawn.edges[at], item, one, two, limit));
    }
  },
  hitAt: (drawn, mark) => drawn.svg.querySelector(`[data-mark="${mark}"]`),
};

/** Where the nodes lie in the drawing, and its size. */
function placed(item) {
  const [left, right] = [Math.min(...item.x), Math.max(...item.x)];
  const [top, bottom] = [Math.min(...item.y), Math.max(...item.y)];
  const length = bondLength(item);
  const room = [GRAPH.width - 2 * GRAPH.pad, GRAPH.height - 2 * GRAPH.pad];
  let scale = GRAPH.bond / length;
  const fits = Math.max(((right - left) * scale) / room[0], ((bottom - top) * scale) / room[1], 1);
  // A large molecule gets a larger drawing, which is shown as wide as the others.
  const width = GRAPH.width * fits;
  const height = GRAPH.height * fits;
  const shift = [(width - (right - left) * scale) / 2, (height - (bottom - top) * scale) / 2];
  return {
    width,
    height,
    at: item.x.map((x, i) => [shift[0] + (x - left) * scale, shift[1] + (item.y[i] - top) * scale]),
  };
}

function bondLength(item) {
  const lengths = item.edges
    .map(([one, two]) => Math.hypot(item.x[one] - item.x[two], item.y[one] - item.y[two]))
    .sort((a, b) => a - b);
  return lengths[lengths.length >> 1] || 1;
}

function nodeDisc(places, node, parent) {
  const [cx, cy] = places.at[node];
  return shape("circle", { cx, cy, r: GRAPH.disc, fill: "none" }, parent);
}

function edgeBand(places, one, two, parent) {
  const [x1, y1] = places.at[one];
  const [x2, y2] = places.at[two];
  return shape("line", { x1, y1, x2, y2, "stroke-width": GRAPH.band, stroke: "none" }, parent);
}

/** Colours a mark by its value, or draws a dashed outline where its sign is uncertain. */
function paintMark(mark, item, at, limit) {
  const sure = isCertain(item, at);
  const color = asCss(colorOf(valueAt(item, at) / limit));
  if (mark.tagName === "circle") {
    mark.setAttribute("fill", sure ? color : "var(--card)");
    mark.setAttribute("stroke", sure ? (isTested(item, at) ? "var(--line)" : "none") : "var(--uncertain)");
    mark.setAttribute("stroke-width", sure ? 0.7 : 1.3);
    mark.setAttribute("stroke-dasharray", sure ? "none" : "2.5 2.2");
  } else {
    mark.setAttribute("stroke", sure ? color : "var(--uncertain)");
    mark.setAttribute("stroke-width", sure ? GRAPH.band : 1);
    mark.setAttribute("stroke-dasharray", sure ? "none" : "2.5 2.2");
  }
}

/** A band between two coloured nodes, by the mean of their values. */
function paintBetween(band, item, one, two, limit) {
  const both = isCertain(item, one) && isCertain(item, two);
  const mean = (valueAt(item, one) + valueAt(item, two)) / 2;
  band.setAttribute("stroke", both ? asCss(colorOf(mean / limit)) : "none");
}

function drawBonds(item, places, svg) {
  const style = { stroke: "var(--ink)", "stroke-width": 1.5, "stroke-linecap": "round" };
  const group = shape("g", style, svg);
  item.edges.forEach((edge, at) => {
    const ends = shortened(item, places, edge);
    if (item.wedges[at]) return drawWedge(ends, item.wedges[at], group);
    const order = item.orders[at];
    const normal = normalOf(ends);
    if (order === 3) return [-3.2, 0, 3.2].forEach((by) => bondLine(ends, normal, by, group));
    if (order > 1) return drawDouble(item, places, at, ends, group);
    return bondLine(ends, normal, 0, group);
  });
}

/** The ends of a bond, short of the symbols that are written there. */
function shortened(item, places, [one, two]) {
  const [a, b] = [places.at[one], places.at[two]];
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
  const cut = (node) => (item.symbols[node] ? Math.min(9, length / 3) / length : 0);
  const along = (from, to, share) => from.map((part, i) => part + (to[i] - part) * share);
  return [along(a, b, cut(one)), along(b, a, cut(two))];
}

function normalOf([a, b]) {
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
  return [-(b[1] - a[1]) / length, (b[0] - a[0]) / length];
}

function bondLine([a, b], normal, by, group, inset = 0, dashes = "none") {
  const point = (from, to) =>
    from.map((part, i) => part + (to[i] - part) * inset + normal[i] * by);
  const [x1, y1] = point(a, b);
  const [x2, y2] = point(b, a);
  shape("line", { x1, y1, x2, y2, "stroke-dasharray": dashes }, group);
}

/** A double or aromatic bond: the second line lies on the side where the other atoms are. */
function drawDouble(item, places, at, ends, group) {
  const [one, two] = item.edges[at];
  const normal = normalOf(ends);
  const middle = [(ends[0][0] + ends[1][0]) / 2, (ends[0][1] + ends[1][1]) / 2];
  let side = 0;
  for (const [a, b] of item.edges) {
    const shared = [one, two].filter((node) => node === a || node === b).length;
    if (shared !== 1) continue;
    const other = a === one || a === two ? b : a;
    const [x, y] = places.at[other];
    side += Math.sign(Math.round((x - middle[0]) * normal[0] + (y - middle[1]) * normal[1]));
  }
  const dashes = item.orders[at] === 2 ? "none" : "3 2.5";
  if (!side) {
    bondLine(ends, normal, -1.9, group);
    return bondLine(ends, normal, 1.9, group, 0, dashes);
  }
  bondLine(ends, normal, 0, group);
  return bondLine(ends, normal, 4 * Math.sign(side), group, 0.13, dashes);
}

/** A wedge in front of the page, or a hashed one behind it. */
function drawWedge(ends, direction, group) {
  const normal = normalOf(ends);
  const [a, b] = ends;
  const at = (share, by) => a.map((part, i) => part + (b[i] - part) * share + normal[i] * by);
  if (direction > 0) {
    const points = [a, at(1, 3.2), at(1, -3.2)].map((point) => point.join(",")).join(" ");
    shape("polygon", { points, fill: "var(--ink)", "stroke-width": 0.5 }, group);
    return;
  }
  for (const step of range(7)) {
    const share = (step + 1) / 7;
    const [[x1, y1], [x2, y2]] = [at(share, 3.2 * share), at(share, -3.2 * share)];
    shape("line", { x1, y1, x2, y2, "stroke-width": 1.2 }, group);
  }
}

/** The symbols of atoms: the element over its atom, and hydrogens on the free side. */
function drawSymbols(item, places, svg) {
  const style = {
    "font-size": 13, "paint-order": "stroke", stroke: "var(--card)", "stroke-width": 2.6,
    "stroke-linejoin": "round",
  };
  const group = shape("g", style, svg);
  item.symbols.forEach((symbol, node) => {
    if (!symbol) return;
    const [x, y] = places.at[node];
    const [, head, hydrogens, charge] = /^(\d*[A-Z*][a-z]?|.+?)(H\d*)?(\d*[+−])?$/.exec(symbol);
    if (!hydrogens && !charge) return void centred(x, y, [symbol], group);
    const left = Boolean(hydrogens) && bondsPoint(item, places, node) > 0.1;
    labelled(x, y, { head, hydrogens: hydrogens ?? "", charge: charge ?? "", left }, group);
  });
}

/** Horizontal direction of the bonds of a node, in parts of a bond. */
function bondsPoint(item, places, node) {
  let total = 0;
  for (const [a, b] of item.edges) {
    if (a !== node && b !== node) continue;
    total += (places.at[a === node ? b : a][0] - places.at[node][0]) / GRAPH.bond;
  }
  return total;
}

function centred(x, y, [text], group) {
  shape("text", { x, y: y + 4.6, "text-anchor": "middle", text }, group);
}

/** A symbol with its hydrogens on one side, their number below and the charge above the line. */
function labelled(x, y, { head, hydrogens, charge, left }, group) {
  const half = 4.6 * head.length;
  const text = shape(
    "text",
    { x: left ? x + half : x - half, y: y + 4.6, "text-anchor": left ? "end" : "start" },
    group,
  );
  const count = hydrogens.slice(1);
  const own = hydrogens ? [["H", "H"], [count, "low"]] : [];
  const parts = left ? [...own, [head, "H"], [charge, "high"]] : [[head, "H"], ...own, [charge, "high"]];
  let shift = 0;
  for (const [part, kind] of parts) {
    if (!part) continue;
    const wanted = kind === "low" ? 3 : kind === "high" ? -4 : 0;
    const size = wanted ? 9.5 : 13;
    shape("tspan", { dy: wanted - shift, "font-size": size, text: part }, text);
    shift = wanted;
  }
}

/** Unseen circles and lines, larger than the marks, that the pointer meets. */
function hits(item, places) {
  const nodes = item.nodeMarks ? item.x.length : 0;
  const lines = !item.edgeMarks ? [] : item.edges.map(([one, two], at) => {
    const [x1, y1] = places.at[one];
    const [x2, y2] = places.at[two];
    return shape("line", {
      x1, y1, x2, y2, stroke: "transparent", "stroke-width": 12, "data-mark": nodes + at,
    });
  });
  const circles = range(nodes).map((node) => {
    const [cx, cy] = places.at[node];
    return shape("circle", { cx, cy, r: 15, fill: "transparent", "data-mark": node });
  });
  return [...lines, ...circles];
}
