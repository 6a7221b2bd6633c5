// Puts the page together, and draws it again where the reader chooses otherwise.

let shown = [];

function change(choice) {
  Object.assign(STATE, choice);
  const repaintOnly = ["look", "ownScale", "share"].some((name) => name in choice);
  if (repaintOnly) update();
  else updateList();
}

/** Paints the items that are there. */
function update() {
  hideTip();
  updateControls();
  cards.forEach(repaint);
  if ($("#swarm")) drawSwarm(shown, $("#swarm"));
}

/** Finds and orders the items, and draws those of the page. */
function updateList() {
  hideTip();
  shown = shownItems();
  $("#count").textContent = `${shown.length} of ${DATA.items.length} items`;
  updateControls();
  drawCards(shown);
  if ($("#swarm")) drawSwarm(shown, $("#swarm"));
}

function buildPage() {
  $("#notes").append(...DATA.notes.map((note) => element("p", { textContent: note })));
  const main = $("#items");
  if (isTable()) {
    const words = "Overview: a dot for each row";
    const colored = DATA.items[0].numbers ? "Colour: value of the feature, from low (violet or blue) to high (yellow). " : "";
    const note = `${colored}Hollow: uncertain sign. Click a dot for its row.`;
    const swarm = element("div", { id: "swarm", className: "swarm" });
    main.append(
      element("details", { open: true, id: "overview" }, element("summary", { textContent: words }), swarm,
        element("p", { className: "said", textContent: note })),
    );
  }
  main.append(element("div", { id: "cards" }));
}

function listenToPage() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
  });
  addEventListener("scroll", hideTip, { passive: true });
  for (const [name, value] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(name, () => {
      printing = value;
      update();
    });
  }
}

document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
prepare();
STATE.ownScale = DATA.items.every((item) => item.view === "raster") && METHODS.every((one) => !one.signed && !one.isShare);
buildPage();
buildControls();
updateList();
listenToPage();
requestAnimationFrame(() => requestAnimationFrame(() => {
  document.documentElement.dataset.ready = Math.round(performance.now());
}));
