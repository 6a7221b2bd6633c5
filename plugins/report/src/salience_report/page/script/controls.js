// What the reader can choose.

function buildControls() {
  const host = $("#controls");
  host.hidden = false;
  const count = element("span", { id: "count", className: "number", role: "status" });
  host.append(
    element("div", { className: "row" }, methodChoice(), sortChoice(), searchBox(), count, themeButton()),
    element("div", { className: "row" }, errorRate(), shareOfDraws(), lookChoice(), scaleChoice(),
      element("div", { className: "key", id: "key" }), filterBox()),
  );
  updateControls();
}

/** A choice between methods, in place. */
function methodChoice() {
  const labels = METHODS.map((one, number) => {
    const radio = element("input", { type: "radio", name: "method", value: number, checked: !number });
    radio.addEventListener("change", () => change({ method: number }));
    return element("label", {}, radio, isolated(one.title));
  });
  const group = element("fieldset", { className: "choice" }, element("legend", { textContent: "method" }), ...labels);
  group.hidden = METHODS.length < 2;
  return group;
}

function select(id, words, options, onChange) {
  const made = element("select", { id });
  for (const [value, text] of options) made.append(element("option", { value, textContent: text }));
  made.addEventListener("change", () => onChange(made.value));
  return element("label", {}, `${words} `, made);
}

function sortChoice() {
  const options = usedColumns().map((name) => [name, COLUMNS[name].words]);
  const sort = select("sort", "sort by", options, (value) => {
    // The largest error and size, and the least certainty, come first.
    const descending = ["error", "size"].includes(value);
    $("#descending").checked = descending;
    change({ sort: value, descending, page: 0 });
  });
  const box = element("input", { type: "checkbox", id: "descending" });
  box.addEventListener("change", () => change({ descending: box.checked, page: 0 }));
  return element("span", {}, sort, " ", element("label", {}, box, "descending"));
}

function searchBox() {
  const box = element("input", { type: "search", id: "search", autocomplete: "off" });
  box.addEventListener("input", () => change({ search: box.value, page: 0 }));
  return element("label", {}, "find ", box);
}

function themeButton() {
  const button = element("button", { type: "button", id: "theme", className: "push" });
  const root = document.documentElement;
  const show = () => {
    button.textContent = isDark() ? "light" : "dark";
    button.setAttribute("aria-label", `change to ${isDark() ? "light" : "dark"} colours`);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    root.dataset.chosen = "yes";
    show();
    update();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    if (root.dataset.chosen) return;
    root.dataset.theme = event.matches ? "dark" : "light";
    show();
    update();
  });
  show();
  return button;
}

/** The slider of the false discovery rate, which is off until the reader turns it on. */
function errorRate() {
  const box = element("input", { type: "checkbox", id: "fdr" });
  const start = DATA.rates.indexOf(0.05);
  const slider = element("input", {
    type: "range", id: "rate", min: 0, max: DATA.rates.length - 1, value: start, disabled: true,
    "aria-label": "false discovery rate",
  });
  const shown = element("output", { id: "rate-shown", for: "rate" });
  const set = () => {
    slider.disabled = !box.checked;
    const rate = DATA.rates[slider.value];
    shown.textContent = box.checked ? percent(rate) : "";
    slider.setAttribute("aria-valuetext", percent(rate));
    change({ rate: box.checked ? Number(slider.value) : -1 });
  };
  box.addEventListener("change", set);
  slider.addEventListener("input", set);
  return element(
    "span", { id: "rate-group" }, element("label", {}, box, "control the false discovery rate"), " ", slider, " ", shown,
  );
}

/** The slider of the share of draws, for maps of top shares. */
function shareOfDraws() {
  const slider = element("input", { type: "range", id: "share", min: 0.05, max: 1, step: 0.05, value: STATE.share });
  const shown = element("output", { id: "share-shown", for: "share", textContent: percent(STATE.share) });
  slider.addEventListener("input", () => {
    shown.textContent = percent(Number(slider.value));
    change({ share: Number(slider.value) });
  });
  return element("span", { id: "share-group" }, element("label", {}, "line around at least ", slider), " ", shown, " of draws");
}

function lookChoice() {
  const options = [["over", "map over photo"], ["map", "map alone"], ["photo", "photo alone"]];
  const choice = select("look", "show", options, (value) => change({ look: value }));
  choice.hidden = !DATA.items.some((item) => item.image);
  return choice;
}

function scaleChoice() {
  const box = element("input", { type: "checkbox", id: "own-scale", checked: STATE.ownScale });
  box.addEventListener("change", () => change({ ownScale: box.checked }));
  return element("label", {}, box, "scale each item by itself");
}

function filterBox() {
  const box = element("div", { className: "filters" });
  for (const name of usedColumns().filter((one) => COLUMNS[one].filters)) {
    if (isNumeric(name)) box.append(rangeFilter(name));
  }
  for (const [name, words] of [["predicted", "predicted class"], ["label", DATA.labelName]]) {
    const own = DATA.items.map((item) => item[name]).filter(known);
    if (own.length && own.every((one) => typeof one === "string")) box.append(classFilter(name, words, own));
  }
  const clear = element("button", { type: "button", id: "clear", textContent: "clear" });
  clear.addEventListener("click", clearFilters);
  box.append(clear);
  return element("details", { id: "filters" }, element("summary", { textContent: "filters" }), box);
}

function rangeFilter(name) {
  const [low, high] = extentOf(name);
  const inputs = ["from", "to"].map((side, i) => {
    const placeholder = written([low, high][i]).replace("−", "-");
    const words = `${COLUMNS[name].words} ${side}`;
    return element("input", {
      type: "number", step: "any", id: `${name}-${side}`, placeholder, "aria-label": words,
    });
  });
  const read = (input) => (input.value === "" ? null : Number(input.value));
  const set = () => change({ ranges: { ...STATE.ranges, [name]: inputs.map(read) }, page: 0 });
  inputs.forEach((input) => input.addEventListener("input", set));
  const legend = element("legend", { textContent: COLUMNS[name].words });
  return element("fieldset", {}, legend, inputs[0], " to ", inputs[1]);
}

function classFilter(name, words, values) {
  const options = [["", "all"], ...[...new Set(values)].sort().map((value) => [value, value])];
  return select(`class-${name}`, words, options, (value) =>
    change({ classes: { ...STATE.classes, [name]: value }, page: 0 }));
}

function clearFilters() {
  for (const input of document.querySelectorAll("#filters input, #filters select, #search")) input.value = "";
  change({ ranges: {}, classes: {}, search: "", page: 0 });
}

/** The colour bar with its ends. */
function drawKey() {
  const isMap = DATA.items.some((item) => item.view === "raster") && !method().signed;
  const key = $("#key");
  key.hidden = DATA.items.every((item) => item.view === "picture" || item.view === "bars");
  const canvas = element("canvas", { width: 140, height: 12, role: "img", "aria-label": "colours of values" });
  const pen = canvas.getContext("2d");
  for (const x of range(140)) {
    const share = x / 139;
    pen.fillStyle = asCss(isMap ? mapColor(share) : colorOf(method().signed ? 2 * share - 1 : share));
    pen.fillRect(x, 0, 1, 12);
  }
  const end = method().isShare ? "100 % of draws" : STATE.ownScale ? "largest of the item" : keyEnd();
  const low = method().signed ? (STATE.ownScale ? "−" : `≤ −${written(method().limit, 2)}`) : "0";
  const start = method().clips || STATE.ownScale ? low : low.replace("≤ ", "");
  const words = method().isShare ? "" : method().valueName;
  const parts = [start, canvas, end, words];
  key.replaceChildren(...parts.map((part) => (part === canvas ? canvas : element("span", { textContent: part }))));
}

const keyEnd = () => withUnit(`${method().clips ? "≥ " : ""}${written(method().limit, 2)}`);

/** What hollow marks and intervals say, for the method and the rate that are chosen. */
function markNote() {
  const parts = [];
  const one = method();
  if (DATA.items[0].view === "picture") return "";
  const marks = VIEWS[DATA.items[0].view].uncertain;
  if (one.tested && STATE.rate < 0) {
    parts.push(`${marks}: the sign is uncertain, since the 95 % interval of ${one.intervalAbout} holds 0 (unadjusted p ≥ 0.05).`);
  } else if (one.tested) {
    const rate = percent(DATA.rates[STATE.rate]);
    parts.push(`${marks}: not significant at a false discovery rate of ${rate} within each item.`);
  } else if (one.signed && one.hasErrors) {
    parts.push("Signs are not tested here.");
  } else if (one.isShare) {
    parts.push("Values are shares of the draws in which a place is among the largest of its item.");
  } else if (!one.signed) {
    parts.push("Values are without sign, so that nothing is tested against 0.");
  }
  return parts.join(" ");
}

function saidOfMethod() {
  const { view } = DATA.items[0];
  const drawn = { bars: ["Lines: 66 % (thick) and 95 % (thin)."], series: ["Band: 95 %."] }[view] ?? [];
  const lines = method().hasErrors ? drawn : [];
  const scale = STATE.ownScale ? "Each item is scaled by itself." : scaleNote();
  return [...method().notes, ...lines, markNote(), scale].filter(Boolean).join(" ");
}

const scaleNote = () =>
  method().clips && !method().isShare && !$("#key").hidden ? "Colours end at the 99.5th percentile of the magnitudes." : "";

/** Shows and hides what belongs to the method. */
function updateControls() {
  $("#rate-group").hidden = !method().tested;
  $("#share-group").hidden = !method().isShare;
  drawKey();
  $("#said").textContent = saidOfMethod();
}
