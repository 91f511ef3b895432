// The raster: every spike as a point, populations below each other, the newest on the right.

import { bitmap, fitted, onTheme, pixel, prepare, ratio, rgb, short, themed, timeAxis } from "./canvas.js";
import { columnsOf } from "./graph.js";

const LABELS = 150; // pixels on the left
const RATES = 84; // on the right
const NARROW = 500; // width below which the texts of a band stand above it, in a line of this height:
const TITLE = 17;
const MARKS = 18; // and above, for the names of marks
const BAND = { least: 26, most: 150, closed: 16, gap: 8 };

/** @typedef {import("./history.js").History} History */

export class Raster {
  /**
   * @param {HTMLCanvasElement} canvas @param {HTMLElement} tip
   * @param {(name: string) => void} chosen @param {() => void} folded
   */
  constructor(canvas, tip, chosen, folded) {
    this.canvas = canvas;
    this.tip = tip;
    this.spikes = document.createElement("canvas"); // the points, without axes
    /** @type {Set<string>} */ this.closed = new Set();
    /** @type {{name: string, size: number, colour: string, top: number, height: number, index: number}[]} */
    this.bands = [];
    this.from = 0;
    this.to = 1;
    this.left = LABELS;
    this.right = RATES;
    this.title = 0;
    canvas.addEventListener("mousemove", (event) => this.hover(event));
    canvas.addEventListener("mouseleave", () => { tip.hidden = true; });
    canvas.addEventListener("click", (event) => {
      const band = this.bandAt(event.offsetY);
      if (!band) return;
      if (event.offsetX >= 18) return chosen(band.name);
      if (!this.closed.delete(band.name)) this.closed.add(band.name);
      folded();
    });
  }

  /** Heights of the bands, in the order of the data's way: each grows with the number of its neurons. */
  /** @param {History} history */
  layout(history) {
    const column = columnsOf(history.scene);
    const ordered = history.spiking.map((/** @type {any} */ p, /** @type {number} */ index) => ({ ...p, index }))
      .sort((/** @type {any} */ a, /** @type {any} */ b) => (column.get(a.name) ?? 0) - (column.get(b.name) ?? 0) || a.index - b.index);
    const open = ordered.filter((/** @type {any} */ p) => !this.closed.has(p.name));
    const room = 400 - ordered.length * (BAND.gap + this.title) - (ordered.length - open.length) * BAND.closed;
    const total = open.reduce((/** @type {number} */ sum, /** @type {any} */ p) => sum + Math.sqrt(p.size), 0) || 1;
    let top = MARKS;
    this.bands = ordered.map((/** @type {any} */ p) => {
      const share = (Math.sqrt(p.size) / total) * room;
      const height = this.closed.has(p.name) ? BAND.closed : Math.max(BAND.least, Math.min(BAND.most, share));
      top += this.title;
      const band = { name: p.name, size: p.size, colour: onTheme(p.colour), top, height, index: p.index };
      top += height + BAND.gap;
      return band;
    });
    this.canvas.style.height = `${Math.max(140, top + 22)}px`;
  }

  /** @param {History} history @param {number} from @param {number} to */
  draw(history, from, to) {
    this.history = history;
    this.from = from;
    this.to = to;
    const narrow = this.canvas.clientWidth < NARROW;
    [this.left, this.right, this.title] = narrow ? [26, 18, TITLE] : [LABELS, RATES, 0];
    this.layout(history);
    const { g, width, height } = prepare(this.canvas);
    const box = { left: this.left, right: width - this.right, top: 2, bottom: height - 20 };
    timeAxis(g, box, from, to, [...history.marks, ...history.cursor], true);
    this.points(g, history, box);
    for (const band of this.bands) {
      const middle = narrow ? band.top - TITLE / 2 : band.top + band.height / 2;
      g.textAlign = "left";
      g.fillStyle = themed("--muted");
      g.fillText(this.closed.has(band.name) ? "▸" : "▾", 4, middle);
      g.fillStyle = band.colour;
      g.fillRect(18, band.top, 4, band.height);
      const silent = history.silent[band.index];
      const texts = { size: band.size === 1 ? "1 neuron" : `${band.size.toLocaleString("en")} neurons`, rate: `${short(history.rates[band.index])} Hz`, silent: silent > 0 ? `${Math.floor(100 * silent)} % silent` : "" };
      (narrow ? writeAbove : writeBeside)(g, band, texts, middle, width);
    }
  }

  /** Each spike is a point of its own or, for many neurons, a pixel. */
  /** @param {CanvasRenderingContext2D} g @param {History} history @param {{left: number, right: number}} box */
  points(g, history, box) {
    const fine = ratio(), left = Math.round(box.left * fine), least = Math.max(1, Math.round(fine / 1.5));
    const columns = Math.max(1, Math.round((box.right - box.left) * fine));
    const rows = this.canvas.height;
    const { g: points, image, pixels } = bitmap(this.spikes, columns, rows);
    pixels.fill(0);
    const scale = columns / (this.to - this.from);
    /** @type {{top: number, height: number, size: number, colour: number, tall: number}[]} */ const places = [];
    for (const band of this.bands) {
      const [r, gr, b] = rgb(band.colour), height = Math.round(band.height * fine);
      const tall = Math.max(least, Math.min(3, Math.floor(height / band.size)));
      places[band.index] = { top: Math.round(band.top * fine), height, size: band.size, colour: pixel(r, gr, b), tall };
    }
    history.eachSpike(this.from, this.to, (t, population, neuron) => {
      const place = places[population];
      if (!place) return;
      const x = Math.floor((t - this.from) * scale);
      const y = place.top + Math.floor((neuron * place.height) / place.size);
      for (let k = 0; k < place.tall; k++) {
        pixels[(y + k) * columns + x] = place.colour;
        if (place.tall > 1 && x + 1 < columns) pixels[(y + k) * columns + x + 1] = place.colour;
      }
    });
    points.putImageData(image, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(this.spikes, left / fine, 0, columns / fine, rows / fine);
  }

  /** @param {number} y */
  bandAt(y) { return this.bands.find((band) => y >= band.top - this.title && y < band.top + band.height); }

  /** @param {MouseEvent} event */
  hover(event) {
    const band = this.bandAt(event.offsetY);
    const width = this.canvas.clientWidth - this.left - this.right;
    this.tip.hidden = true;
    if (!band || !this.history) return;
    const inside = event.offsetX > this.left && event.offsetX < this.left + width && event.offsetY >= band.top;
    const neuron = Math.max(0, Math.min(band.size - 1, Math.floor(((event.offsetY - band.top) / band.height) * band.size)));
    const t = this.from + ((event.offsetX - this.left) / width) * (this.to - this.from);
    let count = 0;
    this.history.eachSpike(this.from, this.to, (_, p, n) => { count += p === band.index && n === neuron ? 1 : 0; });
    const rate = short(count / (this.to - this.from));
    this.say(inside
      ? `${band.name}: neuron ${neuron}, ${t.toFixed(3)} s, ${rate} Hz`
      : `${band.name}: click for membranes and weights`, event);
  }

  /** Show a text at the pointer. @param {string} text @param {MouseEvent} event */
  say(text, event) {
    this.tip.hidden = false;
    this.tip.textContent = text;
    const room = document.documentElement.clientWidth - this.tip.offsetWidth - 4;
    this.tip.style.left = `${Math.max(0, Math.min(event.pageX + 14, room))}px`;
    this.tip.style.top = `${event.pageY + 10}px`;
  }
}

/** @typedef {{name: string, top: number, height: number}} Band */
/** @typedef {{size: string, rate: string, silent: string}} Texts */

/** Name and size of a band on its left, rates on its right. @param {CanvasRenderingContext2D} g @param {Band} band
 *  @param {Texts} texts @param {number} middle @param {number} width */
function writeBeside(g, band, texts, middle, width) {
  const tall = band.height > 30, second = tall && texts.silent;
  g.fillStyle = themed("--ink");
  g.fillText(fitted(g, band.name, LABELS - 32), 27, tall ? middle - 7 : middle);
  g.fillStyle = themed("--muted");
  if (tall) g.fillText(fitted(g, texts.size, LABELS - 32), 27, middle + 8);
  g.fillText(texts.rate, width - RATES + 8, second ? middle - 7 : middle);
  if (second) g.fillText(texts.silent, width - RATES + 8, middle + 8);
}

/** The same in one line above the band. @param {CanvasRenderingContext2D} g @param {Band} band @param {Texts} texts
 *  @param {number} middle @param {number} width */
function writeAbove(g, band, texts, middle, width) {
  const rates = [texts.rate, texts.silent].filter(Boolean).join(", "), room = width - 18 - 34 - g.measureText(rates).width;
  const name = fitted(g, band.name, room), after = 18 + g.measureText(`${name} `).width;
  g.fillStyle = themed("--ink");
  g.fillText(name, 18, middle);
  g.fillStyle = themed("--muted");
  if (after + g.measureText(texts.size).width < room + 18) g.fillText(texts.size, after + 4, middle);
  g.textAlign = "right";
  g.fillText(rates, width - 8, middle);
}
