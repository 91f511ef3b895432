// Times and cost of a run, as a table.

import { short } from "./canvas.js";
import { make } from "./controls.js";

const TIMES = { tick: "computing a tick", step: "a step, from Python", wake: "wake-up after the deadline", latency: "sensor message to command" };

/** Counts what happens in a second. */
export class Rates {
  constructor() {
    this.spikes = this.operations = this.ticks = 0;
    /** @type {any} */ this.before = null;
  }

  /** @param {any} header @param {number} now @param {number} least s, from one measurement to the next */
  add(header, now, least = 0.5) {
    const spikes = Object.values(header.spikes ?? {}).reduce((/** @type {number} */ a, b) => a + Number(b), 0);
    const newest = { at: now, spikes, operations: header.operations, ticks: header.tick };
    if (this.before?.ticks > newest.ticks) this.before = null; // the run began anew
    const before = this.before, lasted = before ? now - before.at : 0;
    if (before && lasted > least) {
      for (const key of /** @type {const} */ (["spikes", "operations", "ticks"])) this[key] = Math.max(0, newest[key] - before[key]) / lasted;
    }
    if (!before || lasted > least || lasted < 0) this.before = newest;
  }
}

/** @param {Element} table @param {any} header @param {Rates} rates @param {any} scene */
export function showTiming(table, header, rates, scene) {
  const timing = { ...scene.timing, ...header.timing };
  const rows = [
    ["time", `${(header.t ?? 0).toFixed(2)} s, tick ${(header.tick ?? 0).toLocaleString("en")}`],
    ["ticks", `${short(rates.ticks)} /s of ${short(1 / scene.period)} /s`],
    ["spikes", `${short(rates.spikes)} /s`],
    ["synaptic operations", `${short(rates.operations)} /s`],
    ["estimated power", header.microwatt == null ? "–" : `${short(header.microwatt)} µW`],
    ...Object.entries(TIMES).filter(([key]) => timing[key]).map(([key, name]) =>
      [name, `${short(timing[key].p50)} µs, p99 ${short(timing[key].p99)}, max ${short(timing[key].max)}`]),
    ...(timing.missed === undefined ? [] : [["missed ticks", String(timing.missed)]]),
    ["faults", `${header.guard?.faults ?? 0}${header.causes ? `; now: ${header.causes}` : ""}`],
    ...(header.episode ? [["episode", `seed ${header.episode.seed}, step ${header.episode.steps}, return ${short(header.episode.return)}`]] : []),
    ...(header.episode?.last_return != null ? [["last return", short(header.episode.last_return)]] : []),
    ...(scene.kind === "record" ? (scene.note ? [["record", scene.note]] : []) : [["frames dropped", String(header.dropped ?? 0)]]),
    ...(header.left_out ? [["spikes not shown", String(header.left_out)]] : []),
  ];
  while (table.children.length > rows.length) table.lastElementChild?.remove();
  rows.forEach((cells, k) => { // in place: new elements thirty times a second would fill the memory until they are collected
    const row = table.children[k] ?? table.appendChild(make("tr", {}, make("th"), make("td")));
    cells.forEach((text, c) => { if (row.children[c].textContent !== text) row.children[c].textContent = text; });
  });
}
