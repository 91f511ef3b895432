// The learning curve of a training: score and spikes over the steps of the environment.

import { onTheme, prepare, short, themed, ticks } from "./canvas.js";

const BOX = { left: 52, right: 14, top: 10, bottom: 20, gap: 22 };

/** @param {HTMLCanvasElement} canvas @param {{steps: number[], score: number[], worst: number[], spikes: number[]}} curve */
export function drawCurve(canvas, curve) {
  const { g, width, height } = prepare(canvas);
  const most = curve.steps[curve.steps.length - 1] ?? 1, half = (height - BOX.gap - BOX.bottom) / 2;
  const x = (/** @type {number} */ step) => BOX.left + (step / most) * (width - BOX.left - BOX.right);
  g.fillStyle = themed("--muted");
  g.textAlign = "center";
  for (const step of ticks(0, most, 5)) g.fillText(short(step), x(step), height - 8);
  plot(g, curve.steps, [[curve.score, themed("--ink")], [curve.worst, themed("--muted")]], x, BOX.top, half, "score (mean) and worst episode");
  plot(g, curve.steps, [[curve.spikes, onTheme("#0072b2")]], x, half + BOX.gap, height - BOX.bottom, "spikes per step");
}

/** @param {CanvasRenderingContext2D} g @param {number[]} steps @param {[number[], string][]} lines
 *  @param {(step: number) => number} x @param {number} top @param {number} bottom @param {string} title */
function plot(g, steps, lines, x, top, bottom, title) {
  const all = lines.flatMap(([values]) => values);
  let low = Math.min(...all), high = Math.max(...all);
  if (!(high > low)) { low -= 1; high += 1; }
  const y = (/** @type {number} */ v) => bottom - ((v - low) / (high - low)) * (bottom - top - 12);
  g.textAlign = "right";
  g.fillStyle = themed("--muted");
  g.fillText(short(high), BOX.left - 6, top + 12);
  g.fillText(short(low), BOX.left - 6, bottom - 4);
  g.textAlign = "left";
  g.fillText(title, BOX.left + 4, top + 4);
  for (const [values, colour] of lines) {
    g.strokeStyle = colour;
    g.beginPath();
    values.forEach((value, k) => g.lineTo(x(steps[k]), y(value)));
    g.stroke();
  }
}
