// The page of a watched run: takes frames, and draws the panels at the rate of the screen.

import { prepare, short, themed } from "./canvas.js";
import { Controls, make } from "./controls.js";
import { drawGraph } from "./graph.js";
import { History } from "./history.js";
import { InputPanel, paint } from "./inputs.js";
import { drawOutputs } from "./outputs.js";
import { Connection } from "./protocol.js";
import { Raster } from "./raster.js";

/** @param {string} name @returns {any} */
const panel = (name) => document.querySelector(`[data-panel="${name}"]`);
const status = /** @type {any} */ (window).snn_control = { frames: 0, tick: 0, spikes: 0, dropped: 0, lag_ms: 0, connected: false };

/** @type {History|null} */ let history = null;
/** @type {InputPanel[]} */ let inputs = [];
/** @type {Controls|null} */ let controls = null;
/** @type {any} */ let header = {};
/** @type {string|null} */ let looked = null;
let window_s = 3;
let offset = 0; // s, how far the view is behind; not 0 while it is panned
let changed = true;
const counts = { spikes: 0, operations: 0, ticks: 0, at: 0 };
const rates = { spikes: 0, operations: 0, ticks: 0 };

const raster = new Raster(panel("raster").querySelector("canvas"), /** @type {any} */ (document.querySelector("#tip")), look);

const connection = new Connection({
  scene(scene) {
    history = new History(scene);
    document.title = `${scene.title} · snn_control`;
    /** @type {any} */ (document.querySelector("#title")).textContent = scene.title;
    panel("inputs").querySelector(".inputs").replaceChildren();
    inputs = scene.inputs.filter((/** @type {any} */ i) => !i.stop_when || i.type).map((/** @type {any} */ i) => new InputPanel(panel("inputs").querySelector(".inputs"), i));
    controls = new Controls(panel("controls").querySelector(".body"), scene, connection);
    restoreView();
  },
  frame(newest, arrays) {
    if (!history) return;
    history.add(newest, arrays);
    for (const one of inputs) one.add(arrays);
    header = newest;
    controls?.update(newest);
    const picture = arrays.get("picture");
    if (picture) showPicture(picture);
    showLooked(arrays);
    count(newest);
    Object.assign(status, { frames: status.frames + 1, tick: newest.tick, spikes: history.spikes, dropped: newest.dropped, lag_ms: Math.max(0, Date.now() - newest.sent * 1e3) });
    changed = true;
  },
  state(connected, text) {
    status.connected = connected;
    const element = /** @type {any} */ (document.querySelector("#state"));
    element.textContent = text;
    element.className = connected ? "" : "wrong";
  },
  error(text) { say(text); },
});

/** @param {string} text */
function say(text) {
  const element = /** @type {any} */ (document.querySelector("#message"));
  element.textContent = text;
  element.hidden = false;
  clearTimeout(element.timer);
  element.timer = setTimeout(() => { element.hidden = true; }, 6000);
}

/** @param {any} newest */
function count(newest) {
  const now = performance.now() / 1e3;
  const spikes = Object.values(newest.spikes ?? {}).reduce((/** @type {number} */ a, b) => a + Number(b), 0);
  if (counts.at && now - counts.at > 0.5) {
    const lasted = now - counts.at;
    Object.assign(rates, { spikes: Math.max(0, spikes - counts.spikes) / lasted, operations: Math.max(0, newest.operations - counts.operations) / lasted, ticks: Math.max(0, newest.tick - counts.ticks) / lasted });
  }
  if (!counts.at || now - counts.at > 0.5) Object.assign(counts, { spikes, operations: newest.operations, ticks: newest.tick, at: now });
}

/** @param {import("./protocol.js").Numbers} picture */
function showPicture(picture) {
  const canvas = panel("inputs").querySelector("#picture");
  const [rows, columns] = picture.shape;
  canvas.parentElement.hidden = false;
  paint(canvas, columns, rows, (k) => [0, 1, 2].map((c) => Number(picture.data[3 * k + c])));
}

/** Show the membranes of a population. @param {string} name */
function look(name) {
  looked = looked === name ? null : name;
  connection.send({ op: "look", names: looked ? [looked] : [] });
  panel("look").hidden = !looked;
  saveView();
}

/** @param {Map<string, import("./protocol.js").Numbers>} arrays */
function showLooked(arrays) {
  const values = looked ? arrays.get(`membrane.${looked}`) : null;
  if (!values || !history) return;
  const population = history.scene.populations.find((/** @type {any} */ p) => p.name === looked);
  panel("look").querySelector("h2").textContent = `Membranes of ${looked}`;
  const { g, width, height } = prepare(panel("look").querySelector("canvas"));
  const data = /** @type {Float32Array} */ (values.data);
  let low = Math.min(0, ...data), high = Math.max(population.threshold ?? 0, ...data);
  if (!(high > low)) high = low + 1;
  const y = (/** @type {number} */ v) => height - 6 - ((v - low) / (high - low)) * (height - 14);
  const step = (width - 50) / data.length;
  g.fillStyle = population.colour;
  data.forEach((v, k) => g.fillRect(46 + k * step, Math.min(y(v), y(0)), Math.max(1, step - 0.5), Math.max(1, Math.abs(y(v) - y(0)))));
  g.fillStyle = themed("--muted");
  g.textAlign = "right";
  g.fillText(short(high), 42, 10);
  g.fillText(short(low), 42, height - 8);
  if (population.threshold !== null) {
    g.strokeStyle = themed("--ink");
    g.setLineDash([5, 4]);
    g.beginPath();
    g.moveTo(46, y(population.threshold));
    g.lineTo(width, y(population.threshold));
    g.stroke();
    g.setLineDash([]);
    g.textAlign = "left";
    g.fillText("threshold", 50, y(population.threshold) - 7);
  }
}

function showTiming() {
  const rows = [
    ["time", `${(header.t ?? 0).toFixed(2)} s, tick ${(header.tick ?? 0).toLocaleString("en")}`],
    ["ticks", `${short(rates.ticks)} /s`],
    ["spikes", `${short(rates.spikes)} /s`],
    ["synaptic operations", `${short(rates.operations)} /s`],
    ["estimated power", header.microwatt === null ? "–" : `${short(header.microwatt)} µW`],
    ["faults", String(header.guard?.faults ?? 0)],
    ...(header.episode ? [["episode", `seed ${header.episode.seed}, step ${header.episode.steps}, return ${short(header.episode.return)}`]] : []),
    ...(header.episode?.last_return != null ? [["last return", short(header.episode.last_return)]] : []),
    ["frames dropped", String(header.dropped ?? 0)],
    ["spikes not shown", String(header.left_out ?? 0)],
  ];
  const table = panel("timing").querySelector("table");
  table.replaceChildren(...rows.map(([key, value]) => make("tr", {}, make("th", {}, key), make("td", {}, value))));
}

function draw() {
  requestAnimationFrame(draw);
  if (!changed || !history) return;
  changed = false;
  const to = history.now - offset, from = to - window_s;
  raster.draw(history, from, to);
  drawOutputs(panel("outputs").querySelector("canvas"), history, from, to);
  for (const one of inputs) one.draw(history, from, to);
  drawGraph(panel("graph").querySelector("canvas"), history);
  showTiming();
  const safe = /** @type {any} */ (document.querySelector("#safe"));
  safe.hidden = !header.safe;
  if (header.error) say(header.error);
}
requestAnimationFrame(draw);

// the view, and keys -------------------------------------------------------------------------------------------------

/** @param {number} factor */
function zoom(factor) {
  window_s = Math.min(20, Math.max(0.05, window_s * factor));
  changed = true;
  saveView();
}

/** @param {number} seconds */
function pan(seconds) {
  offset = Math.max(0, offset - seconds);
  changed = true;
}

function saveView() {
  const hash = new URLSearchParams(location.hash.slice(1));
  hash.set("window", window_s.toPrecision(3));
  if (looked) hash.set("look", looked); else hash.delete("look");
  if (raster.closed.size) hash.set("closed", [...raster.closed].join(",")); else hash.delete("closed");
  window.history.replaceState(null, "", `#${hash}`);
}

function restoreView() {
  const hash = new URLSearchParams(location.hash.slice(1));
  window_s = Number(hash.get("window")) || window_s;
  raster.closed = new Set((hash.get("closed") ?? "").split(",").filter(Boolean));
  const name = hash.get("look");
  if (name && name !== looked) look(name);
  else if (looked) connection.send({ op: "look", names: [looked] });
}

/** @type {Record<string, () => void>} */
const KEYS = {
  " ": () => controls?.do("pause"), ArrowRight: () => (offset > 0 ? pan(window_s / 4) : controls?.do("step")),
  ArrowLeft: () => pan(-window_s / 4), "+": () => zoom(1 / 1.5), "=": () => zoom(1 / 1.5), "-": () => zoom(1.5),
  End: () => { offset = 0; changed = true; }, Escape: () => { help.hidden = true; }, "?": () => { help.hidden = !help.hidden; },
};
const help = /** @type {any} */ (document.querySelector("#help"));
document.addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey) return;
  const key = KEYS[event.key];
  if (key) { event.preventDefault(); key(); }
});
document.querySelector("#help-button")?.addEventListener("click", () => { help.hidden = !help.hidden; });
document.querySelector("#theme")?.addEventListener("click", () => {
  const dark = themed("--dark") === "1";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  changed = true;
});
panel("raster").querySelector("canvas").addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
  event.preventDefault();
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX + event.deltaY) * window_s * 0.001);
  else zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15);
}, { passive: false });
window.addEventListener("resize", () => { changed = true; });
document.querySelector("#snapshot")?.addEventListener("click", () => {
  const link = document.createElement("a");
  link.download = `snn_control_${history?.now.toFixed(2) ?? 0}.png`;
  link.href = panel("raster").querySelector("canvas").toDataURL("image/png");
  link.click();
});
