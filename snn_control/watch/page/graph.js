// The graph of the network: nodes in the order of the data's way, edges by sign, with live activity.

import { EXCITES, INHIBITS, onTheme, prepare, short, themed } from "./canvas.js";

/** @typedef {import("./history.js").History} History */

/** @type {WeakMap<HTMLCanvasElement, Map<string, {x: number, y: number}>>} */ const places = new WeakMap(); // where nodes were drawn
const BOX = { width: 126, height: 34 };

/** Columns of the nodes: each one right of all its sources, edges that lead back left out. @param {any} scene */
export function columnsOf(scene) {
  const names = [...scene.inputs.map((/** @type {any} */ i) => i.name),
    ...scene.populations.map((/** @type {any} */ p) => p.name).filter((/** @type {string} */ n) => !scene.inputs.some((/** @type {any} */ i) => i.name === n)),
    ...scene.outputs.map((/** @type {any} */ o) => `> ${o.name}`)];
  /** @type {Map<string, number>} */ const column = new Map(names.map((name) => [name, 0]));
  const seen = new Set();
  const place = (/** @type {string} */ name, /** @type {Set<string>} */ way) => {
    if (seen.has(name)) return;
    way.add(name);
    for (const edge of scene.edges) {
      if (edge.post !== name || way.has(edge.pre) || !column.has(edge.pre)) continue;
      place(edge.pre, way);
      column.set(name, Math.max(column.get(name) ?? 0, (column.get(edge.pre) ?? 0) + 1));
    }
    way.delete(name);
    seen.add(name);
  };
  names.forEach((name) => place(name, new Set()));
  const last = Math.max(...column.values());
  names.filter((name) => name.startsWith("> ")).forEach((name) => column.set(name, Math.max(1, last)));
  return column;
}

/** @param {HTMLCanvasElement} canvas @param {History} history */
export function drawGraph(canvas, history) {
  const { scene } = history;
  const column = columnsOf(scene);
  const byColumn = new Map();
  for (const [name, c] of column) byColumn.set(c, [...(byColumn.get(c) ?? []), name]);
  const most = Math.max(...[...byColumn.values()].map((names) => names.length));
  const count = Math.max(...byColumn.keys()) + 1;
  canvas.style.height = `${most * (BOX.height + 26) + 16}px`;
  canvas.style.minWidth = `${count * (BOX.width + 20)}px`; // on a narrow screen the panel scrolls
  const { g, width, height } = prepare(canvas);
  const pitch = count > 1 ? (width - BOX.width - 8) / (count - 1) : 0;
  /** @type {Map<string, {x: number, y: number}>} */ const at = new Map();
  for (const [c, names] of byColumn) {
    names.forEach((/** @type {string} */ name, /** @type {number} */ k) => {
      at.set(name, { x: 4 + c * pitch, y: ((k + 0.5) * height) / names.length - BOX.height / 2 });
    });
  }
  places.set(canvas, at);
  const taken = [...at.values()].map(({ x, y }) => ({ x, y, ...BOX }));
  for (const edge of scene.edges) drawEdge(g, edge, at, activity(history, edge.pre), taken);
  for (const name of column.keys()) drawNode(g, history, name, /** @type {{x: number, y: number}} */ (at.get(name)));
}

/** The name of the node at a point of the canvas; empty if there is none. @param {HTMLCanvasElement} canvas
 *  @param {number} x @param {number} y */
export function nodeAt(canvas, x, y) {
  for (const [name, at] of places.get(canvas) ?? []) {
    if (x >= at.x && x <= at.x + BOX.width && y >= at.y && y <= at.y + BOX.height) return name;
  }
  return "";
}

/** Activity of a node from 0 to 1. @param {History} history @param {string} name */
function activity(history, name) {
  const index = history.spiking.findIndex((/** @type {any} */ p) => p.name === name);
  return index < 0 ? 0.3 : Math.min(1, history.rates[index] / 50);
}

/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/** @param {CanvasRenderingContext2D} g @param {any} edge @param {Map<string, {x: number, y: number}>} at @param {number} active
 *  @param {Box[]} taken places of nodes and texts */
function drawEdge(g, edge, at, active, taken) {
  const a = at.get(edge.pre), b = at.get(edge.post);
  if (!a || !b) return;
  g.strokeStyle = edge.sign > 0.3 ? onTheme(EXCITES) : edge.sign < -0.3 ? onTheme(INHIBITS) : themed("--muted");
  g.globalAlpha = 0.25 + 0.75 * active;
  g.lineWidth = 1 + 2 * active;
  g.setLineDash(edge.learns || edge.signal ? [5, 3] : []);
  const [x1, y1, x2, y2] = [a.x + BOX.width, a.y + BOX.height / 2, b.x, b.y + BOX.height / 2];
  g.beginPath();
  g.moveTo(x1, y1);
  if (x2 > x1) g.bezierCurveTo((x1 + x2) / 2, y1, (x1 + x2) / 2, y2, x2, y2);
  else g.bezierCurveTo(x1 + 40, y1 - 44, x2 - 40, y2 - 44, x2, y2); // back, or to itself
  g.stroke();
  g.globalAlpha = 1;
  g.lineWidth = 1;
  g.setLineDash([]);
  const words = [edge.signal, edge.learns ? `learns: ${edge.learns}` : "", edge.delay > 0 ? `${short(edge.delay * 1e3)} ms` : ""].filter(Boolean).join(", ");
  const width = g.measureText(words).width, place = { x: (x1 + x2 - width) / 2, y: (y1 + y2) / 2 - 15, width, height: 14 };
  if (!words || taken.some((one) => overlap(one, place))) return;
  taken.push(place);
  g.fillStyle = themed("--muted");
  g.textAlign = "left";
  g.fillText(words, place.x, place.y + 7);
}

/** @param {CanvasRenderingContext2D} g @param {History} history @param {string} name @param {{x: number, y: number}} at */
function drawNode(g, history, name, at) {
  const { scene } = history;
  const population = scene.populations.find((/** @type {any} */ p) => p.name === name);
  const input = scene.inputs.find((/** @type {any} */ i) => i.name === name);
  const output = name.startsWith("> ");
  const own = population?.colour ?? input?.colour, colour = own ? onTheme(own) : themed("--ink");
  g.fillStyle = themed("--panel");
  g.strokeStyle = colour;
  g.lineWidth = output ? 2 : 1.5;
  g.beginPath();
  g.roundRect(at.x, at.y, BOX.width, BOX.height, output ? 2 : 7);
  g.fill();
  g.stroke();
  const index = history.spiking.findIndex((/** @type {any} */ p) => p.name === name);
  if (index >= 0) {
    g.fillStyle = colour;
    g.globalAlpha = 0.35;
    g.fillRect(at.x + 1, at.y + BOX.height - 5, (BOX.width - 2) * Math.min(1, history.rates[index] / 100), 4);
    g.globalAlpha = 1;
  }
  g.lineWidth = 1;
  g.textAlign = "left";
  g.fillStyle = themed("--ink");
  g.fillText(name.replace("> ", "").slice(0, 17), at.x + 7, at.y + 11);
  g.fillStyle = themed("--muted");
  const what = output ? "output" : population ? `${population.size.toLocaleString("en")} ${population.model}` : input ? "input" : "";
  const rate = index >= 0 ? `, ${short(history.rates[index])} Hz` : "";
  g.fillText(g.measureText(what + rate).width < BOX.width - 12 ? what + rate : what, at.x + 7, at.y + 24);
}

/** @param {Box} a @param {Box} b */
function overlap(a, b) { return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height; }
