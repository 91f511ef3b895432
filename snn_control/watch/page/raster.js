// The raster: every spike as a point, populations below each other, the newest on the right.

import { fitted, onTheme, prepare, ratio, rgb, short, themed, timeAxis } from "./canvas.js";
import { columnsOf } from "./graph.js";

const LABELS = 150, NARROW = 96; // pixels on the left; on narrow screens
const MARKS = 18; // and above, for the names of marks
const RATES = 84; // on the right
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
    /** @type {Set<string>} */ this.closed = new Set();
    /** @type {{name: string, size: number, colour: string, top: number, height: number, index: number}[]} */
    this.bands = [];
    this.from = 0;
    this.to = 1;
    this.left = LABELS;
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
    const room = 400 - ordered.length * BAND.gap - (ordered.length - open.length) * BAND.closed;
    const total = open.reduce((/** @type {number} */ sum, /** @type {any} */ p) => sum + Math.sqrt(p.size), 0) || 1;
    let top = MARKS;
    this.bands = ordered.map((/** @type {any} */ p) => {
      const share = (Math.sqrt(p.size) / total) * room;
      const height = this.closed.has(p.name) ? BAND.closed : Math.max(BAND.least, Math.min(BAND.most, share));
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
    this.layout(history);
    const { g, width, height } = prepare(this.canvas);
    this.left = width < 500 ? NARROW : LABELS;
    const box = { left: this.left, right: width - RATES, top: 2, bottom: height - 20 };
    timeAxis(g, box, from, to, [...history.marks, ...history.cursor], true);
    this.points(g, history, box);
    g.textAlign = "left";
    for (const band of this.bands) {
      const middle = band.top + band.height / 2;
      g.fillStyle = themed("--muted");
      g.fillText(this.closed.has(band.name) ? "▸" : "▾", 4, middle);
      g.fillStyle = band.colour;
      g.fillRect(18, band.top, 4, band.height);
      g.fillStyle = themed("--ink");
      g.fillText(fitted(g, band.name, this.left - 32), 27, band.height > 30 ? middle - 7 : middle);
      g.fillStyle = themed("--muted");
      if (band.height > 30) g.fillText(fitted(g, `${band.size.toLocaleString("en")} neurons`, this.left - 32), 27, middle + 8);
      const silent = history.silent[band.index], second = band.height > 30 && silent > 0;
      g.fillText(`${short(history.rates[band.index])} Hz`, width - RATES + 8, second ? middle - 7 : middle);
      if (second) g.fillText(`${Math.floor(100 * silent)} % silent`, width - RATES + 8, middle + 8);
    }
  }

  /** Each spike is a point of its own or, for many neurons, a pixel. */
  /** @param {CanvasRenderingContext2D} g @param {History} history @param {{left: number, right: number}} box */
  points(g, history, box) {
    const fine = ratio(), left = Math.round(box.left * fine), least = Math.max(1, Math.round(fine / 1.5));
    const columns = Math.max(1, Math.round((box.right - box.left) * fine));
    const rows = this.canvas.height;
    const image = g.getImageData(left, 0, columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const scale = columns / (this.to - this.from);
    /** @type {{top: number, height: number, size: number, colour: number, tall: number}[]} */ const places = [];
    for (const band of this.bands) {
      const [r, gr, b] = rgb(band.colour), height = Math.round(band.height * fine);
      const tall = Math.max(least, Math.min(3, Math.floor(height / band.size)));
      places[band.index] = { top: Math.round(band.top * fine), height, size: band.size, colour: ((255 << 24) | (b << 16) | (gr << 8) | r) >>> 0, tall };
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
    g.putImageData(image, left, 0);
  }

  /** @param {number} y */
  bandAt(y) { return this.bands.find((band) => y >= band.top && y < band.top + band.height); }

  /** @param {MouseEvent} event */
  hover(event) {
    const band = this.bandAt(event.offsetY);
    const width = this.canvas.clientWidth - this.left - RATES;
    const inside = event.offsetX > this.left && event.offsetX < this.left + width;
    this.tip.hidden = true;
    if (!band || !this.history) return;
    const neuron = Math.min(band.size - 1, Math.floor(((event.offsetY - band.top) / band.height) * band.size));
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
