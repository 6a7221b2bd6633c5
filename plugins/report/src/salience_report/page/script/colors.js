// Colours of values; the ground that they fade into is that of the theme.

const PARSED = new Map();
/** Red, green and blue of a colour such as "#d55e00". */
function parsed(text) {
  if (!PARSED.has(text)) PARSED.set(text, [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
  return PARSED.get(text);
}
const asCss = (rgb) => `rgb(${rgb.map((part) => Math.round(part)).join(" ")})`;
const blend = (one, two, share) => one.map((part, i) => part + (two[i] - part) * share);

const isDark = () => document.documentElement.dataset.theme === "dark";
const groundColor = () => (printing ? [255, 255, 255] : isDark() ? [29, 33, 38] : [255, 255, 255]);
let printing = false;

/** Red, green and blue of a value between −1 and 1, from the ground to the colour of its sign. */
function colorOf(share) {
  const { negative, positive, plain } = isDark() && !printing ? DATA.palette.dark : DATA.palette.light;
  const end = !method().signed ? plain : share < 0 ? negative : positive;
  return blend(groundColor(), parsed(end), clamp(Math.abs(share), 0, 1) ** 0.8);
}

/** Red, green and blue of a share between 0 and 1 in the colours of maps. */
function mapColor(share) {
  const stops = DATA.palette.map;
  const at = clamp(share, 0, 1) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  return blend(parsed(stops[low]), parsed(stops[low + 1]), at - low);
}

function luminance(rgb) {
  const linear = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

/** Black or white, whichever is read better on a colour. */
const textOn = (rgb) => (luminance(rgb) > 0.179 ? "#000000" : "#ffffff");

/** The solid colour of a value's sign. */
function signColor(value) {
  if (!method().signed) return "var(--plain)";
  return value < 0 ? "var(--negative)" : "var(--positive)";
}
