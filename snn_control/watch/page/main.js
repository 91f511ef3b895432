// The page of a watched run: takes frames, and draws the panels at the rate of the screen.

import { themed } from "./canvas.js";
import { Controls } from "./controls.js";
import { EventsPanel } from "./events.js";
import { drawGraph, nodeAt } from "./graph.js";
import { findings, showFindings } from "./health.js";
import { History } from "./history.js";
import { InputPanel, paint } from "./inputs.js";
import { LookPanel } from "./look.js";
import { drawOutputs } from "./outputs.js";
import { Player } from "./player.js";
import { Connection, framesOf } from "./protocol.js";
import { Raster } from "./raster.js";
import { Rates, showTiming } from "./timing.js";
import { drawCurve, phaseAt } from "./training.js";

/** @typedef {import("./protocol.js").Numbers} Numbers */

const BEFORE = 8; // frames before the cursor whose events are in a picture
const SILENT_S = 2; // without a frame, the page says so

/** @param {string} selector @returns {any} */
const $ = (selector) => document.querySelector(selector);
/** @param {string} name @returns {any} */
const panel = (name) => $(`[data-panel="${name}"]`);
const status = /** @type {any} */ (window).snn_control = { frames: 0, tick: 0, spikes: 0, dropped: 0, lag_ms: 0, connected: false };
const embedded = $("#record"); // in a page that is one file: its record, in base64, beside its scene

/** @type {History|null} */ let history = null;
/** @type {InputPanel[]} */ let inputs = [];
/** @type {EventsPanel|null} */ let events = null; // of a recording without a controller
/** @type {Controls|null} */ let controls = null;
/** @type {Player|null} */ let player = null;
/** @type {any} */ let header = {};
/** @type {any} */ let curve = null; // of a training
/** @type {Map<string, Numbers>} */ let arrays = new Map();
let rates = new Rates();
let window_s = 3, shortest = 0.05, longest = 60; // s
let offset = 0; // s, how far the view is behind; not 0 while it is panned
/** @type {number|null} */ let frozen = null; // s, the end of a view that was stopped
let judged_at = 0; // ms
let changed = true, shown = -1, newest_at = 0;

const raster = new Raster(panel("raster").querySelector("canvas"), $("#tip"), choose, viewChanged);
const looked = new LookPanel(panel("look"));
const connection = embedded ? null : new Connection({ scene: begin, frame: take, state: showState, say });
if (embedded) embed();

/** A scene: everything begins anew. @param {any} scene */
function begin(scene) {
  history = new History(scene);
  rates = new Rates();
  header = {};
  arrays = new Map();
  frozen = null;
  document.title = `${scene.title} · snn_control`;
  $("#title").textContent = scene.title;
  panel("inputs").querySelector(".inputs").replaceChildren();
  inputs = scene.inputs.filter((/** @type {any} */ i) => !i.stop_when || i.type).map((/** @type {any} */ i) => new InputPanel(panel("inputs").querySelector(".inputs"), i));
  events = scene.camera ? new EventsPanel(panel("events"), panel("rate"), scene.camera, (text, event) => raster.say(text, event), () => { changed = true; }, (t) => player?.go(t)) : null;
  for (const name of ["events", "rate"]) panel(name).hidden = !events;
  for (const name of ["outputs", "graph", "timing"]) panel(name).hidden = Boolean(events);
  panel("controls").hidden = scene.kind === "record";
  curve = scene.training ?? null;
  panel("training").hidden = scene.kind !== "training" && !curve;
  panel("raster").hidden = !history.spiking.length || Boolean(events);
  if (scene.kind !== "record" && connection) controls = new Controls(panel("controls").querySelector(".body"), scene, connection, freeze);
  restoreView();
  if (embedded) {
    panel("inputs").hidden = !inputs.length;
    const into = new Set(scene.edges.map((/** @type {any} */ e) => e.post));
    if (!looked.name) looked.choose(scene.edges.find((/** @type {any} */ e) => e.post.startsWith("> ") && into.has(e.pre))?.pre ?? null);
  }
  if (scene.kind === "record" && connection) fetchRecord().then(play, () => say("the record cannot be read; load the page again"));
  else if (player) player = player.close(); // the same port, another run
}

/** @param {any} newest @param {Map<string, Numbers>} found */
function take(newest, found) {
  if (!history) return;
  if (newest.tick - newest.ticks < history.tick) history = new History(history.scene); // its clock started again
  history.add(newest, found);
  header = newest;
  arrays = found;
  for (const one of inputs) one.add(found);
  looked.takeWeights(newest.weights, found);
  controls?.update(newest, frozen !== null);
  rates.add(newest, performance.now() / 1e3);
  if (newest.training?.steps?.length) curve = newest.training;
  const picture = found.get("picture");
  if (picture) showPicture(picture);
  newest_at = performance.now() / 1e3;
  Object.assign(status, { frames: status.frames + 1, tick: newest.tick, spikes: history.spikes, dropped: newest.dropped, lag_ms: Math.max(0, Date.now() - newest.sent * 1e3) });
  changed = true;
}

/** The file with all frames of a record, in parts, so that a slow link meets no time limit. */
async function fetchRecord() {
  const parts = [];
  for (let from = 0, length = 1; length; from += length) {
    const found = await fetch(`record.bin?from=${from}`);
    if (!found.ok) throw new Error(found.statusText);
    const part = await found.arrayBuffer();
    length = part.byteLength;
    parts.push(part);
  }
  return new Blob(parts).arrayBuffer();
}

/** All frames of a record. @param {ArrayBuffer} file */
function play(file) {
  if (!history) return;
  const frames = framesOf(file), before = player;
  history = new History(history.scene);
  for (const one of frames) history.add(one.header, one.arrays);
  player = new Player($("#player"), history.scene, frames, () => { changed = true; });
  if (before) player.go(before.cursor);
  shown = -1;
  Object.assign(status, { frames: frames.length, spikes: history.spikes });
  if (!embedded) return;
  shortest = Math.min(0.05, 20 * history.scene.period);
  longest = Math.max(60, player.to - player.from); // a file shows the whole run first, like a picture
  if (!location.hash.includes("window=")) window_s = Math.max(shortest, player.to - player.from);
  const acting = frames.filter((one) => !one.header.safe);
  player.go(history.scene.camera?.shown ?? (acting[acting.length - 1] ?? frames[frames.length - 1]).header.t);
}

async function embed() {
  const scene = JSON.parse($("#scene").textContent);
  showState(true, scene.note);
  begin(scene);
  const bytes = Uint8Array.from(atob(embedded.textContent.trim()), (c) => c.charCodeAt(0));
  const packed = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
  play(await packed.arrayBuffer());
}

/** Show the frame of a record that belongs to the cursor. @param {Player} one */
function showMoment(one) {
  const index = one.index;
  if (index === shown) return;
  const near = index > shown && index <= shown + BEFORE;
  if (!near) for (const input of inputs) input.clear();
  for (let k = near ? shown + 1 : Math.max(0, index - BEFORE); k <= index; k++) {
    for (const input of inputs) input.add(one.frames[k].arrays);
  }
  shown = index;
  ({ header, arrays } = one.frames[index]);
  const { header: earlier } = one.frames[one.indexAt(header.t - 1)];
  rates = new Rates();
  rates.add(earlier, earlier.t);
  rates.add(header, header.t, 0);
  for (const frame of one.weightsAt()) looked.takeWeights(frame.header.weights, frame.arrays);
  status.tick = header.tick;
}

/** @param {boolean} connected @param {string} text */
function showState(connected, text) {
  status.connected = connected;
  $("#state").textContent = text;
  $("#state").className = connected ? "" : "wrong";
}

/** @param {string} text */
function say(text) {
  const element = $("#message");
  element.textContent = text;
  element.hidden = false;
  clearTimeout(element.timer);
  element.timer = setTimeout(() => { element.hidden = true; }, 6000);
}

/** @param {Numbers} picture */
function showPicture(picture) {
  const canvas = panel("inputs").querySelector("#picture");
  const [rows, columns] = picture.shape;
  canvas.parentElement.hidden = false;
  paint(canvas, columns, rows, (k) => [0, 1, 2].map((c) => Number(picture.data[3 * k + c])));
}

/** Look at a population, or no longer. @param {string} name */
function choose(name) {
  looked.choose(looked.name === name ? null : name);
  connection?.send({ op: "look", names: looked.name ? [looked.name] : [] });
  shown = -1;
  viewChanged();
}

/** @param {number} now ms */
function run(now) {
  requestAnimationFrame(run);
  player?.run(now / 1e3);
  if (!history) return;
  if (history.scene.kind !== "record" && status.connected && newest_at) {
    const silent = performance.now() / 1e3 - newest_at;
    $("#state").textContent = silent > SILENT_S ? `no frame for ${silent.toFixed(0)} s` : "connected";
  }
  if (changed) draw(history);
}
requestAnimationFrame(run);

/** @param {History} history */
function draw(history) {
  changed = false;
  if (player) showMoment(player);
  const end = player ? player.cursor : (frozen ?? history.now) - offset;
  const from = Math.max(history.scene.from ?? 0, end - window_s), to = Math.max(end, from + window_s);
  history.cursor = end < to ? [{ t: end, kind: "", text: "" }] : [];
  if (events) return events.draw(history, from, to, end);
  history.countRates(end);
  raster.draw(history, from, to);
  drawOutputs(panel("outputs").querySelector("canvas"), history, from, to);
  for (const one of inputs) one.draw(history, from, to);
  drawGraph(panel("graph").querySelector("canvas"), history);
  const population = history.scene.populations.find((/** @type {any} */ p) => p.name === looked.name);
  if (population) looked.drawMembranes(arrays.get(`membrane.${looked.name}`), population);
  showTiming(panel("timing").querySelector("table"), header, rates, history.scene);
  $("#safe").hidden = !header.safe;
  $("#safe").textContent = header.causes ? `safe command: ${header.causes}` : "safe command";
  if (curve) drawCurve(panel("training").querySelector("canvas"), curve);
  if (header.error) say(header.error);
  if (performance.now() > judged_at + 500) {
    judged_at = performance.now();
    const found = findings(history, end), health = $("#health");
    if (health) showFindings(health, found);
  }
}

// the view, and keys -------------------------------------------------------------------------------------------------

/** @param {number} factor */
function zoom(factor) {
  window_s = Math.min(longest, Math.max(shortest, window_s * factor));
  viewChanged();
}

/** @param {number} seconds */
function pan(seconds) {
  if (player) player.go(player.cursor + seconds);
  else offset = Math.max(0, offset - seconds);
  changed = true;
}

function freeze() {
  frozen = frozen === null ? history?.now ?? 0 : null;
  controls?.update(header, frozen !== null);
  changed = true;
}

function toEnd() {
  player?.go(player.to);
  offset = 0;
  frozen = null;
  changed = true;
}

function viewChanged() {
  changed = true;
  const hash = new URLSearchParams(location.hash.slice(1));
  hash.set("window", window_s.toPrecision(3));
  if (looked.name) hash.set("look", looked.name); else hash.delete("look");
  if (raster.closed.size) hash.set("closed", [...raster.closed].join(",")); else hash.delete("closed");
  window.history.replaceState(null, "", `#${hash}`);
}

function restoreView() {
  const hash = new URLSearchParams(location.hash.slice(1));
  window_s = Number(hash.get("window")) || window_s;
  raster.closed = new Set((hash.get("closed") ?? "").split(",").filter(Boolean));
  const name = hash.get("look");
  looked.choose(history?.scene.populations.some((/** @type {any} */ p) => p.name === name) ? name : null);
  if (looked.name) connection?.send({ op: "look", names: [looked.name] });
}

/** @type {Record<string, () => void>} */
const KEYS = {
  " ": () => (player ? player.toggle() : controls?.do("pause")),
  ArrowRight: () => (player ? player.step(1) : offset > 0 || frozen !== null ? pan(window_s / 4) : controls?.do("step")),
  ArrowLeft: () => (player ? player.step(-1) : pan(-window_s / 4)),
  "+": () => zoom(1 / 1.5), "=": () => zoom(1 / 1.5), "-": () => zoom(1.5),
  Home: () => player?.go(player.from), End: toEnd, Escape: () => { $("#help").hidden = true; },
  "?": () => { $("#help").hidden = !$("#help").hidden; },
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey) return;
  if (event.target instanceof HTMLInputElement && (event.target.type !== "range" || event.key.startsWith("Arrow")) && event.target.dataset.control !== "time") return;
  if (embedded && !panel("raster").parentElement.matches(":hover")) return; // elsewhere they scroll the page
  const key = KEYS[event.key];
  if (key) { event.preventDefault(); key(); }
});
$("#help-button").addEventListener("click", KEYS["?"]);
$("#theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = themed("--dark") === "1" ? "light" : "dark";
  looked.repaint();
  changed = true;
});
panel("graph").querySelector("canvas").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  const name = nodeAt(/** @type {HTMLCanvasElement} */ (event.target), event.offsetX, event.offsetY);
  if (history?.scene.populations.some((/** @type {any} */ p) => p.name === name)) choose(name);
});
panel("raster").querySelector("canvas").addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
  if (embedded && !event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX + event.deltaY) * window_s * 0.001);
  else zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15);
}, { passive: false });
panel("training").querySelector("canvas").addEventListener("mousemove", (/** @type {MouseEvent} */ event) => {
  if (curve) raster.say(phaseAt(/** @type {HTMLCanvasElement} */ (event.target), curve, event), event);
});
for (const name of ["training", "events", "rate"]) panel(name).querySelector("canvas").addEventListener("mouseleave", () => { $("#tip").hidden = true; });
window.addEventListener("resize", () => { changed = true; });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { looked.repaint(); changed = true; });
for (const event of ["beforeprint", "afterprint"]) {
  window.addEventListener(event, () => { // paper is light, and finer than a screen
    document.documentElement.classList.toggle("printing", event === "beforeprint");
    looked.repaint();
    if (history) draw(history);
  });
}
$("#snapshot").addEventListener("click", () => {
  const parts = (events ? ["events", "rate"] : ["raster", "outputs"]).map((name) => /** @type {HTMLCanvasElement} */ (panel(name).querySelector("canvas")));
  const whole = document.createElement("canvas");
  whole.width = Math.max(...parts.map((one) => one.width));
  whole.height = parts.reduce((sum, one) => sum + one.height, 0);
  const g = /** @type {CanvasRenderingContext2D} */ (whole.getContext("2d"));
  g.fillStyle = themed("--panel");
  g.fillRect(0, 0, whole.width, whole.height);
  parts.reduce((top, one) => { g.drawImage(one, 0, top); return top + one.height; }, 0);
  const link = document.createElement("a");
  link.download = `snn_control_${(history?.now ?? 0).toFixed(2)}.png`;
  link.href = whole.toDataURL("image/png");
  link.click();
});
