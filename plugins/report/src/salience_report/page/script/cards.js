// A card for each item: its drawing, what is known of it, and how pointer and keys move on it.

const PER_PAGE = 48;
let cards = [];

/** Draws an item into an element; the drawing is painted again where the reader's choice changes. */
function drawItem(item, host) {
  const view = VIEWS[item.view];
  const drawn = view.build(item, host);
  view.paint(item, drawn);
  return drawn;
}

/** The lines below an item: prediction, label and how certain it is. */
function captionOf(item) {
  const lines = [saidOf(item), ...(item.caption ?? [])];
  if (known(item.label)) {
    const label = typeof item.label === "number" ? plainNumber(item.label, 4) : item.label;
    const wrong = item.error === 1 && typeof item.label === "string" ? " (prediction is wrong)" : "";
    lines.push(`${DATA.labelName} ${label}${wrong}`);
  }
  if (item.view === "bars" && item.n > BARS.shown) lines.push(`the ${BARS.shown} largest of ${item.n} features`);
  const certain = certaintyWords(item);
  if (certain) lines.push(certain);
  return lines.filter(Boolean);
}

/** What f is of an item, in words. */
const saidOf = (item) => (method().said ?? METHODS[0].said)[item.index];

function certaintyWords(item) {
  const { tested, certain } = counted(item);
  if (tested) {
    if (STATE.rate < 0) return `${certain} of ${tested} signs certain`;
    return `${certain} of ${tested} at FDR ${percent(DATA.rates[STATE.rate])}`;
  }
  const share = method().certainty[item.index];
  if (!known(share)) return "";
  if (method().signed) return `${percent(share)} of values, before they were summed, have a certain sign`;
  return `mean certainty ${written(share, 2)}`;
}

function cardOf(item) {
  const host = element("div", { className: "drawing", role: "img" });
  const lines = element("div", { className: "lines" });
  const credit = item.credit ? element("div", { className: "credit", textContent: item.credit }) : null;
  const caption = element("figcaption", {}, element("strong", {}, isolated(item.name)), lines, credit);
  const figure = element("figure", { tabIndex: 0 }, host, caption);
  figure.dataset.position = item.position;
  const children = [figure];
  if (item.n) {
    const values = element("button", { type: "button" }, "values", element("span", { className: "unseen" }, " of ", isolated(item.name)));
    values.addEventListener("click", () => openDetails(item, values));
    children.push(values);
  }
  const drawn = drawItem(item, host);
  const card = { item, host, lines, drawn, node: element("li", { className: "card" }, ...children) };
  listenTo(item, host, drawn);
  listenToKeys(figure, card);
  describe(card);
  return card;
}

/** The three marks of the largest magnitude. */
function largestOf(item) {
  const found = [];
  for (let mark = 0; mark < item.n; mark += 1) {
    const size = Math.abs(valueAt(item, mark));
    if (found.length === 3 && size <= found[2][0]) continue;
    found.push([size, mark]);
    found.sort((a, b) => b[0] - a[0]);
    found.length = Math.min(found.length, 3);
  }
  return found.map(([, mark]) => mark);
}

/** Writes the lines of a card, and the words for readers who do not see its drawing. */
function describe({ item, host, lines }) {
  lines.replaceChildren(...captionOf(item).map((line) => element("div", {}, isolated(line))));
  const largest = largestOf(item).map((mark) => markWords(item, mark).split("\n").slice(0, 2).join(" "));
  const words = largest.length ? `Largest values: ${largest.join("; ")}` : "Picture of the saliency";
  host.setAttribute("aria-label", `${item.name}. ${words}`);
}

function repaint(card) {
  VIEWS[card.item.view].paint(card.item, card.drawn);
  describe(card);
}

/** The pointer shows the words of the mark that it is on. */
function listenTo(item, host, drawn) {
  if (!item.n) return;
  const view = VIEWS[item.view];
  host.addEventListener("pointermove", (event) => {
    const hit = event.target.closest?.("[data-mark]");
    const mark = view.markAt ? view.markAt(item, drawn, event) : hit ? Number(hit.dataset.mark) : -1;
    if (mark < 0) hideTip();
    else showTip(markWords(item, mark), event.clientX, event.clientY);
  });
  host.addEventListener("pointerleave", hideTip);
}

/** Arrow keys go through the marks of the item, Enter opens its values. */
function listenToKeys(figure, card) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  let at = -1;
  figure.addEventListener("keydown", (event) => {
    const { item } = card;
    if (!item.n || event.altKey || event.ctrlKey || event.metaKey) return;
    const order = item.view === "bars" ? byMagnitude(item).slice(0, card.drawn.n) : range(item.n);
    const n = order.length;
    if (event.key === "Enter") openDetails(item, figure);
    else if (event.key === "Home") at = 0;
    else if (event.key === "End") at = n - 1;
    else if (event.key in steps) at = at < 0 && steps[event.key] > 0 ? 0 : (at + steps[event.key] + n) % n;
    else return;
    event.preventDefault();
    if (event.key !== "Enter") showMark(card, order[at]);
  });
  figure.addEventListener("blur", () => {
    at = -1;
    unmark(card);
    hideTip();
  });
}

function showMark(card, mark) {
  unmark(card);
  const hit = VIEWS[card.item.view].hitAt(card.drawn, mark, card.item);
  const box = hit?.getBoundingClientRect?.() ?? hit ?? card.host.getBoundingClientRect();
  if (hit?.classList) {
    hit.classList.add("current");
    hit.setAttribute?.("stroke", "var(--ink)");
    hit.setAttribute?.("stroke-opacity", hit.tagName === "line" ? 0.45 : 1);
    card.current = hit;
  }
  const words = markWords(card.item, mark);
  showTip(words, box.left + box.width / 2, box.top + box.height / 2);
  announce(words);
}

function unmark(card) {
  card.current?.classList.remove("current");
  card.current?.setAttribute("stroke", card.current.tagName === "line" ? "transparent" : "none");
  card.current = null;
  if (card.drawn.current !== undefined) {
    card.drawn.current = undefined;
    VIEWS[card.item.view].paint(card.item, card.drawn);
  }
}

/** Draws the cards of the page of items that the reader is on. */
function drawCards(items) {
  const pages = Math.max(1, Math.ceil(items.length / PER_PAGE));
  STATE.page = clamp(STATE.page, 0, pages - 1);
  const first = STATE.page * PER_PAGE;
  cards = items.slice(first, first + PER_PAGE).map(cardOf);
  const list = element("ul", { className: "cards", role: "list" }, ...cards.map((card) => card.node));
  const width = Math.max(...DATA.items.slice(0, PER_PAGE).map((item) => VIEWS[item.view].width));
  list.style.setProperty("--card-width", `${width}px`);
  list.style.setProperty("--print-width", width > 300 ? "88mm" : "58mm");
  const empty = element("p", { className: "empty", textContent: "No item fits the search and filters." });
  $("#cards").replaceChildren(items.length ? list : empty);
  if (pages > 1) $("#cards").append(pager(items.length, first, pages));
}

function pager(total, first, pages) {
  const turn = (by, words) => {
    const isEnd = STATE.page + by < 0 || STATE.page + by >= pages;
    const button = element("button", { type: "button", textContent: words, disabled: isEnd });
    button.addEventListener("click", () => {
      STATE.page += by;
      updateList();
      $("#items").focus();
      $("#items").scrollIntoView();
    });
    return button;
  };
  const last = Math.min(first + PER_PAGE, total);
  const words = element("span", { className: "number", textContent: `${first + 1} to ${last} of ${total}` });
  return element("nav", { className: "pages", "aria-label": "Pages of items" }, turn(-1, "Previous"), words, turn(1, "Next"));
}
