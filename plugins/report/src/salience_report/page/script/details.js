// One item in full: a large drawing, and a table of its values for those who do not see it.

const ROWS = 200;

function openDetails(item, opener) {
  const dialog = $("#details");
  const host = element("div", { className: "drawing" });
  host.dataset.all = "yes";
  const close = element("button", { type: "button", textContent: "Close" });
  close.addEventListener("click", () => dialog.close());
  const name = isolated(item.name);
  dialog.replaceChildren(
    element("div", { className: "head" }, element("h2", { id: "details-name" }, name), close),
    element("div", {}, ...captionOf(item).map((line) => element("div", {}, isolated(line)))),
    host,
    element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Values" }, tableOf(item)),
  );
  const drawn = drawItem(item, host);
  listenTo(item, host, drawn);
  dialog.addEventListener("close", () => opener?.focus(), { once: true });
  dialog.showModal();
  close.focus();
}

/** The values of an item by falling magnitude, as a table. */
function tableOf(item) {
  const columns = ["position", valueWords(), "standard error"];
  const tested = range(item.n).some((mark) => isTested(item, mark));
  if (tested) columns.push("p", "sign");
  const order = byMagnitude(item).slice(0, ROWS);
  const rest = item.n > ROWS ? `, the ${ROWS} largest of ${item.n}` : "";
  const head = columns.map((words) => element("th", { scope: "col", textContent: words }));
  return element(
    "table",
    {},
    element("caption", { textContent: `Values by falling magnitude${rest}. ${markNote()}` }),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...order.map((mark) => valueRow(item, mark, tested))),
  );
}

function valueRow(item, mark, tested) {
  const error = errorAt(item, mark);
  const cells = [written(valueAt(item, mark)), known(error) ? written(error, 2) : "unknown"];
  if (tested) {
    const isKnown = isTested(item, mark);
    cells.push(isKnown ? writtenP(10 ** -logpAt(item, mark)).replace("= ", "") : "not tested");
    cells.push(!isKnown ? "" : isCertain(item, mark) ? "certain" : "uncertain");
  }
  return element(
    "tr",
    {},
    element("td", {}, isolated(VIEWS[item.view].name(item, mark))),
    ...cells.map((text) => element("td", { textContent: text })),
  );
}
