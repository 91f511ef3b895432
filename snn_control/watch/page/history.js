// What the page remembers of a run: spikes, ticks with commands and faults, inputs and marks, ordered by time.

const SPIKES = 1 << 19;
const TICKS = 1 << 15;
const RATE_S = 0.5; // over which rates are averaged
const MARKS = 400;

/** @typedef {import("./protocol.js").Header} Header */
/** @typedef {import("./protocol.js").Numbers} Numbers */

/** Rings of numbers; the oldest are overwritten. A record has room for all of its spikes and ticks. */
export class History {
  /** @param {Header} scene */
  constructor(scene) {
    this.scene = scene;
    const record = scene.kind === "record";
    this.maxSpikes = record ? Math.max(1, scene.spikes) : SPIKES;
    this.maxTicks = record ? Math.max(1, scene.ticks) : TICKS;
    this.outputs = scene.outputs.reduce((/** @type {number} */ n, /** @type {Header} */ o) => n + o.size, 0);
    this.spiking = scene.populations.filter((/** @type {Header} */ p) => p.spiking);
    this.spikeTime = new Float64Array(this.maxSpikes);
    this.spikePopulation = new Uint16Array(this.maxSpikes);
    this.spikeNeuron = new Uint32Array(this.maxSpikes);
    this.tickTime = new Float64Array(this.maxTicks);
    this.fault = new Uint8Array(this.maxTicks);
    this.command = new Float32Array(this.maxTicks * Math.max(1, this.outputs));
    this.spikes = 0;
    this.ticks = 0;
    this.now = 0; // s
    this.tick = 0;
    /** @type {{t: number, kind: string, text: string}[]} */ this.marks = [];
    /** @type {{t: number, kind: string, text: string}[]} */ this.cursor = []; // a mark, if what follows is shown too
    /** @type {Map<string, {t: number[], rows: Float32Array[]}>} */ this.inputs = new Map();
    this.rates = new Float64Array(this.spiking.length);
    this.silent = new Float64Array(this.spiking.length); // share of the neurons of each population that do not fire
  }

  /** Append a frame. @param {Header} header @param {Map<string, Numbers>} arrays */
  add(header, arrays) {
    this.now = header.t;
    this.tick = header.tick;
    this.addSpikes(arrays);
    this.addTicks(header, arrays);
    for (const [name, { data }] of arrays) if (name.startsWith("value.")) this.addInput(name.slice(6), /** @type {Float32Array} */ (data));
    this.marks.push(...(header.marks ?? []));
    if (this.marks.length > MARKS && this.scene.kind !== "record") this.marks = this.marks.slice(-MARKS);
  }

  /** @param {Map<string, Numbers>} arrays */
  addSpikes(arrays) {
    const step = /** @type {Uint32Array} */ (arrays.get("spike_step")?.data ?? new Uint32Array(0));
    const population = /** @type {Uint16Array} */ (arrays.get("spike_population")?.data ?? new Uint16Array(0));
    const neuron = /** @type {Uint32Array} */ (arrays.get("spike_neuron")?.data ?? new Uint32Array(0));
    const base = Number(/** @type {BigInt64Array} */ (arrays.get("first_step")?.data ?? new BigInt64Array(1))[0]);
    for (let k = 0; k < step.length; k++) {
      const at = this.spikes++ % this.maxSpikes;
      this.spikeTime[at] = (base + step[k]) * this.scene.dt;
      this.spikePopulation[at] = population[k];
      this.spikeNeuron[at] = neuron[k];
    }
  }

  /** @param {Header} header @param {Map<string, Numbers>} arrays */
  addTicks(header, arrays) {
    const fault = /** @type {Uint8Array} */ (arrays.get("fault")?.data ?? new Uint8Array(0));
    const command = /** @type {Float32Array} */ (arrays.get("command")?.data ?? new Float32Array(0));
    for (let k = 0; k < fault.length; k++) {
      const at = this.ticks++ % this.maxTicks;
      this.tickTime[at] = header.t - (fault.length - 1 - k) * this.scene.period;
      this.fault[at] = fault[k];
      for (let j = 0; j < this.outputs; j++) this.command[at * this.outputs + j] = command[k * this.outputs + j];
    }
  }

  /** @param {string} name @param {Float32Array} row */
  addInput(name, row) {
    const kept = this.inputs.get(name) ?? { t: [], rows: [] };
    kept.t.push(this.now);
    kept.rows.push(row.slice());
    if (kept.t.length > 1200 && this.scene.kind !== "record") { kept.t.splice(0, 200); kept.rows.splice(0, 200); }
    this.inputs.set(name, kept);
  }

  /** The newest values of an input until a time. @param {string} name @param {number} to @returns {Float32Array|null} */
  valueAt(name, to) {
    const kept = this.inputs.get(name);
    const k = kept ? search(0, kept.t.length, (/** @type {number} */ i) => kept.t[i] <= to + 1e-9) - 1 : -1;
    return kept && k >= 0 ? kept.rows[k] : null;
  }

  /** Measure the firing rate of each population until a time [Hz per neuron]. @param {number} to */
  countRates(to) {
    const counts = new Float64Array(this.spiking.length);
    this.eachSpike(to - RATE_S, to, (_, population) => { counts[population]++; });
    this.rates = counts.map((n, p) => n / RATE_S / this.spiking[p].size);
  }

  /** Call for each spike of a span, the oldest first. @param {number} from @param {number} to
   *  @param {(t: number, population: number, neuron: number) => void} visit */
  eachSpike(from, to, visit) {
    const first = Math.max(0, this.spikes - this.maxSpikes);
    let k = search(first, this.spikes, (i) => this.spikeTime[i % this.maxSpikes] < from);
    for (; k < this.spikes; k++) {
      const at = k % this.maxSpikes;
      if (this.spikeTime[at] > to) return;
      visit(this.spikeTime[at], this.spikePopulation[at], this.spikeNeuron[at]);
    }
  }

  /** Call for each tick of a span, the oldest first. @param {number} from @param {number} to
   *  @param {(t: number, at: number) => void} visit */
  eachTick(from, to, visit) {
    const first = Math.max(0, this.ticks - this.maxTicks);
    let k = search(first, this.ticks, (i) => this.tickTime[i % this.maxTicks] < from);
    for (; k < this.ticks; k++) {
      const at = k % this.maxTicks;
      if (this.tickTime[at] > to + 1e-9) return;
      visit(this.tickTime[at], at);
    }
  }
}

/** The first number from low to high for which a condition, true at first, is false. @param {number} low @param {number} high
 *  @param {(i: number) => boolean} before */
export function search(low, high, before) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
