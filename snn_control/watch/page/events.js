// The events of a recorded camera: a picture at the cursor, and the rate over time.

import { bitmap, OFF, ON, pixel, prepare, ratio, rgb, short, themed, ticks, timeAxis } from "./canvas.js";
import { make } from "./controls.js";

/** @typedef {import("./history.js").History} History */
/** @typedef {{width: number, height: number, span: number, speed: number, shown: number,
 *   rate: {from: number, bin: number, off: number[], on: number[]}}} Camera */
/** @typedef {(text: string, event: MouseEvent) => void} Say */

const SHADES = 64; // of an event, from new to old
const FADE = 3; // time constants in the span of a picture
const SPANS = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]; // s
const BOX = { left: 58, right: 30, top: 18, bottom: 20 };

/** A time or a rate with a prefix for its unit. @param {number} value @param {string} unit */
function prefixed(value, unit) {
  for (const [scale, prefix] of /** @type {[number, string][]} */ ([[1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"]])) {
    if (value >= scale) return `${short(value / scale)} ${prefix}${unit}`;
  }
  return value > 0 ? `${short(value * 1e6)} µ${unit}` : `0 ${unit}`;
}

/** Decimals of a time [s] that show steps of this size. @param {number} step */
function digitsOf(step) { return Math.max(2, Math.ceil(-Math.log10(step) - 1e-9)); }

/** In the history, a pixel is a neuron of population 0 (OFF) or 1 (ON): its number is row times width plus column. */
export class EventsPanel {
  /** @param {HTMLElement} element @param {HTMLElement} below panel of the rate @param {Camera} camera @param {Say} say
   *  @param {() => void} changed @param {(t: number) => void} go */
  constructor(element, below, camera, say, changed, go) {
    this.camera = camera;
    this.canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
    this.curve = /** @type {HTMLCanvasElement} */ (below.querySelector("canvas"));
    this.caption = /** @type {HTMLElement} */ (element.querySelector("figcaption"));
    this.span = camera.span;
    this.cell = 1;
    const options = [...new Set([...SPANS, camera.span])].sort((a, b) => a - b);
    const select = /** @type {HTMLSelectElement} */ (make("select", { "data-control": "span", "aria-label": "time in the picture" },
      ...options.map((one) => make("option", { value: String(one), ...(one === camera.span ? { selected: "" } : {}) }, prefixed(one, "s")))));
    select.onchange = () => { this.span = Number(select.value); changed(); };
    element.querySelector(".span")?.replaceChildren(make("label", {}, "A picture shows the last", select));
    this.canvas.onmousemove = (event) => say(this.pixelAt(event), event);
    this.curve.onmousemove = (event) => { const t = this.timeAt(event); if (t !== null) say(this.rateText(t), event); };
    this.curve.onclick = (event) => { const t = this.timeAt(event); if (t !== null) go(t); };
    /** @type {History|null} */ this.history = null;
    this.from = this.to = this.end = 0;
  }

  /** @param {History} history @param {number} from @param {number} to @param {number} end the cursor */
  draw(history, from, to, end) {
    Object.assign(this, { history, from, to, end });
    this.drawPicture(history);
    this.drawRate(history);
  }

  /** Each cell shows its newest event, which fades with its age. @param {History} history */
  drawPicture(history) {
    const { width, height } = this.camera, { canvas } = this;
    canvas.style.aspectRatio = `${width} / ${height}`;
    canvas.style.width = `min(100%, ${((60 * width) / height).toFixed(1)}vh)`;
    const cell = this.cell = Math.max(1, Math.ceil(width / Math.max(1, canvas.clientWidth * ratio())));
    const columns = Math.ceil(width / cell), rows = Math.ceil(height / cell);
    const { g, image, pixels } = bitmap(canvas, columns, rows), colours = [shades(OFF), shades(ON)];
    pixels.fill(colours[0][SHADES]);
    let on = 0, all = 0;
    history.eachSpike(this.end - this.span, this.end, (t, polarity, place) => {
      const x = place % width, y = (place - x) / width;
      const shade = Math.min(SHADES - 1, Math.floor(((this.end - t) / this.span) * SHADES));
      pixels[Math.floor(y / cell) * columns + Math.floor(x / cell)] = colours[polarity][shade];
      on += polarity;
      all++;
    });
    g.putImageData(image, 0, 0);
    this.caption.textContent = `${on.toLocaleString("en")} ON and ${(all - on).toLocaleString("en")} OFF events in the ${prefixed(this.span, "s")} before ${this.end.toFixed(digitsOf(this.span) + 1)} s`;
  }

  /** The rate of all events, ON above the axis and OFF below. @param {History} history */
  drawRate(history) {
    const { g, width, height } = prepare(this.curve), { rate } = this.camera, { from, to } = this;
    const box = { left: BOX.left, right: width - BOX.right, top: BOX.top, bottom: height - BOX.bottom };
    const x = timeAxis(g, box, from, to, [...history.marks, ...history.cursor], true);
    const first = Math.max(0, Math.floor((from - rate.from) / rate.bin)), last = Math.min(rate.on.length, Math.ceil((to - rate.from) / rate.bin));
    let most = 1;
    for (let k = first; k < last; k++) most = Math.max(most, rate.on[k], rate.off[k]);
    const middle = (box.top + box.bottom) / 2, half = (box.bottom - box.top) / 2, scale = half / most;
    g.fillStyle = themed("--fault");
    if (history.cursor.length) g.fillRect(x(Math.max(from, this.end - this.span)), box.top, x(this.end) - x(Math.max(from, this.end - this.span)), box.bottom - box.top);
    for (const [values, colour, side] of /** @type {[number[], string, number][]} */ ([[rate.on, ON, -1], [rate.off, OFF, 1]])) {
      g.fillStyle = colour;
      for (let k = first; k < last; k++) {
        const left = Math.max(box.left, Math.floor(x(rate.from + k * rate.bin))), right = Math.min(box.right, Math.ceil(x(rate.from + (k + 1) * rate.bin)));
        g.fillRect(left, middle, right - left, side * values[k] * scale);
      }
    }
    g.fillStyle = themed("--muted");
    g.textAlign = "right";
    for (const share of ticks(0, most / rate.bin, 3)) {
      const off = share * rate.bin * scale;
      if (off < half - 8) for (const side of off ? [-1, 1] : [1]) g.fillText(prefixed(share, "/s"), box.left - 6, middle + side * off);
    }
  }

  /** @param {MouseEvent} event */
  pixelAt(event) {
    const { width, height } = this.camera, { canvas, cell } = this;
    const x = Math.max(0, Math.min(width - 1, Math.floor((event.offsetX / canvas.clientWidth) * width)));
    const y = Math.max(0, Math.min(height - 1, Math.floor((event.offsetY / canvas.clientHeight) * height)));
    const counts = [0, 0];
    let last = "";
    this.history?.eachSpike(this.end - this.span, this.end, (t, polarity, place) => {
      if (Math.floor((place % width) / cell) !== Math.floor(x / cell) || Math.floor(Math.floor(place / width) / cell) !== Math.floor(y / cell)) return;
      counts[polarity]++;
      last = `; the last one ${polarity ? "ON" : "OFF"} at ${t.toFixed(6)} s`;
    });
    return `x ${x}, y ${y}${cell > 1 ? ` (${cell} × ${cell} pixels)` : ""}: ${counts[1]} ON, ${counts[0]} OFF${last}`;
  }

  /** The time at the pointer; null outside the axes. @param {MouseEvent} event */
  timeAt(event) {
    const share = (event.offsetX - BOX.left) / (this.curve.clientWidth - BOX.left - BOX.right);
    return share >= 0 && share <= 1 ? this.from + share * (this.to - this.from) : null;
  }

  /** @param {number} t */
  rateText(t) {
    const { rate } = this.camera, k = Math.floor((t - rate.from) / rate.bin);
    const [on, off] = [rate.on, rate.off].map((values) => prefixed((values[k] ?? 0) / rate.bin, "/s"));
    return `${t.toFixed(digitsOf(rate.bin))} s: ${on} ON, ${off} OFF`;
  }
}

/** The colours of an event from new to old, then the ground, as numbers for a picture. @param {string} hex */
function shades(hex) {
  const ground = themed("--dark") === "1" ? 24 : 245, colour = rgb(hex);
  return Uint32Array.from({ length: SHADES + 1 }, (_, k) => {
    const strength = k === SHADES ? 0 : Math.exp((-FADE * k) / SHADES);
    const [r, gr, b] = colour.map((c) => Math.round(ground + (c - ground) * strength));
    return pixel(r, gr, b);
  });
}
