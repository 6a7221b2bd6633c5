// Rasters: a map of blocks over a photo.

const RASTER = { side: 300, alpha: 0.85 };

const rasterView = {
  width: 250,
  uncertain: "Hatched",
  name(item, mark) {
    const [rows, columns] = blockCounts(item);
    const place = `row ${Math.floor(mark / columns)}, column ${mark % columns}`;
    return item.block[0] * item.block[1] > 1 ? `block ${place} of ${rows} × ${columns}` : place;
  },
  build(item, host) {
    const ratio = item.imageSize ?? item.shape;
    const scale = RASTER.side / Math.max(...ratio);
    const canvas = element("canvas", {
      width: Math.max(1, Math.round(ratio[1] * scale)),
      height: Math.max(1, Math.round(ratio[0] * scale)),
    });
    host.append(canvas);
    const drawn = { canvas, photo: null };
    if (item.image) {
      const photo = new Image();
      photo.addEventListener("load", () => {
        drawn.photo = photo;
        rasterView.paint(item, drawn);
      });
      photo.src = item.image;
    }
    return drawn;
  },
  paint(item, drawn) {
    const pen = drawn.canvas.getContext("2d");
    const { width, height } = drawn.canvas;
    pen.fillStyle = method().signed ? "#f2f3f4" : asCss(groundColor());
    pen.fillRect(0, 0, width, height);
    if (drawn.photo && STATE.look !== "map") drawPhoto(pen, drawn.photo, width, height);
    if (STATE.look === "photo" && drawn.photo) return;
    drawMap(item, pen, width, height, Boolean(drawn.photo));
    if (method().isShare) drawContour(item, pen, width, height);
    if (drawn.current !== undefined) frameBlock(item, pen, drawn.current, width, height);
  },
  markAt(item, drawn, event) {
    const box = drawn.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * item.shape[1];
    const y = ((event.clientY - box.top) / box.height) * item.shape[0];
    const [rows, columns] = blockCounts(item);
    const row = clamp(Math.floor(y / item.block[0]), 0, rows - 1);
    const column = clamp(Math.floor(x / item.block[1]), 0, columns - 1);
    return row * columns + column;
  },
  hitAt(drawn, mark, item) {
    drawn.current = mark;
    rasterView.paint(item, drawn);
    const box = drawn.canvas.getBoundingClientRect();
    const [x, y, w, h] = blockBox(item, mark, box.width, box.height);
    return { left: box.left + x, top: box.top + y, width: w, height: h };
  },
};

/** Draws the photo; below a map in grey, and in light grey where colours of signs lie on it. */
function drawPhoto(pen, photo, width, height) {
  const grey = method().signed ? "grayscale(1) contrast(0.55) brightness(1.35)" : "grayscale(1) contrast(0.75)";
  pen.filter = STATE.look === "photo" ? "none" : grey;
  pen.drawImage(photo, 0, 0, width, height);
  pen.filter = "none";
}

const blockCounts = (item) => item.shape.map((length, i) => Math.ceil(length / item.block[i]));

/** Left, top, width and height of a block in a drawing. */
function blockBox(item, mark, width, height) {
  const columns = blockCounts(item)[1];
  const [row, column] = [Math.floor(mark / columns), mark % columns];
  const edge = (at, axis, side) =>
    (Math.min(at * item.block[axis], item.shape[axis]) / item.shape[axis]) * side;
  const [left, top] = [edge(column, 1, width), edge(row, 0, height)];
  return [left, top, edge(column + 1, 1, width) - left, edge(row + 1, 0, height) - top];
}

/** Draws the map as an image of one pixel a block, which is enlarged without smoothing. */
function drawMap(item, pen, width, height, over) {
  const [rows, columns] = blockCounts(item);
  const small = new OffscreenCanvas(columns, rows);
  const pixels = new ImageData(columns, rows);
  const limit = method().isShare ? 1 : limitOf(item);
  const { signed } = method();
  for (let mark = 0; mark < item.n; mark += 1) {
    const share = valueAt(item, mark) / limit;
    const size = clamp(Math.abs(share), 0, 1);
    const color = signed ? colorOf(Math.sign(share)) : mapColor(size);
    const alpha = over || signed ? RASTER.alpha * size ** 0.7 : 1;
    pixels.data.set([...color, 255 * alpha], 4 * mark);
  }
  small.getContext("2d").putImageData(pixels, 0, 0);
  pen.imageSmoothingEnabled = false;
  // The last blocks may be shorter; what reaches beyond the canvas is cut off.
  const reach = (count, axis) => (count * item.block[axis]) / item.shape[axis];
  pen.drawImage(small, 0, 0, width * reach(columns, 1), height * reach(rows, 0));
  hatch(item, pen, width, height, limit);
}

/** A stroke through each block whose sign is uncertain, but for those that are nearly 0. */
function hatch(item, pen, width, height, limit) {
  pen.strokeStyle = "rgb(36 41 47 / 0.65)";
  pen.lineWidth = 0.8;
  pen.beginPath();
  for (let mark = 0; mark < item.n; mark += 1) {
    if (isCertain(item, mark) || Math.abs(valueAt(item, mark)) < 0.02 * limit) continue;
    const [x, y, w, h] = blockBox(item, mark, width, height);
    pen.moveTo(x + 0.15 * w, y + 0.85 * h);
    pen.lineTo(x + 0.85 * w, y + 0.15 * h);
  }
  pen.stroke();
}

/** A line around the blocks whose share of draws is at least that of the slider. */
function drawContour(item, pen, width, height) {
  const [rows, columns] = blockCounts(item);
  const inside = (row, column) =>
    row >= 0 && column >= 0 && row < rows && column < columns &&
    valueAt(item, row * columns + column) >= STATE.share;
  pen.beginPath();
  for (const mark of range(item.n)) {
    const [row, column] = [Math.floor(mark / columns), mark % columns];
    if (!inside(row, column)) continue;
    const [x, y, w, h] = blockBox(item, mark, width, height);
    const sides = [
      [inside(row - 1, column), x, y, x + w, y],
      [inside(row + 1, column), x, y + h, x + w, y + h],
      [inside(row, column - 1), x, y, x, y + h],
      [inside(row, column + 1), x + w, y, x + w, y + h],
    ];
    for (const [joined, x1, y1, x2, y2] of sides) {
      if (joined) continue;
      pen.moveTo(x1, y1);
      pen.lineTo(x2, y2);
    }
  }
  strokeTwice(pen);
}

function frameBlock(item, pen, mark, width, height) {
  const [x, y, w, h] = blockBox(item, mark, width, height);
  pen.beginPath();
  pen.rect(x - 1, y - 1, w + 2, h + 2);
  strokeTwice(pen);
}

/** A light line on a dark one, so that it is seen on any photo. */
function strokeTwice(pen) {
  pen.strokeStyle = "#000000";
  pen.lineWidth = 3.4;
  pen.stroke();
  pen.strokeStyle = "#ffffff";
  pen.lineWidth = 1.6;
  pen.stroke();
}
