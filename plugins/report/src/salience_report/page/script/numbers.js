// Numbers: read from base64, and written in few digits.

/** The numbers of an array as Python packed it, with NaN where there is none. */
function unpack(packed) {
  if (!packed) return null;
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  if (packed.type === "u8") return bytes;
  if (packed.type === "f32") {
    return Float64Array.from(new Float32Array(bytes.buffer), (single) => single * packed.scale);
  }
  const halves = new Uint16Array(bytes.buffer);
  return Float64Array.from(halves, (half) => HALVES[half] * packed.scale);
}

/** The value of each of the 65 536 float16. */
const HALVES = Float64Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
});

const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

/** A number in so many significant digits, with a minus sign, or a dash where it is unknown. */
function written(value, digits = 3) {
  if (!known(value)) return "—";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    return `${mantissa}e${Number(power)}`.replaceAll("-", "−");
  }
  const text = size >= 10 ** digits ? String(Math.round(value)) : value.toPrecision(digits);
  return text.replace("-", "−");
}

/** A whole number or a number in so many digits. */
const plainNumber = (value, digits = 5) =>
  Number.isInteger(value) && Math.abs(value) < 1e9
    ? String(value).replace("-", "−")
    : written(value, digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

const percent = (share) => `${plainNumber(100 * share, 2)} %`;

function writtenP(p) {
  return p < 1e-4 ? "< 0.0001" : `= ${written(p, 2)}`;
}

const withUnit = (text) => (method().unit ? `${text} ${method().unit}` : text);
