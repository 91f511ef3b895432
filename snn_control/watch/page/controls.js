// Buttons, sliders and number fields: what can be changed in a run.

/** @typedef {import("./protocol.js").Connection} Connection */

/** @param {string} tag @param {Record<string, string>} attributes @param {...(Node|string)} inside */
export function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...inside);
  return element;
}

const BUTTONS = /** @type {const} */ ([
  ["step", "Step", "→: one step, then pause"],
  ["restart", "Restart network", "set the neurons to their initial state; weights stay"],
  ["release", "Release", "end a fault as an operator"], ["stop", "STOP", "command the safe values until released"],
  ["snapshot", "Save record", "write the newest ticks as a record, which `snn_control replay` and `watch` read"],
]);

export class Controls {
  /** @param {HTMLElement} element @param {any} scene @param {Connection} connection @param {() => void} freeze */
  constructor(element, scene, connection, freeze) {
    this.element = element;
    this.connection = connection;
    this.freeze = freeze;
    this.paused = false;
    /** @type {((header: any) => void)[]} */ this.follow = []; // what shows the state of the run in each frame
    /** A world can wait; a robot cannot: then only the view is frozen. */
    this.pauses = scene.control && scene.actions.includes("pause");
    element.replaceChildren();
    if (!scene.control) {
      element.append(make("p", { class: "hint" }, "This page only looks. Start with --control and open its link to tune, stop and release."));
    }
    const row = make("div", { class: "buttons" });
    const pause = /** @type {HTMLButtonElement} */ (make("button", { "data-control": "pause", title: "space: pause and go on", type: "button" }));
    pause.onclick = () => this.do("pause");
    this.pause = pause;
    row.append(pause);
    for (const [action, text, title] of BUTTONS) if (scene.actions.includes(action)) row.append(this.button(action, {}, text, title, scene.control));
    for (const name of scene.disturbances ?? []) row.append(this.button("disturb", { name }, name, `disturb the world: ${name}`, scene.control));
    element.append(row);
    if (scene.actions.includes("speed")) this.speed(scene);
    if (scene.actions.includes("reset")) this.reset(scene);
    if (scene.rules.length && scene.actions.includes("learning")) this.learning(scene);
    scene.tunable.forEach((/** @type {any} */ one, /** @type {number} */ k) => this.slider(one, k, scene.control));
    this.show(false);
  }

  /** @param {string} action @param {Record<string, any>} values @param {string} text @param {string} title @param {boolean} control */
  button(action, values, text, title, control) {
    const button = /** @type {HTMLButtonElement} */ (make("button", { "data-control": action, title, type: "button" }, text));
    button.disabled = !control;
    button.onclick = () => this.connection.act(action, values);
    return button;
  }

  /** @param {string} action */
  do(action) {
    if (action !== "pause") this.connection.act(action);
    else if (this.pauses) this.connection.act(this.paused ? "play" : "pause");
    else this.freeze();
  }

  /** @param {boolean} stopped */
  show(stopped) { this.pause.textContent = stopped ? "Go on" : this.pauses ? "Pause" : "Freeze the view"; }

  /** @param {any} scene */
  speed(scene) {
    const input = /** @type {HTMLInputElement} */ (make("input", { type: "range", min: "-2", max: "1", step: "0.05", value: "0", "data-control": "speed" }));
    const shown = make("output", {}, "1");
    input.disabled = !scene.control;
    input.oninput = () => this.connection.act("speed", { speed: Math.max(0.01, 10 ** Number(input.value)) });
    this.follow.push((header) => {
      shown.textContent = header.speed.toPrecision(2);
      if (document.activeElement !== input) input.value = String(Math.log10(header.speed));
    });
    this.element.append(make("label", {}, "Speed, times real time", input, shown));
  }

  /** @param {any} scene */
  reset(scene) {
    const seed = /** @type {HTMLInputElement} */ (make("input", { type: "number", min: "0", value: "0", "data-control": "seed" }));
    const button = /** @type {HTMLButtonElement} */ (make("button", { type: "button", "data-control": "reset" }, "Reset"));
    seed.disabled = button.disabled = !scene.control;
    button.onclick = () => this.connection.act("reset", { seed: Number(seed.value) });
    this.element.append(make("label", {}, "New episode, seed", seed, button));
  }

  /** @param {any} scene */
  learning(scene) {
    const box = /** @type {HTMLInputElement} */ (make("input", { type: "checkbox", "data-control": "learning" }));
    box.checked = true;
    box.disabled = !scene.control;
    box.onchange = () => this.connection.act("learning", { on: box.checked });
    this.follow.push((header) => { box.checked = header.learning.some(Boolean); });
    this.element.append(make("label", {}, box, " Learning"));
  }

  /** @param {{path: string, value: number, low: number, high: number}} one @param {number} k @param {boolean} control */
  slider(one, k, control) {
    const bounds = { min: String(one.low), max: String(one.high), step: "any" };
    const range = /** @type {HTMLInputElement} */ (make("input", { ...bounds, type: "range", "data-tunable": one.path, "aria-label": one.path }));
    const field = /** @type {HTMLInputElement} */ (make("input", { ...bounds, type: "number", "aria-label": `${one.path}, number` }));
    range.value = field.value = String(one.value);
    range.disabled = field.disabled = !control;
    this.follow.push((header) => {
      if (document.activeElement === range || document.activeElement === field) return;
      range.value = String(header.tuned[k]);
      field.value = String(Number(header.tuned[k].toPrecision(6)));
    });
    const tune = (/** @type {string} */ text) => {
      const value = Number(text);
      if (!(value >= one.low && value <= one.high)) return;
      range.value = text;
      field.value = String(Number(value.toPrecision(6)));
      this.connection.act("tune", { path: one.path, value });
    };
    range.oninput = () => tune(range.value);
    field.onchange = () => tune(field.value);
    const file = `file: ${one.value}, ${one.low} to ${one.high}`;
    this.element.append(make("label", { class: "tunable", title: file }, make("span", {}, one.path), range, field, make("small", {}, file)));
  }

  /** @param {any} header @param {boolean} frozen */
  update(header, frozen) {
    this.paused = Boolean(header.paused);
    this.show(this.pauses ? this.paused : frozen);
    if (header.sent) for (const one of this.follow) one(header); // there is no frame yet otherwise
    this.element.querySelector('[data-control="stop"]')?.classList.toggle("active", Boolean(header.safe));
  }
}
