"""SlowController: a controller's descriptions, stepped in plain Python, without a Program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snn_control.coding import (
    ArgmaxDecoder,
    EventsInput,
    FirstSpikeDecoder,
    Guard,
    Input,
    MembraneDecoder,
    Output,
    PopulationVectorDecoder,
    SpikeCountDecoder,
    SpikeDecoder,
    SurfaceEncoder,
    ValueInput,
)
from snn_control.network import Network, Population
from snn_control.testing import FLOAT_MAX, bounded, settle, slow
from tests.reference.coding import guard, population_vector, squash, stop
from tests.reference.delivery import synapse
from tests.reference.encoders import encoded, is_pulse
from tests.reference.filters import SlowFilters, cell_along, responded
from tests.reference.inputs import believed, sample
from tests.reference.populations import SlowPopulation, SlowRule
from tests.reference.scalars import ONE, ZERO, f32

CONTROL = np.zeros(4, np.int64)  # of a driver that reports nothing


class SlowController:
    """A controller's description, stepped as `snn_control.engine.build` specifies a tick.

    ``step(observation)`` takes values and (n, 4) event rows by input name; None did not arrive.
    """

    def __init__(
        self,
        network: Network,
        inputs: Sequence[Input],
        outputs: Sequence[Output],
        dt: float,
        period: float,
        guard: Guard,
        seed: int = 0,
    ) -> None:
        self.network, self.inputs, self.outputs, self.dt, self.period = network, inputs, outputs, dt, period
        self.steps, self.step_count, self.seed = round(period / dt), 0, seed
        self.populations = {p.name: SlowPopulation(p, dt, seed) for p in network.populations}
        self.delays = [round(np.min(p.delay) / dt) if np.size(p.delay) else 1 for p in network.projections]
        self.rules: dict[int, SlowRule] = {}  # of the projections that learn
        self.history: dict[str, list[Any]] = {}  # per source: spike lists or vectors, one per step
        self.memories: dict[str, dict[str, np.ndarray]] = {}  # of the checks of each value input
        self.held = {i.name: np.zeros(getattr(i, "size", 0), np.float32) for i in inputs if isinstance(i, ValueInput)}
        self.state = np.zeros((max(1, len(inputs)), 2), np.int64)
        self.age = {i.name: -1 for i in inputs}
        self.counters = {i.name: np.zeros(4, np.int64) for i in inputs}
        self.graded_inputs = [i.name for i in inputs if i.encoder is None or i.encoder.neuron is None]
        self.own: dict[tuple[str, float], np.ndarray] = {}  # synaptic currents of projections
        self.traces: dict[tuple[str, int], np.ndarray] = {}
        self.sent: dict[str, np.ndarray] = {}  # of encoders that send changes
        self.filters = {i.name: SlowFilters(i, period) for i in inputs if isinstance(i, EventsInput)}
        self.levels: dict[str, np.ndarray] = {}  # of encoders of events whose cells last
        self.held_vectors: dict[tuple[str, int], np.ndarray] = {}
        self.words, self.release = np.zeros(9, np.int64), guard.release
        self.stops = np.zeros(2, np.int64)
        columns = [[np.broadcast_to(np.asarray(v, np.float64), (o.size,)) for v in self.bounds(o)] for o in outputs]
        self.limits = np.concatenate([np.stack(c) for c in columns], axis=1)
        self.way = np.concatenate([np.full(o.size, 2 if o.safe in ("hold", "none") else int(o.ramp)) for o in outputs])
        periods = [math.ceil(2 * o.acceleration / o.jerk / period - 1e-9) if o.jerk < np.inf else 1 for o in outputs]
        self.each = 2 + max(periods) * (max(periods) > 1)
        self.motion = np.concatenate([self.limits[2], 0 * self.limits[2], self.limits[2].repeat(self.each - 2)])

    def bounds(self, output: Output) -> tuple[Any, ...]:
        low, high = output.limits
        if isinstance(output.decoder, ArgmaxDecoder):
            low, high = 0, output.decoder.actions - 1
        period = self.dt * self.steps
        safe = min(max(0.0, low), high) if output.safe in ("hold", "none") else output.safe
        return low, high, safe, output.slew * period, output.acceleration * period * period, output.jerk * period**3

    # inputs
    def take(self, k: int, spec: Input, value: Any) -> np.ndarray:
        """Check what arrived and encode it: the drive of this tick."""
        period_ns = round(self.period * 1e9)
        self.age[spec.name] = (
            0 if value is not None else self.age[spec.name] + (period_ns if self.age[spec.name] >= 0 else 0)
        )
        slot = np.array([value is not None, self.age[spec.name], 0, 0], np.int64)
        stale = 1 << 62 if math.isinf(spec.stale) else round(spec.stale * 1e9)
        if isinstance(spec, EventsInput):
            rows = np.zeros((0, 4)) if value is None else np.asarray(value)
            slot[3] = max(0, len(rows) - spec.capacity)
            sample(0, slot, None, None, self.state[k], None, stale, self.counters[spec.name])
            return self.pooled(spec, rows[: spec.capacity])
        n, held = spec.size, self.held[spec.name]
        sides = [np.broadcast_to(np.asarray(s, np.float64), (n,)) for s in (*spec.range, *spec.plausible)]
        limits = np.stack([np.clip(s, -FLOAT_MAX, FLOAT_MAX).astype(np.float32) for s in sides])
        data = None if value is None else np.asarray(value, np.float64).reshape(n)
        data = believed(spec, slot, data, limits, self.memories.setdefault(spec.name, {}), period_ns, stale, CONTROL)
        sample(n, slot, data, held, self.state[k], limits, stale, self.counters[spec.name])
        if spec.stop_when:
            stop(n, slot, held, self.state[k], spec.stop_when == "zero", spec.latched, k, self.stops)
        if spec.encoder is None:
            return held.copy()
        return encoded(spec, held, self.sent.setdefault(spec.name, np.zeros(n, np.float32)))

    def pooled(self, spec: EventsInput, rows: np.ndarray) -> np.ndarray:
        (width, height), (columns, lines), e = spec.size, spec.encoder.grid, spec.encoder
        surface, cells = isinstance(e, SurfaceEncoder), columns * lines
        start = self.step_count // self.steps * round(self.period * 1e9)  # of this tick, which times count from
        framed = [
            (start + round(t * 1e9), int(x), int(y), p > 0) for t, x, y, p in rows if 0 <= x < width and 0 <= y < height
        ]
        covered, above, share = height, 0, 1.0
        if e.made_for is not None:
            covered, share = round(width * e.made_for[1] / e.made_for[0]), (e.made_for[0] / width) ** 2
            above = covered - height  # halves of a pixel
        out = np.zeros(cells * (2 if e.polarity == "split" else 1), np.float32)
        decay = f32(math.exp(-self.period / e.tau)) if e.tau is not None else ZERO
        level = self.levels.setdefault(spec.name, np.zeros_like(out))
        for i in range(out.size):
            level[i] = settle(level[i] * decay)
        for _, x, y, on in self.filters[spec.name].tick(framed):
            cell = cell_along(2 * y + 1 + above, covered, lines) * columns + cell_along(2 * x + 1, width, columns)
            if e.polarity == "split" and on:
                cell += cells
            weight = ONE if on or e.polarity != "signed" else -ONE
            if surface:
                level[cell] = weight
            elif e.polarity == "signed":
                out[cell] += f32(e.on_weight * share) if on else f32(-e.off_weight * share)
            else:
                out[cell] += f32(share)
        if not surface:
            level += responded(e, out)
        return level.copy()

    # steps
    def deliver(self, k: int) -> None:
        p = self.network.projections[k]
        post = self.populations[p.post]
        y = post.isyn if post.synaptic and p.receptor != "current" else post.current
        if p.tau_syn is not None:
            y = self.own.setdefault((p.post, p.tau_syn), np.zeros(post.size, np.float32))
        now = self.step_count
        steps = np.asarray(np.rint(np.asarray(p.delay) / self.dt), int)
        delays = np.unique(steps)
        into = y if delays.size <= 1 else np.zeros_like(y)  # synapses with delays of their own are summed apart
        for past in sorted({now - int(d) for d in delays}):  # what arrives now was sent in these steps
            if 0 <= past < len(self.history.get(p.pre, [])):
                self.arrive(k, into, self.history[p.pre][past], now - past, steps)
        if delays.size > 1:
            y += into
        if p.bias is not None:
            y += np.broadcast_to(np.asarray(p.bias), y.shape).astype(np.float32)

    def arrive(self, k: int, y: np.ndarray, signal: Any, delay: int, steps: np.ndarray) -> None:
        p = self.network.projections[k]
        n_pre, graded = self.sizes[p.pre], isinstance(signal, np.ndarray)
        shape = {"dense": (n_pre, y.size), "one_to_one": (y.size,), "sparse": np.shape(p.pre_index)}[p.connection]
        w = self.rules[k].w if k in self.rules else np.broadcast_to(np.asarray(p.weights), shape).astype(np.float32)
        if p.precision == "int8":
            scale = p.scale or float(np.abs(w).max(initial=0)) / 127 or 1.0
            w = f32(scale) * np.rint(w / scale).astype(np.float32)
        delays = np.broadcast_to(steps, shape)
        active = [(i, signal[i]) for i in range(n_pre) if signal[i] != ZERO] if graded else signal
        exact = np.zeros(y.size)  # whole numbers are summed before they are scaled
        for i, x in active:
            if p.connection == "dense":
                targets = [(j, w[i, j], delays[i, j]) for j in range(y.size)]
            elif p.connection == "one_to_one":
                targets = [(i, w[i], delays[i])]
            else:
                synapses = [s for s in range(w.size) if p.pre_index[s] == i]
                ordered = sorted(synapses, key=lambda s: p.post_index[s])
                targets = [(p.post_index[s], w[s], delays[s]) for s in ordered]
            for j, weight, d in targets:
                if d == delay and p.precision == "int8" and p.connection == "dense":
                    exact[j] += float(np.rint(weight / f32(scale)))
                elif d == delay:
                    y[j] += x * weight
        if p.precision == "int8" and p.connection == "dense":
            y += f32(scale) * exact.astype(np.float32) if active else ZERO

    def begin(self) -> None:
        for k, p in enumerate(self.network.projections):
            if p.learning is not None:
                n_error = self.sizes.get(getattr(p.learning, "error", ""), 0)
                self.rules[k] = SlowRule(p, self.sizes[p.pre], self.populations[p.post], n_error, self.dt)

    def learn(self) -> None:
        """All rules, at the end of a step."""
        for k, one in self.rules.items():
            p, then = self.network.projections[k], self.step_count - self.delays[k]
            arrived = self.history[p.pre][then] if then >= 0 else []
            name = getattr(p.learning, "error", getattr(p.learning, "reward", None))
            fired = [] if self.populations[p.post].graded else self.history[p.post][-1]
            one.step(arrived, fired, self.history[name][-1] if name else None)

    def in_order(self) -> list[str]:
        """Every population after the sources of its projections of delay 0."""
        done: list[str] = []

        def visit(name: str) -> None:
            if name not in done and name in self.populations:
                for p, d in zip(self.network.projections, self.delays, strict=True):
                    if p.post == name and d == 0:
                        visit(p.pre)
                done.append(name)

        for name in self.populations:
            visit(name)
        return done

    @slow
    def step(self, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
        drives = {i.name: self.take(k, i, observation.get(i.name)) for k, i in enumerate(self.inputs)}
        for spec in self.inputs:  # an encoder with neurons is a population of the input's name
            if spec.name not in self.graded_inputs and spec.name not in self.populations:
                pop = Population(spec.name, drives[spec.name].size, spec.encoder.neuron)
                self.populations = {**self.populations, spec.name: SlowPopulation(pop, self.dt, self.seed)}
        self.sizes = {name: p.v.size for name, p in self.populations.items()} | {
            n: drives[n].size for n in self.graded_inputs
        }
        order = self.in_order()
        if not self.rules:
            self.begin()
        for s in range(self.steps):
            for k, delay in enumerate(self.delays):
                if delay >= 1:
                    self.deliver(k)
            for spec in self.inputs:
                if s > 0 and is_pulse(spec.encoder):
                    drives[spec.name] = np.zeros_like(drives[spec.name])
            for name in self.graded_inputs:
                self.history.setdefault(name, []).append(drives[name])
            for name in order:
                if name in drives:
                    self.populations[name].current += drives[name]
                for k, delay in enumerate(self.delays):
                    if delay == 0 and self.network.projections[k].post == name:
                        self.deliver(k)
                for (post, tau), isyn in self.own.items():
                    if post == name:
                        synapse(isyn.size, self.populations[name].current, isyn, [f32(math.exp(-self.dt / tau))])
                self.history.setdefault(name, []).append(self.populations[name].update(self.step_count))
            self.learn()
            self.filter()
            self.step_count += 1
        return self.decide(drives)

    # outputs
    @staticmethod
    def terms(output: Output) -> tuple[Any, ...]:
        return output.decoder.terms if isinstance(output.decoder, ArgmaxDecoder) else output.decoder

    @staticmethod
    def width(output: Output) -> int:
        return output.decoder.actions if isinstance(output.decoder, ArgmaxDecoder) else output.size

    def weights(self, term: Any, m: int) -> np.ndarray:
        n = self.sizes[term.source]
        w = getattr(term, "weights", None)
        if isinstance(term, PopulationVectorDecoder):
            w = term.directions
        elif w is None:
            w = np.arange(n) if m == 1 else np.eye(n)
        w = np.asarray(w)
        return np.broadcast_to(w.reshape(n, m) if w.shape == (n,) and m == 1 else w, (n, m)).astype(np.float32)

    def filter(self) -> None:
        for output in self.outputs:
            for k, term in enumerate(self.terms(output)):
                if isinstance(term, SpikeDecoder | PopulationVectorDecoder):
                    w = self.scaled(term, self.width(output))
                    y = self.traces.setdefault((output.name, k), np.zeros(w.shape[1], np.float32))
                    for j in range(y.size):
                        y[j] = settle(y[j] * f32(math.exp(-self.dt / term.tau)))
                    for i, times in self.history[term.source][-1]:
                        for j in range(y.size):
                            y[j] += times * w[i, j]

    def scaled(self, term: Any, m: int) -> np.ndarray:
        """What a spike adds to the filtered sums: weights, or directions and a last column of ones, divided by time."""
        w = self.weights(term, m).astype(np.float64)
        if isinstance(term, PopulationVectorDecoder):
            w = np.hstack([w, np.ones((len(w), 1))])
        return (w * ((1 - math.exp(-self.dt / term.tau)) / self.dt)).astype(np.float32)

    def counted(self, term: SpikeCountDecoder) -> np.ndarray:
        """(n,) float32: spikes of each neuron in the window that ends now."""
        counts = np.zeros(self.sizes[term.source], np.int64)
        for step in self.history[term.source][-round(term.window / self.dt) :]:
            for i, times in step:
                counts[i] += int(times)
        return counts.astype(np.float32)

    def seen(self, term: MembraneDecoder) -> np.ndarray:
        """(n,) float32: the newest values, or their mean over a window, in which they were 0 before the first step."""
        history = self.history[term.source]
        steps, x = round((term.window or self.dt) / self.dt), np.zeros(self.sizes[term.source], np.float32)
        if steps == 1:
            return history[-1]
        for v in history[-steps:]:
            x += np.array([bounded(value) for value in v])
        return x / np.float32(steps)

    def first(self, term: FirstSpikeDecoder) -> int | None:
        """The neuron that fired first in the newest window in which one did."""
        history, window = self.history[term.source], round(term.window / self.dt)
        for start in range((len(history) - 1) // window * window, -1, -window):
            for fired in history[start : start + window]:
                if fired:
                    return fired[0][0]
        return None

    def term(self, output: Output, k: int, term: Any, x: np.ndarray) -> None:
        """x += the term."""
        m = x.size
        if isinstance(term, SpikeDecoder):
            x += self.traces[output.name, k]
        elif isinstance(term, PopulationVectorDecoder):
            last = self.held_vectors.setdefault((output.name, k), np.zeros(m, np.float32))
            least = np.array([math.exp(-5) * ((1 - math.exp(-self.dt / term.tau)) / self.dt)], np.float32)
            population_vector(m, x, self.traces[output.name, k], last, least, term.hold)
        elif isinstance(term, FirstSpikeDecoder):
            first = self.first(term)
            if first is not None:
                x += self.weights(term, m)[first]
        else:
            signal = self.counted(term) if isinstance(term, SpikeCountDecoder) else self.seen(term)
            w = self.weights(term, m)
            for i in range(signal.size):
                if signal[i] != ZERO:
                    for j in range(m):
                        x[j] += signal[i] * w[i, j]

    @staticmethod
    def squashed(output: Output, x: np.ndarray) -> np.ndarray:
        """The output's values of its sums (m,), with the nearest float32 numbers that are within its limits as ends."""
        if not output.squash:
            return x
        y, m = np.zeros_like(x), x.size
        for j, (low, high) in enumerate(zip(*(np.broadcast_to(side, m) for side in output.limits), strict=True)):
            centre, half = f32(low + (high - low) / 2), f32((high - low) / 2)
            for _ in range(4):
                if float(centre + half) > high or float(centre - half) < low:
                    half -= np.spacing(max(abs(centre), half))
            squash(1, x[j : j + 1], y[j : j + 1], [centre], [max(half, ZERO)])
        return y

    def decide(self, drives: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raw = []
        for output in self.outputs:
            m, is_index = self.width(output), isinstance(output.decoder, ArgmaxDecoder)
            x = np.array(np.broadcast_to(0.0 if is_index else np.asarray(output.bias, np.float64), (m,)), np.float32)
            for k, term in enumerate(self.terms(output)):
                self.term(output, k, term, x)
            raw.append(np.array([np.argmax(x)], np.float32) if is_index else self.squashed(output, x))
        raw, command = np.concatenate(raw), np.zeros(self.way.size)
        required = np.array([i.required and not getattr(i, "stop_when", "") for i in self.inputs] or [0])
        nan = [np.full(o.size, np.nan, np.float32) for o in self.outputs]
        start = np.concatenate([self.held[o.start] if o.start else no for o, no in zip(self.outputs, nan, strict=True)])
        guard(len(self.inputs), self.state, required, raw.size, raw, command, self.limits, self.way, self.each,
              self.motion, self.words, np.zeros(4, np.int64), self.release, self.stops, start)  # fmt: skip
        cuts = np.cumsum([o.size for o in self.outputs])[:-1]
        return {o.name: c for o, c in zip(self.outputs, np.split(command, cuts), strict=True)}
