// Plays a record: a cursor in its time, a time bar, and the frame that belongs to the cursor.

import { make } from "./controls.js";
import { search } from "./history.js";

/** @typedef {import("./protocol.js").Frame} Frame */

const SPEEDS = [0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 10];

export class Player {
  /** @param {HTMLElement} element @param {any} scene @param {Frame[]} frames @param {() => void} moved */
  constructor(element, scene, frames, moved) {
    this.scene = scene;
    this.frames = frames;
    this.moved = moved;
    this.from = scene.from;
    this.to = frames.length ? frames[frames.length - 1].header.t : scene.from;
    this.cursor = this.from;
    this.playing = true;
    this.speed = Math.max(SPEEDS[0], ...SPEEDS.filter((one) => one <= (scene.camera?.speed ?? 1)));
    this.digits = Math.max(2, Math.floor(-Math.log10(scene.period)));
    this.last = 0;
    /** @type {Map<string, number[]>} */ this.weights = new Map(); // key -> numbers of the frames that have it
    frames.forEach(({ header }, k) => {
      for (const one of header.weights ?? []) this.weights.set(one.key, [...(this.weights.get(one.key) ?? []), k]);
    });
    this.button = /** @type {HTMLButtonElement} */ (make("button", { type: "button", "data-control": "pause", title: "space" }));
    this.bar = /** @type {HTMLInputElement} */ (make("input", { type: "range", min: String(this.from), max: String(this.to), step: "any", "data-control": "time", "aria-label": "time" }));
    this.shown = make("output", {});
    const speed = /** @type {HTMLSelectElement} */ (make("select", { "data-control": "speed", "aria-label": "speed" },
      ...SPEEDS.map((one) => make("option", one === this.speed ? { selected: "" } : {}, String(one)))));
    speed.onchange = () => { this.speed = Number(speed.value); };
    this.button.onclick = () => this.toggle();
    this.bar.oninput = () => this.go(Number(this.bar.value));
    element.replaceChildren(this.button, this.bar, this.shown, make("label", {}, "times", speed));
    element.hidden = false;
    this.element = element;
  }

  /** Take the time bar away. @returns {null} */
  close() {
    this.element.hidden = true;
    return null;
  }

  toggle() {
    if (!this.playing && this.cursor >= this.to) this.cursor = this.from;
    this.playing = !this.playing;
    this.moved();
  }

  /** @param {number} t */
  go(t) {
    this.playing = false;
    this.cursor = Math.max(this.from, Math.min(this.to, t));
    this.moved();
  }

  /** One tick forward or back. @param {number} ticks */
  step(ticks) { this.go(Math.round(this.cursor / this.scene.period + ticks) * this.scene.period); }

  /** Move on with the clock. @param {number} now s */
  run(now) {
    const passed = Math.min(0.1, now - this.last);
    this.last = now;
    if (this.playing && this.to > this.from) {
      this.cursor += passed * this.speed;
      if (this.cursor >= this.to) { this.cursor = this.to; this.playing = false; }
      this.moved();
    }
    this.button.textContent = this.playing ? "Pause" : "Play";
    this.bar.value = String(this.cursor);
    this.shown.textContent = `${this.cursor.toFixed(this.digits)} of ${this.to.toFixed(this.digits)} s`;
  }

  /** The number of the frame at the cursor. */
  get index() { return this.indexAt(this.cursor); }

  /** @param {number} t */
  indexAt(t) { return Math.max(0, Math.min(this.frames.length - 1, search(0, this.frames.length, (i) => this.frames[i].header.t < t - 1e-9))); }

  /** The newest frames at the cursor that have the weights of each projection. @returns {Frame[]} */
  weightsAt() {
    const found = new Set();
    for (const numbers of this.weights.values()) {
      const k = search(0, numbers.length, (i) => numbers[i] <= this.index) - 1;
      found.add(numbers[Math.max(0, k)]);
    }
    return [...found].map((k) => this.frames[k]);
  }
}
