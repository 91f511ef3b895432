// What is looked at: the membranes of a population, and the weights that lead to it.

import { EXCITES, INHIBITS, onTheme, prepare, rgb, short, themed } from "./canvas.js";
import { make } from "./controls.js";
import { paint } from "./inputs.js";

/** @typedef {import("./protocol.js").Header} Header */
/** @typedef {import("./protocol.js").Numbers} Numbers */

export class LookPanel {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
    this.list = /** @type {HTMLElement} */ (element.querySelector(".weights"));
    /** @type {string|null} */ this.name = null;
    /** @type {Map<string, {canvas: HTMLCanvasElement, field: HTMLCanvasElement, note: HTMLElement, told: any, numbers: Numbers}>} */
    this.pictures = new Map();
  }

  /** @param {string|null} name */
  choose(name) {
    this.name = name;
    this.element.hidden = !name;
    this.pictures.clear();
    this.list.replaceChildren();
  }

  /** Show the weights of a frame that has some. @param {any[]} told @param {Map<string, Numbers>} arrays */
  takeWeights(told, arrays) {
    for (const one of told ?? []) {
      const numbers = arrays.get(one.key);
      if (one.post !== this.name || !numbers) continue;
      const there = this.pictures.get(one.key) ?? this.add(one, numbers);
      there.numbers = numbers;
      this.paintWeights(there);
    }
  }

  /** @param {any} told @param {Numbers} numbers */
  add(told, numbers) {
    const canvas = document.createElement("canvas"), field = document.createElement("canvas");
    const note = make("small", {}), kind = told.kernels ? ", kernels side by side" : told.learns ? ", learns" : "";
    const title = make("figcaption", {}, `weights of ${told.pre} → ${told.post}${kind}`);
    const picture = { canvas, field, note, told, numbers };
    canvas.className = "matrix";
    field.className = "field";
    field.hidden = true;
    canvas.onmousemove = (event) => this.hover(picture, event);
    this.list.append(make("figure", {}, title, canvas, note, field));
    this.pictures.set(told.key, picture);
    return picture;
  }

  /** Paint all weights again, in the colours of another theme. */
  repaint() { for (const one of this.pictures.values()) this.paintWeights(one); }

  /** @param {any} picture */
  paintWeights({ canvas, note, numbers, told }) {
    const [rows, columns] = numbers.shape, scale = largest(numbers.data);
    paint(canvas, columns, rows, (k) => signed(Number(numbers.data[k]), scale));
    const pooled = columns < told.sources || rows < told.targets ? ", averaged" : "";
    if (!told.kernels) note.textContent = `${told.targets} rows (targets) × ${told.sources} columns (sources)${pooled}; largest ${short(scale)}`;
  }

  /** Name the cell under the pointer and, where the source is a picture, show the receptive field of its row. */
  /** @param {any} picture @param {MouseEvent} event */
  hover(picture, event) {
    const { canvas, field, note, numbers, told } = picture;
    const [rows, columns] = numbers.shape;
    const row = Math.min(rows - 1, Math.floor((event.offsetY / canvas.clientHeight) * rows));
    const column = Math.min(columns - 1, Math.floor((event.offsetX / canvas.clientWidth) * columns));
    const value = Number(numbers.data[row * columns + column]);
    note.textContent = `source ${Math.floor((column * told.sources) / columns)}, target ${Math.floor((row * told.targets) / rows)}: ${short(value)}`;
    const grid = told.grid;
    field.hidden = !grid || told.kernels || columns !== told.sources || columns % (grid[0] * grid[1]) > 0;
    if (field.hidden) return;
    const scale = largest(numbers.data);
    paint(field, grid[0], columns / grid[0], (k) => signed(Number(numbers.data[row * columns + k]), scale));
  }

  /** @param {Numbers|undefined} values membranes @param {any} population */
  drawMembranes(values, population) {
    if (!this.name) return;
    /** @type {any} */ (this.element.querySelector("h2")).textContent = `Membranes of ${this.name}`;
    const { g, width, height } = prepare(this.canvas);
    if (!values) {
      g.fillStyle = themed("--muted");
      g.fillText("not kept for this population", 8, 16);
      return;
    }
    const data = /** @type {Float32Array} */ (values.data);
    let low = 0, high = population.threshold ?? 0;
    for (const v of data) { low = Math.min(low, v); high = Math.max(high, v); }
    if (!(high > low)) high = low + 1;
    const y = (/** @type {number} */ v) => height - 6 - ((v - low) / (high - low)) * (height - 14);
    const step = (width - 50) / data.length;
    g.fillStyle = onTheme(population.colour);
    data.forEach((v, k) => g.fillRect(46 + k * step, Math.min(y(v), y(0)), Math.max(1, step - 0.5), Math.max(1, Math.abs(y(v) - y(0)))));
    g.fillStyle = themed("--muted");
    g.textAlign = "right";
    g.fillText(short(high), 42, 10);
    g.fillText(short(low), 42, height - 8);
    if (population.threshold === null) return;
    g.strokeStyle = themed("--ink");
    g.setLineDash([5, 4]);
    g.beginPath();
    g.moveTo(46, y(population.threshold));
    g.lineTo(width, y(population.threshold));
    g.stroke();
    g.setLineDash([]);
    g.textAlign = "left";
    g.fillText("threshold", 50, y(population.threshold) + (y(population.threshold) < 14 ? 8 : -7));
  }
}

/** @param {ArrayLike<number|bigint>} data */
function largest(data) {
  let most = 1e-12;
  for (let k = 0; k < data.length; k++) most = Math.max(most, Math.abs(Number(data[k])));
  return most;
}

/** Red excites, blue inhibits. @param {number} value @param {number} scale */
function signed(value, scale) {
  const ground = themed("--dark") === "1" ? 29 : 255, colour = rgb(onTheme(value > 0 ? EXCITES : INHIBITS));
  const strength = Math.sqrt(Math.min(1, Math.abs(value) / scale));
  return colour.map((c) => ground + (c - ground) * strength);
}
