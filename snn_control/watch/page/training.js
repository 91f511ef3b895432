// The learning curve of a training: score and spikes over the steps of the environment.

import { onTheme, prepare, short, themed, ticks } from "./canvas.js";

/** @typedef {{steps: number[], score: number[], worst: number[], spikes: number[]}} Line */
/** @typedef {Line & {seeds?: Line[], actors?: Record<string, number>, stages?: [string, number, number][]}} Curve */
/** @typedef {{steps: number[], values: number[], colour: string, dash?: number[]}} Drawn */

const BOX = { left: 52, right: 40, top: 10, bottom: 20, gap: 28 };
const HEAD = 22; // of a curve, for its title
const DOTTED = [2, 3], DASHED = [6, 4];

/** The largest number of steps. @param {Curve} curve */
function reach(curve) { return Math.max(1, ...[curve, ...curve.seeds ?? []].map((one) => one.steps[one.steps.length - 1] ?? 0)); }

/** @param {HTMLCanvasElement} canvas @param {Curve} curve */
export function drawCurve(canvas, curve) {
  const { g, width, height } = prepare(canvas);
  const most = reach(curve), half = (height - BOX.gap - BOX.bottom) * 0.6;
  const x = (/** @type {number} */ step) => BOX.left + (step / most) * (width - BOX.left - BOX.right);
  g.textAlign = "center";
  for (const [name, from, to] of curve.stages ?? []) {
    g.fillStyle = themed("--fault");
    g.fillRect(x(from), BOX.top, Math.max(1, x(to) - x(from)), height - BOX.top - BOX.bottom);
    g.fillStyle = themed("--muted");
    const room = g.measureText(name).width / 2;
    g.fillText(name, Math.max(room, Math.min(width - room, (x(from) + x(to)) / 2)), half + 11);
  }
  g.fillStyle = themed("--muted");
  for (const step of ticks(0, most, Math.max(2, width / 110))) g.fillText(step ? `${step.toLocaleString("en")} steps` : "0", x(step), height - 8);
  const seeds = curve.seeds ?? [], pale = `${themed("--muted")}80`;
  const of = (/** @type {"score"|"spikes"} */ key) => seeds.map((one) => ({ steps: one.steps, values: one[key], colour: pale }));
  const actors = Object.entries(curve.actors ?? {});
  plot(g, [...of("score"), ...actors.map(([, mean]) => ({ steps: [0, most], values: [mean, mean], colour: themed("--muted"), dash: DASHED })),
    { steps: curve.steps, values: curve.worst, colour: themed("--muted"), dash: DOTTED }, { steps: curve.steps, values: curve.score, colour: themed("--ink") },
  ], x, BOX.top, half, `mean return${curve.worst.length ? " and, dotted, the worst episode" : ""}`, actors);
  plot(g, [...of("spikes"), { steps: curve.steps, values: curve.spikes, colour: onTheme("#0072b2") }], x, half + BOX.gap, height - BOX.bottom, "spikes per step");
}

/** @param {CanvasRenderingContext2D} g @param {Drawn[]} lines @param {(step: number) => number} x @param {number} top
 *  @param {number} bottom @param {string} title @param {[string, number][]} levels names of dashed lines */
function plot(g, lines, x, top, bottom, title, levels = []) {
  const all = lines.flatMap(({ values }) => values);
  let low = Math.min(...all), high = Math.max(...all);
  if (!(high > low)) { low -= 1; high += 1; }
  const y = (/** @type {number} */ v) => bottom - ((v - low) / (high - low)) * (bottom - top - HEAD);
  g.textAlign = "right";
  g.fillStyle = themed("--muted");
  g.fillText(short(high), BOX.left - 6, top + HEAD);
  g.fillText(short(low), BOX.left - 6, bottom - 4);
  for (const [name, mean] of levels) g.fillText(name, x(0) + g.canvas.clientWidth - BOX.left - BOX.right - 4, y(mean) - 7);
  g.textAlign = "left";
  g.fillText(title, BOX.left + 4, top + 4);
  for (const { steps, values, colour, dash } of lines) {
    g.strokeStyle = g.fillStyle = colour;
    g.setLineDash(dash ?? []);
    g.beginPath();
    values.forEach((value, k) => g.lineTo(x(steps[k]), y(value)));
    g.stroke();
    if (!dash && values.length < 40) values.forEach((value, k) => g.fillRect(x(steps[k]) - 1.5, y(value) - 1.5, 3, 3));
  }
  g.setLineDash([]);
}

/** The numbers of the phase under the pointer. @param {HTMLCanvasElement} canvas @param {Curve} curve @param {MouseEvent} event */
export function phaseAt(canvas, curve, event) {
  const step = ((event.offsetX - BOX.left) / (canvas.clientWidth - BOX.left - BOX.right)) * reach(curve);
  const distance = curve.steps.map((one) => Math.abs(one - step)), k = distance.indexOf(Math.min(...distance));
  const worst = curve.worst.length ? `, worst ${short(curve.worst[k])}` : "";
  return `${curve.steps[k]?.toLocaleString("en")} steps: mean return ${short(curve.score[k])}${worst}, ${short(curve.spikes[k])} spikes per step`;
}
