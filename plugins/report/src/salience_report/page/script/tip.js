// The words at the pointer or at the mark that the keyboard is on.

const tip = $("#tip");

function showTip(text, x, y) {
  tip.replaceChildren(...text.split("\n").map((line) => isolated(line)).flatMap((line, i) =>
    i ? [document.createTextNode("\n"), line] : [line]));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const right = x + 14 + box.width > innerWidth ? x - 14 - box.width : x + 14;
  const below = y + 14 + box.height > innerHeight ? y - 10 - box.height : y + 14;
  tip.style.left = `${Math.max(4, right)}px`;
  tip.style.top = `${Math.max(4, below)}px`;
}

const hideTip = () => {
  tip.hidden = true;
};

/** Says something to screen readers. */
function announce(text) {
  $("#live").textContent = text.replaceAll("\n", "; ");
}
