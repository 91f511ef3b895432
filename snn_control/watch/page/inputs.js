// Inputs as what they are: a picture of events, a scan from above, an image, curves, a number.

import { bitmap, OFF, ON, onTheme, pixel, prepare, rgb, short, themed } from "./canvas.js";
import { search } from "./history.js";

/** @typedef {import("./history.js").History} History */
/** @typedef {import("./protocol.js").Numbers} Numbers */

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#7f7f7f"];
const MOST_CURVES = 12;
const DECAY = 0.6; // of a picture of events from frame to frame

export class InputPanel {
  /** @param {HTMLElement} element @param {any} input */
  constructor(element, input) {
    this.input = input;
    this.figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    this.look = looks(input);
    const size = input.kind === "events" ? `${input.size[0]} × ${input.size[1]} pixels` : input.size === 1 ? "1 number" : `${input.size} numbers`;
    caption.textContent = `${input.name}${input.unit ? ` [${input.unit}]` : ""}, ${size}`;
    this.state = document.createElement("span");
    caption.append(" ", this.state);
    this.canvas = document.createElement("canvas");
    this.canvas.className = this.look;
    this.bars = document.createElement("canvas"); // what the encoder gives to the network
    this.bars.className = "encoded";
    this.bars.title = "the encoder's output now, one bar per number";
    this.bars.hidden = true;
    this.figure.append(caption, this.canvas, this.bars);
    element.append(this.figure);
    this.picture = new Float32Array(0);
    /** @type {Numbers|undefined} */ this.encoded = undefined;
  }

  /** Forget the picture of events, before another moment is shown. */
  clear() { this.picture.fill(0); }

  /** @param {Map<string, Numbers>} arrays */
  add(arrays) {
    const events = arrays.get(`events.${this.input.name}`);
    if (events) {
      if (this.picture.length !== events.data.length) this.picture = new Float32Array(events.data.length);
      this.shape = events.shape;
      events.data.forEach((value, k) => { this.picture[k] = Math.max(-4, Math.min(4, this.picture[k] * DECAY + Number(value))); });
    }
    this.encoded = arrays.get(`encoded.${this.input.name}`) ?? this.encoded;
    const age = arrays.get(`age.${this.input.name}`);
    if (age) {
      const seconds = Number(age.data[0]) * 1e-9;
      const old = this.input.stale !== null && seconds > this.input.stale;
      this.state.textContent = seconds < 0 ? "nothing yet" : old ? `stale: ${short(seconds)} s old` : "";
      this.state.className = seconds < 0 || old ? "wrong" : "";
    }
  }

  /** @param {History} history @param {number} from @param {number} to */
  draw(history, from, to) {
    const kept = history.inputs.get(this.input.name), newest = history.valueAt(this.input.name, to);
    if (this.look === "events") this.drawPicture();
    else if (kept && newest) {
      if (this.look === "scan") this.drawScan(newest);
      else if (this.look === "image") this.drawImage(newest);
      else this.drawCurves(kept, newest, from, to);
    }
    if (this.encoded && this.encoded.data.length > 1) this.drawEncoded(/** @type {Float32Array} */ (this.encoded.data));
  }

  /** The output of the encoder. @param {Float32Array} values */
  drawEncoded(values) {
    this.bars.hidden = false;
    const { g, width, height } = prepare(this.bars);
    const most = Math.max(1e-9, ...values.map(Math.abs)), step = width / values.length;
    const signed = values.some((value) => value < 0), zero = signed ? height / 2 : height;
    g.fillStyle = onTheme(this.input.colour);
    values.forEach((value, k) => {
      const tall = (value / most) * (signed ? height / 2 : height);
      g.fillRect(k * step, Math.min(zero, zero - tall), Math.max(1, step - 0.5), Math.abs(tall));
    });
  }

  drawPicture() {
    if (!this.shape) return;
    const [rows, columns] = this.shape;
    const on = rgb(ON), off = rgb(OFF), ground = themed("--dark") === "1" ? 24 : 245;
    paint(this.canvas, columns, rows, (k) => {
      const value = this.picture[k], strength = Math.min(1, Math.abs(value) / 2);
      const colour = value > 0 ? on : off;
      return [0, 1, 2].map((c) => ground + (colour[c] - ground) * strength);
    });
  }

  /** @param {Float32Array} values */
  drawImage(values) {
    const [columns, rows] = this.input.grid ?? [Math.ceil(Math.sqrt(values.length)), Math.ceil(Math.sqrt(values.length))];
    const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
    paint(this.canvas, columns, rows, (k) => { const grey = ((values[k] - low) / span) * 255; return [grey, grey, grey]; });
  }

  /** A scan from above: the sensor in the middle below, forward is up. @param {Float32Array} values */
  drawScan(values) {
    const { g, width, height } = prepare(this.canvas);
    const high = bound(this.input.high) ?? Math.max(...values, 1e-9);
    const radius = Math.min(width / 2, height) - 12, [cx, cy] = [width / 2, height - 10];
    g.strokeStyle = themed("--grid");
    for (const share of [0.5, 1]) { g.beginPath(); g.arc(cx, cy, radius * share, Math.PI, 0); g.stroke(); }
    g.fillStyle = onTheme(this.input.colour);
    values.forEach((value, k) => {
      const angle = Math.PI * (values.length > 1 ? k / (values.length - 1) : 0.5);
      const r = (Math.min(value, high) / high) * radius;
      g.fillRect(cx + Math.cos(angle) * r - 2, cy - Math.sin(angle) * r - 2, 4, 4);
    });
    g.fillStyle = themed("--muted");
    g.fillText(short(high), cx + radius - 20, cy - 4);
  }

  /** @param {{t: number[], rows: Float32Array[]}} kept @param {Float32Array} newest @param {number} from @param {number} to */
  drawCurves(kept, newest, from, to) {
    const { g, width, height } = prepare(this.canvas);
    const curves = Math.min(MOST_CURVES, newest.length);
    const first = search(0, kept.t.length, (i) => kept.t[i] < from), last = search(first, kept.t.length, (i) => kept.t[i] <= to);
    let low = Infinity, high = -Infinity;
    for (let k = first; k < last; k++) for (let c = 0; c < curves; c++) { low = Math.min(low, kept.rows[k][c]); high = Math.max(high, kept.rows[k][c]); }
    if (!(high > low)) { const middle = Number.isFinite(low) ? low : 0; low = middle - 1; high = middle + 1; }
    const x = (/** @type {number} */ t) => 44 + ((t - from) / (to - from)) * (width - 150);
    const y = (/** @type {number} */ value) => height - 8 - ((value - low) / (high - low)) * (height - 16);
    g.fillStyle = themed("--muted");
    g.textAlign = "right";
    g.fillText(short(high), 40, 10);
    g.fillText(short(low), 40, height - 10);
    g.textAlign = "left";
    const places = [...newest.slice(0, curves)].map((value, c) => ({ c, value, at: y(value) })).sort((a, b) => a.at - b.at);
    let free = -Infinity;
    for (const { c, value, at } of places) {
      g.strokeStyle = g.fillStyle = onTheme(COLOURS[c % COLOURS.length]);
      g.beginPath();
      for (let k = first; k < last; k++) g.lineTo(x(kept.t[k]), y(kept.rows[k][c]));
      g.stroke();
      const shown = Math.max(free + 12, Math.min(height - 8, at));
      const name = this.input.labels?.[c];
      if (shown < height) g.fillText(`${name ? `${name} ` : ""}${short(value)}`.slice(0, 17), width - 102, shown);
      free = shown;
    }
  }
}

/** How an input is shown. @param {any} input */
function looks(input) {
  if (input.kind === "events") return "events";
  if (input.grid || input.type.endsWith("Image")) return "image";
  if (input.type.endsWith("LaserScan") || (input.size >= 9 && input.unit === "m")) return "scan";
  return "curves";
}

/** @param {any} value */
function bound(value) { return Array.isArray(value) ? Math.max(...value) : value; }

/**
 * Paint a picture of pixels, without smoothing.
 * @param {HTMLCanvasElement} canvas @param {number} columns @param {number} rows @param {(k: number) => number[]} colour
 */
export function paint(canvas, columns, rows, colour) {
  const { g, image, pixels } = bitmap(canvas, columns, rows);
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  for (let k = 0; k < columns * rows; k++) {
    const [r, gr, b] = colour(k);
    pixels[k] = pixel(r, gr, b);
  }
  g.putImageData(image, 0, 0);
}
