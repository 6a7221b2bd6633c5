// The overview of a table: a dot for each row and feature, coloured by the feature's value.

const SWARM = { width: 760, step: 30, names: 190, right: 16, shown: 15 };

/** Whether all items are rows of the same features. */
const isTable = () =>
  DATA.items.length > 1 && DATA.items.every((item) => item.view === "bars") && Boolean(DATA.shared.names);

/** Features by falling mean magnitude over the items. */
function featureOrder(items) {
  const total = new Float64Array(items[0].n);
  for (const item of items) {
    for (let mark = 0; mark < item.n; mark += 1) total[mark] += Math.abs(valueAt(item, mark));
  }
  return range(items[0].n).sort((a, b) => total[b] - total[a]).slice(0, SWARM.shown);
}

function drawSwarm(items, host) {
  host.replaceChildren();
  if (!items.length) return;
  const order = featureOrder(items);
  const height = SWARM.step * order.length + 44;
  const high = method().largest;
  const low = method().signed ? -high : 0;
  const left = namesWidth(items[0].names, SWARM.names);
  const room = SWARM.width - left - SWARM.right;
  const x = (value) => left + (room * (value - low)) / (high - low);
  const words = `Saliency of ${items.length} rows by feature: ${order.map((f) => items[0].names[f]).join(", ")}`;
  const svg = shape("svg", { viewBox: `0 0 ${SWARM.width} ${height}`, role: "img", "aria-label": words }, host);
  swarmAxis(svg, order, { x, left }, height, items[0]);
  const canvas = element("canvas", { width: 2 * SWARM.width, height: 2 * height, "aria-hidden": "true" });
  host.append(canvas);
  const dots = swarmDots(items, order, x);
  paintDots(canvas, dots);
  listenToDots(canvas, dots, height);
}

function swarmAxis(svg, order, { x, left }, height, item) {
  const bottom = height - 36;
  shape("line", { x1: x(0), x2: x(0), y1: 2, y2: bottom, stroke: "var(--line)" }, svg);
  order.forEach((feature, row) => {
    const place = { x: left - 12, y: SWARM.step * (row + 0.5) + 5, "text-anchor": "end" };
    const label = shape("text", { ...place, "font-size": 12.5, text: fitted(item.names[feature], 27) }, svg);
    const room = left - 14;
    if (label.getComputedTextLength() > room) { // of broad letters
      label.setAttribute("textLength", room);
      label.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
  });
  const end = method().largest;
  for (const value of method().signed ? [-end, 0, end] : [0, end]) {
    const text = value ? written(value, 2) : "0";
    const anchor = value === end ? "end" : value ? "start" : "middle";
    shape("text", { x: x(value), y: bottom + 15, "font-size": 11, "text-anchor": anchor, class: "quiet", text }, svg);
  }
  const middle = { x: (left + SWARM.width) / 2, y: bottom + 31, "text-anchor": "middle" };
  shape("text", { ...middle, "font-size": 11.5, class: "quiet", text: valueWords() }, svg);
}

/** Places of the dots: those at the same value lie above and below each other. */
function swarmDots(items, order, x) {
  const dots = [];
  order.forEach((feature, row) => {
    const middle = SWARM.step * (row + 0.5);
    const counts = new Map();
    const shares = featureShares(items, feature);
    items.forEach((item, i) => {
      const at = x(valueAt(item, feature));
      const bin = Math.round(at / 4);
      const before = counts.get(bin) ?? 0;
      counts.set(bin, before + 1);
      const shift = Math.min(12, Math.ceil(before / 2) * 2.1) * (before % 2 ? 1 : -1);
      dots.push({ x: at, y: middle + shift, item, feature, share: shares[i] });
    });
  });
  return dots;
}

/** The place of each item's feature value among those of all, from 0 to 1; null where unknown. */
function featureShares(items, feature) {
  const values = items.map((item) => (item.numbers ? item.numbers[feature] : NaN));
  const real = values.filter((value) => !Number.isNaN(value));
  const [low, high] = [Math.min(...real), Math.max(...real)];
  return values.map((value) => (Number.isNaN(value) ? null : (value - low) / (high - low || 1)));
}

/** The part of the colours that is seen on the background. */
const seenShare = (share) => (isDark() && !printing ? 0.35 + 0.65 * share : 0.95 * share);

function paintDots(canvas, dots) {
  const pen = canvas.getContext("2d");
  pen.scale(2, 2);
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--accent");
  const radius = dots.length > 3000 ? 1.7 : 2.4;
  pen.globalAlpha = dots.length > 3000 ? 0.7 : 1;
  for (const { x, y, item, feature, share } of dots) {
    const color = share === null ? ink : asCss(mapColor(seenShare(share)));
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    if (isCertain(item, feature)) {
      pen.fillStyle = color;
      pen.fill();
    } else {
      pen.strokeStyle = color;
      pen.lineWidth = 0.8;
      pen.stroke();
    }
  }
}

function listenToDots(canvas, dots, height) {
  const nearest = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * SWARM.width;
    const y = ((event.clientY - box.top) / box.height) * height;
    let found = null;
    let least = 36;
    for (const dot of dots) {
      const away = (dot.x - x) ** 2 + (dot.y - y) ** 2;
      if (away < least) [found, least] = [dot, away];
    }
    return found;
  };
  canvas.addEventListener("pointermove", (event) => {
    const dot = nearest(event);
    if (dot) showTip(markWords(dot.item, dot.feature), event.clientX, event.clientY);
    else hideTip();
  });
  canvas.addEventListener("pointerleave", hideTip);
  canvas.addEventListener("click", (event) => {
    const dot = nearest(event);
    if (dot) openDetails(dot.item, null);
  });
}
