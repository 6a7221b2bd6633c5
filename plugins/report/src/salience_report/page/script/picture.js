// Pictures: what the visualizer of the domain draws, for kinds of data without a view.

const pictureView = {
  width: 420,
  uncertain: "",
  name: () => "",
  build(item, host) {
    const image = element("img", { alt: "" });
    host.append(image);
    return { image };
  },
  paint(item, drawn) {
    drawn.image.src = item.pictures[STATE.method];
  },
  hitAt: () => null,
};

const VIEWS = {
  graph: graphView,
  raster: rasterView,
  bars: barsView,
  series: seriesView,
  tokens: tokensView,
  picture: pictureView,
};
