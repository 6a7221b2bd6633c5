// The data of the page, what the reader has chosen, and what follows from both.

const DATA = JSON.parse($("#data").textContent);
const METHODS = DATA.methods;
const CERTAIN = 16;
const TESTED = 32;

/** What the reader has chosen. `rate` is a place in DATA.rates; −1 for unadjusted p-values. */
const STATE = {
  method: 0,
  rate: -1,
  share: 0.5,
  look: "over",
  ownScale: false,
  sort: "position",
  descending: false,
  search: "",
  ranges: {},
  classes: {},
  page: 0,
};

function prepare() {
  for (const one of METHODS) {
    for (const name of ["values", "errors", "logp", "flags"]) one[name] = unpack(one[name]);
  }
  let start = 0;
  DATA.items = DATA.items.map((own, index) => {
    const item = { ...DATA.shared, ...own, index, start };
    if (item.numbers) item.numbers = unpack(item.numbers);
    if (item.lines) item.lines = item.lines.map(unpack);
    start += item.n;
    return item;
  });
  METHODS.forEach(measure);
}

/** The largest magnitude of a method, and the largest end of an interval. */
function measure(one) {
  one.largest = 0;
  one.reach = 0;
  for (const item of DATA.items) {
    const numbers = Array.isArray(one.numbers) ? one.numbers[item.index] : one.numbers;
    const half = one.halfWidths[numbers]?.[1] ?? 0;
    for (let at = item.start; at < item.start + item.n; at += 1) {
      const size = Math.abs(one.values[at]);
      const error = one.errors && !Number.isNaN(one.errors[at]) ? one.errors[at] : 0;
      one.largest = Math.max(one.largest, size);
      one.reach = Math.max(one.reach, size + half * error);
    }
  }
  one.largest ||= 1;
  one.reach ||= 1;
}

const method = () => METHODS[STATE.method];
const valueAt = (item, mark) => method().values[item.start + mark];
const errorAt = (item, mark) => (method().errors ? method().errors[item.start + mark] : NaN);
const logpAt = (item, mark) => (method().logp ? method().logp[item.start + mark] : NaN);
const flagAt = (item, mark) => (method().flags ? method().flags[item.start + mark] : 0);
const isTested = (item, mark) => Boolean(flagAt(item, mark) & TESTED);

/** Whether a mark is drawn as certain; what was not tested is. */
function isCertain(item, mark) {
  const flag = flagAt(item, mark);
  if (!(flag & TESTED)) return true;
  return STATE.rate < 0 ? Boolean(flag & CERTAIN) : (flag & 15) <= STATE.rate;
}

/** Tested marks of an item, and how many of them are certain. */
function counted(item) {
  let tested = 0;
  let certain = 0;
  for (let mark = 0; mark < item.n; mark += 1) {
    if (!isTested(item, mark)) continue;
    tested += 1;
    certain += isCertain(item, mark) ? 1 : 0;
  }
  return { tested, certain };
}

/** How certain an item is, from 0 to 1: of its marks where these are tested. */
function certaintyOf(item) {
  const { tested, certain } = counted(item);
  return tested && STATE.rate >= 0 ? certain / tested : method().certainty[item.index];
}

const scoreOf = (item) => method().scores[item.index];

/** Half the widths of the 66 and 95 % intervals, in standard errors; null where unknown. */
function halfWidths(item) {
  const numbers = method().numbers;
  const own = Array.isArray(numbers) ? numbers[item.index] : numbers;
  return method().halfWidths[own] ?? null;
}

/** Magnitude at which the colours of an item end. */
function limitOf(item) {
  if (!STATE.ownScale) return method().limit;
  let largest = 0;
  for (let mark = 0; mark < item.n; mark += 1) {
    largest = Math.max(largest, Math.abs(valueAt(item, mark)));
  }
  return largest || 1;
}

/** What is said of a mark: its name, value ± standard error, p and the item. */
function markWords(item, mark) {
  const error = errorAt(item, mark);
  const lines = [VIEWS[item.view].name(item, mark)];
  const value = written(valueAt(item, mark));
  if (known(error)) lines.push(withUnit(`${value} ± ${written(error, 2)}`));
  else lines.push(`${withUnit(value)} (error unknown)`);
  if (isTested(item, mark)) lines.push(pWords(item, mark));
  const isPlain = [String(item.id), `item ${item.id}`].includes(item.name);
  lines.push(isPlain ? item.name : `${item.name} (id ${item.id})`);
  return lines.join("\n");
}

function pWords(item, mark) {
  const p = `p ${writtenP(10 ** -logpAt(item, mark))}`;
  const sure = isCertain(item, mark);
  if (STATE.rate < 0) return sure ? p : `${p}, sign uncertain`;
  const rate = percent(DATA.rates[STATE.rate]);
  return `${p} unadjusted, ${sure ? "" : "not "}significant at FDR ${rate}`;
}

/** The marks of an item by falling magnitude. */
function byMagnitude(item) {
  const size = (mark) => Math.abs(valueAt(item, mark));
  return range(item.n).sort((a, b) => size(b) - size(a));
}
