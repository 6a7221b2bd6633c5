// Which items are shown, and in which order.

/** What items can be sorted and filtered by: name → its words and its value of an item. */
const COLUMNS = {
  position: { words: "position", value: (item) => item.position },
  id: { words: "id", value: (item) => item.id },
  score: { words: "prediction", value: scoreOf, filters: true },
  label: { words: "label", value: (item) => item.label ?? null, filters: true },
  error: { words: "error of the prediction", value: (item) => item.error ?? null, filters: true },
  certainty: { words: "certainty", value: certaintyOf, filters: true },
  size: { words: "sum of magnitudes", value: (item) => method().size[item.index] },
};

/** Columns of which some item has a value. */
function usedColumns() {
  return Object.keys(COLUMNS).filter((name) => {
    if (name === "certainty") return METHODS.some((one) => one.certainty.some(known));
    if (name === "score") return METHODS.some((one) => one.scores.some(known));
    return DATA.items.some((item) => known(COLUMNS[name].value(item)));
  });
}

const isNumeric = (name) =>
  DATA.items.every((item) => typeof (COLUMNS[name].value(item) ?? 0) === "number");

/** Lowest and highest value of a column over all items and methods. */
function extentOf(name) {
  const before = STATE.method;
  const values = [];
  METHODS.forEach((_, number) => {
    STATE.method = number;
    values.push(...DATA.items.map(COLUMNS[name].value).filter(known));
  });
  STATE.method = before;
  return [Math.min(...values), Math.max(...values)];
}

function isFound(item) {
  const search = STATE.search.trim().toLowerCase();
  const texts = [item.name, String(item.id), item.predicted, saidOf(item), ...(item.caption ?? [])];
  if (search && !texts.some((text) => text?.toLowerCase().includes(search))) return false;
  for (const [name, wanted] of Object.entries(STATE.classes)) {
    const own = name === "predicted" ? item.predicted : item.label;
    if (wanted !== "" && String(own ?? "") !== wanted) return false;
  }
  return Object.entries(STATE.ranges).every(([name, [low, high]]) => isWithin(item, name, low, high));
}

function isWithin(item, name, low, high) {
  if (low === null && high === null) return true;
  const value = COLUMNS[name].value(item);
  return known(value) && (low === null || value >= low) && (high === null || value <= high);
}

/** Compares values of a column: numbers as numbers, texts as texts, unknown ones last. */
function compared(one, two) {
  if (!known(one) || !known(two)) return known(two) - known(one);
  const turned = STATE.descending ? -1 : 1;
  if (typeof one === "number" && typeof two === "number") return turned * (one - two);
  return turned * String(one).localeCompare(String(two), undefined, { numeric: true });
}

/** The items that fit search and filters, in the order that the reader has chosen. */
function shownItems() {
  const value = COLUMNS[STATE.sort].value;
  return DATA.items
    .filter(isFound)
    .map((item) => [value(item), item])
    .sort(([one, a], [two, b]) => compared(one, two) || a.index - b.index)
    .map(([, item]) => item);
}
