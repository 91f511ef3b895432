"""Derivatives by complex steps: a slow simulation of a Program's operations, independent of the adjoints.

Every operation is its plain equation on complex numbers, one row and one step at a time. A spike is what was recorded
plus the surrogate's primitive S(x) minus S of the real part of x: its value is that of the spike, its derivative by x
the surrogate's. The derivative by a parameter is then the imaginary part of the loss where the parameter has a tiny
imaginary part (Squire and Trapp 1998, SIAM Review 40:110), to machine precision.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from snn_control.engine.program import POST, PRE, PROGRAM, STATE, STEP, Place
from snn_control.engine.registry import kernel

TINY = 1e-30


def primitive(x, kind, slope):
    size = np.where(x.real < 0, -x, x)
    if kind == "fast_sigmoid":
        return slope / 2 * x / (1 + slope * size)
    if kind == "triangle":
        inside = slope / 2 * size
        half = np.where(inside.real < 1, inside - inside * inside / 2, 0.5)
        return np.where(x.real < 0, -half, half)
    return np.arctan(np.pi / 2 * slope * x) / np.pi


def pick(condition, a, b):
    return np.where(np.asarray(condition), a, b)


class Oracle:
    """One row of a run.

    program : of the run
    spikes : ring's offset -> (steps, n) how often each neuron fired
    drives : offset -> (ticks, n), what encoders wrote in each tick
    starts : (ticks,) bool; warm : ticks before the run, in which no parameter is moved
    """

    def __init__(self, program, spikes, drives, starts, warm, surrogate=("fast_sigmoid", 2.0)):
        self.program, self.spikes, self.drives, self.starts, self.warm = program, spikes, drives, starts, warm
        self.surrogate = surrogate
        self.operations = []
        for o in program.operations:
            words = SimpleNamespace(**dict(zip(kernel(o.kernel).words, o.operands)))
            self.operations.append((o, words))
        self.lines = {w.line.offset: w.x.offset for o, w in self.operations if o.kernel == "remember"}

    def loss(self, heads, moved):
        """Sum of ``heads`` (place -> (ticks, m) weights) times what the network gives; ``moved``: offset of a constant
        -> an array that is added to it during the run."""
        self.moved, self.total, self.tick = moved, 0, 0
        self.reset()
        for tick, again in enumerate(self.starts):
            self.tick = tick
            if again:
                self.reset()
            if tick == self.warm:
                self.begin_at_bias()
            for o, w in self.operations:
                if o.section == PRE and o.label == "reset_each_tick":
                    self.begin_anew(w)
            for at, drive in self.drives.items():
                self.state[at] = drive[tick].astype(complex)
            for o, w in self.operations:
                if o.section == PRE and o.label.startswith("projections["):
                    getattr(self, o.kernel)(w)
            for step in range(self.program.steps):
                self.step = tick * self.program.steps + step
                self.fired_now = {}
                for o, w in self.operations:
                    if o.section == STEP:
                        getattr(self, o.kernel)(w)
                for name, value in self.fired_now.items():
                    self.history.setdefault(name, []).append(value)
            for o, w in self.operations:
                if o.section == POST and hasattr(self, o.kernel):
                    getattr(self, o.kernel)(w)
            if tick >= self.warm:
                for place, g in heads.items():
                    self.total = self.total + (g[tick - self.warm] * self.state[place.offset]).sum()
        return self.total

    def reset(self):
        self.state, self.history = {}, {}
        block = self.program.initial_state
        for _, w in self.operations:
            for word in vars(w).values():
                if isinstance(word, Place) and word.kind == STATE and np.dtype(word.dtype) in (np.float32, np.uint16):
                    self.state.setdefault(word.offset, word.view(block).astype(complex))
        self.begin_at_bias()
        for o, w in self.operations:
            if o.kernel == "integrate_and_fire":
                self.state["before", w.flags.offset] = np.zeros(w.n)

    def begin_at_bias(self):
        for o, w in self.operations:
            if o.kernel in ("integrate_and_fire", "leaky_integrator"):
                self.start_current(w)

    def start_current(self, w):
        """Where it is an array of its own, and no projection brings the bias."""
        if w.current.kind == STATE and w.bias.kind == PROGRAM:
            self.state[w.current.offset] = self.of(w.bias) + 0

    def begin_anew(self, w):
        key = w.y.offset if ("before", w.y.offset) not in self.state else ("before", w.y.offset)
        values = w.y.view(self.program.initial_state)
        self.state[key] = values[: self.state[key].size].astype(complex)

    # arrays --------------------------------------------------------------------------------------------------
    def of(self, place):
        """An array: of the state as it is, of the constants with what is moved in the run."""
        if place.kind == STATE:
            return self.state[place.offset]
        values = place.view(self.program.constants)
        if values.dtype == np.uint32:
            return values
        values = values.astype(complex)
        if place.offset in self.moved and self.in_run():
            values = values + self.moved[place.offset].reshape(values.shape)
        return values

    def in_run(self):
        return self.tick >= self.warm

    def pairs(self, place):
        bits = place.view(self.program.constants).reshape(-1, 2)
        weights = bits.view(np.float32)[:, 1].astype(complex)
        if place.offset in self.moved and self.in_run():
            weights = weights + self.moved[place.offset]
        return bits[:, 0].astype(int), weights

    def arrived(self, w):
        """What arrives of a source in this step."""
        place = w.spikes if hasattr(w, "spikes") else w.x
        key = self.lines.get(place.offset, place.offset)
        delay = getattr(w, "delay", 0)
        if delay == 0:
            return self.fired_now[key] if hasattr(w, "spikes") else self.state[key]
        n = w.n_pre if hasattr(w, "n_pre") else self.spikes[key].shape[1]
        past = self.history.get(key, [])
        return past[-delay] if delay <= len(past) else np.zeros(n, complex)

    # operations ----------------------------------------------------------------------------------------------
    def integrate_and_fire(self, w):
        p = dict(zip(
            "decay gain leak gain_syn decay_syn threshold reset floor beta decay_adapt".split(), self.of(w.params)
        ))  # fmt: skip
        p = {k: np.broadcast_to(v, (w.n,)) for k, v in p.items()}
        v, current = self.of(w.v), self.of(w.current)
        recorded = self.spikes[w.spikes.offset][self.step]
        subtract, delayed = bool(w.mode & 1), bool(w.mode & 2)
        q = self.of(w.isyn) if w.isyn else 0
        threshold = p["threshold"] + (p["beta"] * self.of(w.adapt) if w.adapt else 0)
        fired_before = self.state["before", w.flags.offset]
        before = pick(fired_before != 0, p["reset"], v) if delayed and not subtract else v
        u = p["decay"] * before + p["gain"] * current + p["gain_syn"] * q + p["leak"]
        if delayed and subtract:
            u = u - p["reset"] * fired_before
        u = pick(u.real > p["floor"].real, u, p["floor"])
        waits = self.of(w.wait).real > 0 if w.refractory else np.zeros(w.n, bool)
        scale = 1 / (p["threshold"] - (0 if subtract else p["reset"])).real
        if w.multiplicity:  # the k-th spike comes at the threshold and k - 1 resets; the nearest of them
            above = np.arange(70)[:, None] * p["reset"] + threshold
            threshold = above[np.abs(u - above).argmin(0), np.arange(w.n)]
        if w.mode & 4:
            threshold = threshold + pick(before.real >= threshold.real, p["reset"], 0)
        x = (u - threshold) * scale
        smooth = recorded + primitive(x, *self.surrogate) - primitive(x.real + 0j, *self.surrogate)
        smooth = pick(waits, 0, smooth)
        after = u
        if not delayed:
            after = u - recorded * p["reset"] if subtract else pick(recorded != 0, p["reset"], u)
        self.state[w.v.offset] = pick(waits, v, after)
        if w.isyn:
            self.state[w.isyn.offset] = q * p["decay_syn"]
        if w.adapt:
            self.state[w.adapt.offset] = self.of(w.adapt) * p["decay_adapt"] + smooth
        if w.refractory:
            wait = self.of(w.wait).real
            self.state[w.wait.offset] = pick(waits, wait - 1, pick(recorded != 0, w.refractory, 0)) + 0j
        self.state["before", w.flags.offset] = recorded
        self.fired_now[w.spikes.offset] = smooth
        self.start_current(w)

    def leaky_integrator(self, w):
        decay, gain, leak, gain_syn, decay_syn, loss, floor = self.of(w.params)
        v, q = self.of(w.v), self.of(w.isyn) if w.isyn else 0
        before = pick(v.real > floor.real, v, floor)
        self.state[w.v.offset] = decay * before + gain * self.of(w.current) + gain_syn * q + (leak - loss * before)
        if w.isyn:
            self.state[w.isyn.offset] = q * decay_syn
        self.start_current(w)

    def dense_spikes(self, w):
        x = self.arrived(w)
        self.state[w.y.offset] = self.of(w.y) + x @ self.of(w.weights).reshape(x.size, -1)

    dense_graded = dense_spikes

    def csr_spikes(self, w):
        x, (target, weights) = self.arrived(w), self.pairs(w.weights)
        pointers = w.pointers.view(self.program.constants)[: x.size + 1].astype(int)
        y = self.of(w.y).copy()
        for i in range(x.size):
            for s in range(pointers[i], pointers[i + 1]):
                y[target[s]] += x[i] * weights[s]
        self.state[w.y.offset] = y

    csr_graded = csr_spikes

    def csr_delayed(self, w):
        line = SimpleNamespace(**vars(w))
        line.y = w.line
        held = self.of(w.line).copy()
        self.state[w.line.offset] = np.zeros_like(held)
        self.csr_spikes(line)
        arriving = self.state[w.line.offset].reshape(w.steps, w.n_post)
        held = held.reshape(w.steps, w.n_post)
        self.state[w.line.offset] = (held + np.roll(arriving, self.step % w.steps, axis=0)).reshape(-1)

    def release(self, w):
        line = self.of(w.line).reshape(w.steps, w.n).copy()
        self.state[w.y.offset] = self.of(w.y) + line[self.step % w.steps]
        line[self.step % w.steps] = 0
        self.state[w.line.offset] = line.reshape(-1)

    def one_to_one_graded(self, w):
        self.state[w.y.offset] = self.of(w.y) + self.of(w.weights) * self.arrived(w)[: w.n_post]

    def gather_graded(self, w):
        channels = w.channels.view(self.program.constants)[: w.n_post]
        self.state[w.y.offset] = self.of(w.start) + self.of(w.weights) * self.arrived(w)[channels]

    def tile_graded(self, w):
        x = self.arrived(w)[np.arange(w.n_post) % w.n_pre]
        self.state[w.y.offset] = self.of(w.start) + self.of(w.weight) * x

    def conv_graded(self, w):
        x, y = self.arrived(w), self.of(w.y).copy()
        weights = self.of(w.weights)
        lines = w.lines.view(self.program.constants).reshape(-1, w.rows)
        places = w.places.view(self.program.constants).reshape(-1, w.columns)
        for i in np.flatnonzero(x):
            channel, at = divmod(i, w.area)
            row, column = divmod(at, w.width)
            for r in range(w.rows):
                for c in range(w.columns):
                    if lines[row, r] >= 0 and places[column, c] >= 0:
                        for out in range(w.group_out):
                            to = (channel // w.group_in * w.group_out + out) * w.out_area
                            y[to + lines[row, r] + places[column, c]] += x[i] * weights[channel, out, r, c]
        self.state[w.y.offset] = y

    conv_spikes = conv_graded

    def synapse(self, w):
        isyn = self.of(w.isyn)
        self.state[w.y.offset] = self.of(w.y) + isyn
        self.state[w.isyn.offset] = isyn * self.of(w.decay)

    def add(self, w):
        self.state[w.y.offset] = self.of(w.y) + self.of(w.x)

    def copy(self, w):
        self.state[w.y.offset] = self.of(w.x) + 0

    def clear(self, w):
        self.state[w.y.offset] = np.zeros(w.n, complex)

    def remember(self, w):
        self.fired_now[w.x.offset] = self.of(w.x).copy()

    def trace(self, w):
        x = self.fired_now[w.spikes.offset]
        self.state[w.y.offset] = self.of(w.y) * self.of(w.decay) + x @ self.of(w.weights).reshape(x.size, -1)

    def window_mean(self, w):
        past = self.history[self.lines[w.line.offset]][-w.steps :]
        self.state[w.x.offset] = sum(past) / w.steps

    def window_counts(self, w):
        past = [*self.history.get(w.spikes.offset, []), self.fired_now[w.spikes.offset]][-w.steps :]
        self.state[w.x.offset] = sum(past)

    def population_vector(self, w):
        y = self.of(w.y)
        if y[-1].real >= self.of(w.least)[0].real:
            self.state[w.last.offset] = y[:-1] / y[-1]
        elif not w.hold:
            self.state[w.last.offset] = np.zeros(w.m, complex)
        self.state[w.out.offset] = self.of(w.out) + self.state[w.last.offset]
