// Drawing on canvases: size in device pixels, colours of the theme, axes, marks.

/** Okabe and Ito's colours, which colour-blind people can distinguish. */
export const EXCITES = "#b2182b";
export const INHIBITS = "#2166ac";
export const ON = "#d97706";
export const OFF = "#2563eb";

/** Causes of a fault: bit of the guard's reasons -> name and colour. */
export const CAUSES = /** @type {[number, string, string][]} */ ([
  [1, "invalid input", "#e69f00"], [2, "output not finite", "#d55e00"], [4, "loop ends", "#777777"], [8, "too late", "#cc79a7"],
  [16, "stop input", "#56b4e9"], [32, "overloaded", "#b8a800"], [64, "stopped by an operator", "#0072b2"],
]);
export const SAFE = 128; // bit: the command was the safe one

/** @param {string} name */
export function themed(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

/** Pixels of a canvas for one of CSS. */
export function ratio() { return document.documentElement.classList.contains("printing") ? 3 : window.devicePixelRatio || 1; }

/**
 * A canvas that fills its element; `draw` is called with a context whose unit is a CSS pixel.
 * @param {HTMLCanvasElement} canvas
 * @returns {{g: CanvasRenderingContext2D, width: number, height: number}}
 */
export function prepare(canvas) {
  const fine = ratio(), { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * fine) || canvas.height !== Math.round(height * fine)) {
    canvas.width = Math.round(width * fine);
    canvas.height = Math.round(height * fine);
  }
  const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  g.setTransform(fine, 0, 0, fine, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = "12px system-ui, sans-serif";
  g.textBaseline = "middle";
  return { g, width, height };
}

/** @typedef {{g: CanvasRenderingContext2D, image: ImageData, pixels: Uint32Array}} Bitmap */
/** @type {WeakMap<HTMLCanvasElement, Bitmap>} */ const bitmaps = new WeakMap();

/**
 * The pixels of a canvas, which is made as large as the picture; `putImageData` shows them. They are kept from one
 * drawing to the next: megabytes that are new in each frame would fill the memory until they are collected.
 * @param {HTMLCanvasElement} canvas @param {number} columns @param {number} rows @returns {Bitmap}
 */
export function bitmap(canvas, columns, rows) {
  const kept = bitmaps.get(canvas);
  if (kept && kept.image.width === columns && kept.image.height === rows) return kept;
  canvas.width = columns;
  canvas.height = rows;
  const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  const image = g.createImageData(columns, rows), made = { g, image, pixels: new Uint32Array(image.data.buffer) };
  bitmaps.set(canvas, made);
  return made;
}

/** A pixel of a bitmap, from numbers from 0 to 255. @param {number} r @param {number} g @param {number} b */
export function pixel(r, g, b) { return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; }

/** A colour of the project as the theme shows it: lighter on a dark ground. @param {string} hex */
export function onTheme(hex) {
  if (themed("--dark") !== "1") return hex;
  return `#${rgb(hex).map((c) => Math.round(c + (255 - c) * 0.4).toString(16).padStart(2, "0")).join("")}`;
}

/** @param {string} hex @returns {[number, number, number]} */
export function rgb(hex) {
  const n = parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A number for readers: three digits. @param {number} x */
export function short(x) {
  if (!Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  if (size >= 1e6 && size < 1e9) return `${Number((x / 1e6).toPrecision(3))} M`;
  if (size >= 1e9 || (size > 0 && size < 1e-3)) return x.toExponential(1);
  return size >= 100 ? WHOLE.format(x) : String(Number(x.toPrecision(3)));
}

/** A text that is cut to a width. @param {CanvasRenderingContext2D} g @param {string} text @param {number} width */
export function fitted(g, text, width) {
  while (text.length > 2 && g.measureText(text).width > width) text = `${text.slice(0, -2)}…`;
  return text;
}

/** Round steps for an axis. @param {number} low @param {number} high @param {number} most @returns {number[]} */
export function ticks(low, high, most) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((one) => one >= raw) ?? raw;
  const found = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step * 1e-6; x += step) found.push(x);
  return found;
}

/**
 * The time axis of a panel: labels below, marks of the run as vertical lines.
 * @param {CanvasRenderingContext2D} g @param {{left: number, right: number, top: number, bottom: number}} box
 * @param {number} from @param {number} to @param {{t: number, kind: string, text: string}[]} marks
 * @param {boolean} named whether the marks have their names
 */
export function timeAxis(g, box, from, to, marks, named = false) {
  const x = (/** @type {number} */ t) => box.left + ((t - from) / (to - from)) * (box.right - box.left);
  g.textAlign = "center";
  g.fillStyle = themed("--muted");
  g.strokeStyle = themed("--grid");
  const labelled = ticks(from, to, Math.max(2, (box.right - box.left) / 90));
  const digits = labelled.length > 1 ? Math.max(0, Math.ceil(-Math.log10(labelled[1] - labelled[0]) - 1e-6)) : labelled[0] % 1 ? 2 : 0;
  for (const t of labelled) {
    g.beginPath();
    g.moveTo(x(t), box.top);
    g.lineTo(x(t), box.bottom);
    g.stroke();
    g.fillText(`${t.toFixed(digits)} s`, x(t), box.bottom + 9);
  }
  g.strokeStyle = themed("--mark");
  g.fillStyle = themed("--mark");
  g.textAlign = "left";
  /** @type {{x: number, texts: string[]}[]} */ const groups = [];
  for (const mark of marks) {
    if (mark.t < from || mark.t > to) continue;
    g.beginPath();
    g.moveTo(x(mark.t), box.top);
    g.lineTo(x(mark.t), box.bottom);
    g.stroke();
    const last = groups[groups.length - 1], text = mark.text ? `${mark.kind}: ${mark.text}` : mark.kind;
    if (!text) continue; // the cursor
    if (last && x(mark.t) < last.x + 8 + g.measureText(last.texts.join(", ")).width) last.texts.push(text);
    else groups.push({ x: x(mark.t), texts: [text] });
  }
  groups.forEach((one, k) => {
    const room = (groups[k + 1]?.x ?? box.right + 60) - one.x - 8;
    if (named) g.fillText(fitted(g, one.texts.join(", "), room), one.x + 3, box.top + 7);
  });
  return x;
}
