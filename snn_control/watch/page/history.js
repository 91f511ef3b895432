// What the page remembers of a run: the newest spikes, commands, rates and marks.

const SPIKES = 1 << 19;
const TICKS = 1 << 15;

/** @typedef {import("./protocol.js").Header} Header */
/** @typedef {import("./protocol.js").Numbers} Numbers */

/** Rings of numbers; the oldest are overwritten. */
export class History {
  /** @param {Header} scene */
  constructor(scene) {
    this.scene = scene;
    this.outputs = scene.outputs.reduce((/** @type {number} */ n, /** @type {Header} */ o) => n + o.size, 0);
    this.spiking = scene.populations.filter((/** @type {Header} */ p) => p.spiking);
    this.spikeTime = new Float64Array(SPIKES);
    this.spikePopulation = new Uint16Array(SPIKES);
    this.spikeNeuron = new Uint32Array(SPIKES);
    this.tickTime = new Float64Array(TICKS);
    this.command = new Float32Array(TICKS * Math.max(1, this.outputs));
    this.faulted = new Uint8Array(TICKS);
    this.clear();
  }

  /** Forget everything, as when the controller's clock starts again. */
  clear() {
    this.spikes = 0;
    this.ticks = 0;
    this.now = 0;
    /** @type {{t: number, kind: string, text: string}[]} */ this.marks = [];
    /** @type {Map<string, {t: number[], rows: Float32Array[]}>} */ this.inputs = new Map();
    this.rates = new Float64Array(this.spiking.length);
  }

  /**
   * Append a frame. Returns the number of its first new spike.
   * @param {Header} header @param {Map<string, Numbers>} arrays
   */
  add(header, arrays) {
    if (header.t < this.now - 1e-9) this.clear();
    const before = this.now;
    this.now = header.t;
    const first = this.spikes;
    this.addSpikes(arrays);
    this.addTicks(header, arrays);
    for (const [name, { data }] of arrays) if (name.startsWith("value.")) this.addInput(name.slice(6), /** @type {Float32Array} */ (data));
    for (const mark of header.marks ?? []) this.marks.push(mark);
    this.marks = this.marks.slice(-200);
    const lasted = this.now - before;
    if (lasted > 0) this.countRates(first, lasted);
    return first;
  }

  /** @param {Map<string, Numbers>} arrays */
  addSpikes(arrays) {
    const step = /** @type {Uint32Array} */ (arrays.get("spike_step")?.data ?? new Uint32Array(0));
    const population = /** @type {Uint16Array} */ (arrays.get("spike_population")?.data ?? new Uint16Array(0));
    const neuron = /** @type {Uint32Array} */ (arrays.get("spike_neuron")?.data ?? new Uint32Array(0));
    const base = Number(/** @type {BigInt64Array} */ (arrays.get("first_step")?.data ?? new BigInt64Array(1))[0]);
    for (let k = 0; k < step.length; k++) {
      const at = this.spikes++ % SPIKES;
      this.spikeTime[at] = (base + step[k]) * this.scene.dt;
      this.spikePopulation[at] = population[k];
      this.spikeNeuron[at] = neuron[k];
    }
  }

  /** @param {Header} header @param {Map<string, Numbers>} arrays */
  addTicks(header, arrays) {
    const command = /** @type {Float32Array} */ (arrays.get("command")?.data ?? new Float32Array(0));
    const ticks = this.outputs ? command.length / this.outputs : 0;
    for (let k = 0; k < ticks; k++) {
      const at = this.ticks++ % TICKS;
      this.tickTime[at] = header.t - (ticks - 1 - k) * this.scene.period;
      this.faulted[at] = header.safe ? 1 : 0;
      for (let j = 0; j < this.outputs; j++) this.command[at * this.outputs + j] = command[k * this.outputs + j];
    }
  }

  /** @param {string} name @param {Float32Array} row */
  addInput(name, row) {
    const kept = this.inputs.get(name) ?? { t: [], rows: [] };
    kept.t.push(this.now);
    kept.rows.push(row.slice());
    if (kept.t.length > 1200) { kept.t.splice(0, 200); kept.rows.splice(0, 200); }
    this.inputs.set(name, kept);
  }

  /** Smoothed firing rate of each population [Hz per neuron]. @param {number} first @param {number} lasted */
  countRates(first, lasted) {
    const counts = new Float64Array(this.spiking.length);
    for (let k = Math.max(first, this.spikes - SPIKES); k < this.spikes; k++) counts[this.spikePopulation[k % SPIKES]]++;
    const share = 1 - Math.exp(-lasted / 0.3);
    counts.forEach((n, p) => { this.rates[p] += share * (n / lasted / this.spiking[p].size - this.rates[p]); });
  }

  /** Call for each spike since a time, the newest first. @param {number} since
   *  @param {(t: number, population: number, neuron: number) => void} visit */
  eachSpike(since, visit) {
    for (let k = this.spikes - 1; k >= Math.max(0, this.spikes - SPIKES); k--) {
      const at = k % SPIKES;
      if (this.spikeTime[at] < since) break;
      visit(this.spikeTime[at], this.spikePopulation[at], this.spikeNeuron[at]);
    }
  }

  /** Call for each tick since a time, the oldest first. @param {number} since
   *  @param {(t: number, at: number) => void} visit */
  eachTick(since, visit) {
    const kept = Math.min(this.ticks, TICKS);
    for (let k = this.ticks - kept; k < this.ticks; k++) {
      const at = k % TICKS;
      if (this.tickTime[at] >= since) visit(this.tickTime[at], at);
    }
  }
}
