// What looks wrong in the last seconds: values out of range, silent populations, commands at a limit.

import { make } from "./controls.js";

/** @typedef {import("./history.js").History} History */

const OVER_S = 2; // time that is looked at
const OUTSIDE = 0.2, AT_LIMIT = 0.9; // shares from which it is said
const NEAR = 0.01; // of the range: at a limit

/** Findings about the seconds before a time; none before enough is known. @param {History} history @param {number} to
 *  @returns {string[]} */
export function findings(history, to) {
  const from = to - OVER_S;
  if (from < (history.scene.from ?? 0)) return [];
  history.silent = silentShares(history, from, to);
  return [...ofInputs(history, from, to), ...ofPopulations(history), ...ofOutputs(history, from, to)];
}

/** Share of the neurons of each population that did not fire. @param {History} history @param {number} from @param {number} to */
function silentShares(history, from, to) {
  const fired = history.spiking.map((/** @type {any} */ p) => new Uint8Array(p.size));
  history.eachSpike(from, to, (_, population, neuron) => { fired[population][neuron] = 1; });
  return Float64Array.from(fired, (/** @type {Uint8Array} */ one) => 1 - one.reduce((sum, x) => sum + x, 0) / one.length);
}

/** @param {number} share */
function percent(share) { return `${Math.round(100 * share)} %`; }

/** @param {History} history @param {number} from @param {number} to */
function ofInputs(history, from, to) {
  const found = [];
  for (const input of history.scene.inputs) {
    const kept = history.inputs.get(input.name);
    if (!kept || input.low === null) continue;
    let outside = 0, all = 0;
    kept.rows.forEach((row, k) => {
      if (kept.t[k] < from || kept.t[k] > to) return;
      row.forEach((value, c) => {
        const [low, high] = [input.low[c] ?? input.low, input.high[c] ?? input.high];
        all++;
        outside += low !== null && (value < low || value > high) ? 1 : 0;
      });
    });
    if (all && outside / all > OUTSIDE) found.push(`${input.name}: ${percent(outside / all)} of the values lie outside its range, where the encoder saturates`);
  }
  return found;
}

/** @param {History} history */
function ofPopulations(history) {
  const silent = history.spiking.filter((/** @type {any} */ _, /** @type {number} */ k) => history.silent[k] === 1);
  return silent.length ? [`${silent.map((/** @type {any} */ p) => p.name).join(", ")}: no neuron fires`] : [];
}

/** @param {History} history @param {number} from @param {number} to */
function ofOutputs(history, from, to) {
  const found = [];
  let index = 0;
  for (const output of history.scene.outputs) {
    for (let k = 0; k < output.size; k++, index++) {
      const low = output.low[k], high = output.high[k], at = index;
      if (output.actions || low === null || high === null) continue;
      let limited = 0, all = 0;
      history.eachTick(from, to, (_, tick) => {
        const value = history.command[tick * history.outputs + at];
        all++;
        limited += value <= low + NEAR * (high - low) || value >= high - NEAR * (high - low) ? 1 : 0;
      });
      if (all && limited / all > AT_LIMIT && output.safe[k] !== low && output.safe[k] !== high) {
        found.push(`${output.labels[k]}: at a limit ${percent(limited / all)} of the time`);
      }
    }
  }
  return found;
}

/** @param {HTMLElement} element @param {string[]} texts */
export function showFindings(element, texts) {
  element.hidden = !texts.length;
  if (element.children.length === texts.length && texts.every((text, k) => element.children[k].textContent === text)) return;
  element.replaceChildren(...texts.map((text) => make("li", {}, text)));
}
