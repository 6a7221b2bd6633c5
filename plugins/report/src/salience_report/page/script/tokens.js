// Tokens: text on the colours of its saliency.

const tokensView = {
  width: 380,
  uncertain: "Dashed",
  name: (item, mark) => `“${item.tokens[mark]}”, token ${mark}`,
  build(item, host) {
    const box = element("div", { className: "tokens" });
    const spans = item.tokens.map((token, mark) => element("span", { textContent: token, "data-mark": mark }));
    spans.forEach((span, mark) => box.append(...(mark ? [" ", span] : [span])));
    host.append(box);
    return { spans };
  },
  paint(item, drawn) {
    const limit = limitOf(item);
    drawn.spans.forEach((span, mark) => {
      const sure = isCertain(item, mark);
      const color = colorOf(valueAt(item, mark) / limit);
      span.style.backgroundColor = sure ? asCss(color) : "transparent";
      span.style.color = sure ? textOn(color) : "var(--ink)";
      span.classList.toggle("hollow", !sure);
    });
  },
  hitAt: (drawn, mark) => drawn.spans[mark],
};
