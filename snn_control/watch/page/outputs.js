// Outputs over time, with limits, slew, the safe value, and spans in which the command was the safe one.

import { CAUSES, prepare, SAFE, short, themed, timeAxis } from "./canvas.js";

/** @typedef {import("./history.js").History} History */

const ROW = 100, NAME = 16, CAUSE = 14; // pixels of an output, of its name above it, of the causes below all outputs

/** @param {HTMLCanvasElement} canvas @param {History} history @param {number} from @param {number} to */
export function drawOutputs(canvas, history, from, to) {
  const rows = history.scene.outputs.flatMap((/** @type {any} */ output) =>
    output.labels.map((/** @type {string} */ label, /** @type {number} */ k) => ({ output, label, k })));
  canvas.style.height = `${Math.max(1, rows.length) * ROW + CAUSE + 20}px`;
  const { g, width, height } = prepare(canvas);
  const box = { left: 62, right: width - 64, top: 2, bottom: height - 20 };
  const x = timeAxis(g, box, from, to, [...history.marks, ...history.cursor]);
  shadeFaults(g, history, box, x, from, to);
  rows.forEach((/** @type {any} */ row, /** @type {number} */ index) => {
    drawRow(g, history, row, index, { ...box, top: 4 + NAME + index * ROW, bottom: (index + 1) * ROW - 8 }, x, from, to);
  });
}

/** Spans in which the command was the safe one, in the colours of their causes. */
/** @param {CanvasRenderingContext2D} g @param {History} history @param {any} box @param {(t: number) => number} x
 *  @param {number} from @param {number} to */
function shadeFaults(g, history, box, x, from, to) {
  /** @type {{t: number, end: number, reason: number}[]} */ const spans = [];
  history.eachTick(from, to, (t, at) => {
    if (!(history.fault[at] & SAFE)) return;
    const reason = history.fault[at] & ~SAFE, last = spans[spans.length - 1];
    if (last && last.reason === reason && t - last.end < 1.5 * history.scene.period) last.end = t;
    else spans.push({ t: t - history.scene.period, end: t, reason });
  });
  g.textAlign = "left";
  for (const span of spans) {
    const cause = CAUSES.find(([bit]) => span.reason & bit);
    const [left, width] = [x(span.t), Math.max(1, x(span.end) - x(span.t))];
    g.globalAlpha = 0.3;
    g.fillStyle = cause ? cause[2] : themed("--muted");
    g.fillRect(left, box.top, width, box.bottom - box.top);
    g.globalAlpha = 1;
    const text = cause ? cause[1] : "waits for release";
    if (g.measureText(text).width < width - 4) {
      g.fillStyle = themed("--ink");
      g.fillText(text, left + 3, box.bottom - CAUSE / 2);
    }
  }
}

/** @param {CanvasRenderingContext2D} g @param {History} history @param {any} row @param {number} index @param {any} box
 *  @param {(t: number) => number} x @param {number} from @param {number} to */
function drawRow(g, history, row, index, box, x, from, to) {
  const { output, label, k } = row;
  const limits = [output.low[k], output.high[k]].filter((value) => value !== null);
  let low = Math.min(...limits, output.safe[k]);
  let high = Math.max(...limits, output.safe[k]);
  history.eachTick(from, to, (_, at) => {
    const value = history.command[at * history.outputs + index];
    low = Math.min(low, value);
    high = Math.max(high, value);
  });
  if (output.actions) { low = 0; high = output.actions - 1; }
  if (!(high > low)) { low -= 1; high += 1; }
  const y = (/** @type {number} */ value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top - 6) - 3;
  const line = (/** @type {number} */ value, /** @type {number[]} */ dash) => {
    g.setLineDash(dash);
    g.beginPath();
    g.moveTo(box.left, y(value));
    g.lineTo(box.right, y(value));
    g.stroke();
    g.setLineDash([]);
  };
  g.strokeStyle = themed("--muted");
  for (const value of limits) line(value, [6, 4]);
  g.strokeStyle = themed("--safe");
  line(output.safe[k], [2, 3]);
  g.fillStyle = themed("--muted");
  g.textAlign = "right";
  g.fillText(short(high), box.left - 6, box.top + 6);
  g.fillText(short(low), box.left - 6, box.bottom - 6);
  g.strokeStyle = themed("--ink");
  g.beginPath();
  let newest = NaN, last = 0;
  history.eachTick(from, to, (t, at) => {
    newest = history.command[at * history.outputs + index];
    if (t - last > 5 * history.scene.period) g.moveTo(x(t), y(newest));
    else g.lineTo(x(t), y(newest));
    last = t;
  });
  g.stroke();
  slewMark(g, output.slew[k], newest, last, x, y, low, high);
  g.textAlign = "left";
  g.fillStyle = themed("--ink");
  g.fillText(`${label}${output.unit ? ` [${output.unit}]` : ""}`, box.left + 5, box.top - 6);
  g.fillText(short(newest), box.right + 6, Math.max(box.top + 6, Math.min(box.bottom - 6, y(newest))));
}

/** Two short lines that show how fast the command may change. */
/** @param {CanvasRenderingContext2D} g @param {number|null} slew @param {number} value @param {number} t
 *  @param {(t: number) => number} x @param {(v: number) => number} y @param {number} low @param {number} high */
function slewMark(g, slew, value, t, x, y, low, high) {
  if (slew === null || !Number.isFinite(value)) return;
  const span = Math.min((high - low) / 4 / slew, 0.5);
  g.strokeStyle = themed("--muted");
  for (const sign of [-1, 1]) {
    g.beginPath();
    g.moveTo(x(t - span), y(Math.max(low, Math.min(high, value - sign * slew * span))));
    g.lineTo(x(t), y(value));
    g.stroke();
  }
}
