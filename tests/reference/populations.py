"""One population and one learning rule of `SlowController`."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np

from snn_control.network import (
    ALIF,
    IF,
    PES,
    STDP,
    AdEx,
    Bernoulli,
    EProp,
    Integrator,
    Izhikevich,
    Latency,
    Phase,
    Poisson,
    Population,
    Projection,
    RewardSTDP,
)
from snn_control.testing import (
    FLOAT_MAX,
    bounded,
    bounded_update,
    counter_of,
    is_on,
    settle,
    spike_list,
    write_spikes,
)
from tests.reference.coding import stochastic, temporal
from tests.reference.learning import eprop, pes
from tests.reference.neurons import adex, integrate_and_fire, izhikevich, leaky_integrator
from tests.reference.scalars import HEADER, HUGE, ONE, ZERO, f32


class SlowRule:
    """A projection that learns: its weights in the shape of the description, and a list of its synapses."""

    def __init__(self, p: Projection, n_pre: int, post: SlowPopulation, n_error: int, dt: float) -> None:
        self.rule, self.post, self.dt, rule = p.learning, post, dt, p.learning
        shape = {"dense": (n_pre, post.size), "one_to_one": (post.size,), "sparse": np.shape(p.pre_index)}[p.connection]
        self.w = np.array(np.broadcast_to(np.asarray(p.weights), shape), np.float32)
        self.synapses = {
            "dense": [(i, j) for i in range(n_pre) for j in range(post.size)],
            "one_to_one": [(i, i) for i in range(n_pre)],
            "sparse": list(zip(np.ravel(p.pre_index).tolist(), np.ravel(p.post_index).tolist(), strict=True)),
        }[p.connection]
        self.switch = np.array([rule.enabled, 0, 0], np.int64)
        self.x, self.y, self.e = (np.zeros(n, np.float32) for n in (n_pre, post.size, self.w.size))
        self.low, self.high = (f32(np.clip(b, -FLOAT_MAX, FLOAT_MAX)) for b in (rule.w_min, rule.w_max))
        if isinstance(rule, EProp):
            self.prepare(p, n_pre, n_error)

    def step(self, arrived: list[tuple[int, np.float32]], fired: list[tuple[int, np.float32]], signal: Any) -> None:
        if isinstance(self.rule, STDP):
            self.pairs({i for i, _ in arrived}, {j for j, _ in fired}, signal)
            return
        n_pre, n_post = self.w.shape
        ring = np.zeros(HEADER + 6 * n_pre + 64, np.uint8)
        times = np.zeros(n_pre, np.uint16)
        for i, m in arrived:
            times[i] = m
        clock = np.zeros(2, np.int64)
        write_spikes(times, ring, 0, 1, clock, counter_of(), HEADER + 4 * n_pre)
        source = (ring, 0, 1, clock, 0, HEADER + 4 * n_pre)
        if isinstance(self.rule, PES):
            decay, rate = math.exp(-self.dt / self.rule.pre_tau), self.rule.learning_rate / n_pre
            p = np.array([decay, (1 - decay) / self.dt, rate, self.low, self.high], np.float32)
            pes(n_pre, n_post, self.w, *source, self.x, signal, p, self.switch)
            return
        post = self.post
        adapt, slow = (post.second, self.slow) if isinstance(post.model, ALIF) else (0, 0)
        eprop(n_pre, n_post, self.w, *source, post.v, post.flags, adapt, post.wait, self.filters, self.rows, self.each,
              self.e.reshape(n_pre, n_post), slow, self.feedback, signal, signal.size, self.p, self.switch)  # fmt: skip

    def pairs(self, arrived: set[int], fired: set[int], reward: Any) -> None:
        rule, w = self.rule, self.w.reshape(-1)
        eligible = isinstance(rule, RewardSTDP)
        if not is_on(self.switch, self.x, self.y, self.e):
            return
        target, (low, high) = (self.e, (-HUGE, HUGE)) if eligible else (w, (self.low, self.high))
        for trace_, tau, spikes in ((self.x, rule.tau_plus, arrived), (self.y, rule.tau_minus, set())):
            for i in range(trace_.size):
                trace_[i] = settle(trace_[i] * f32(math.exp(-self.dt / tau))) + (ONE if i in spikes else ZERO)
        for s, (i, j) in enumerate(self.synapses):
            if i in arrived:
                target[s] = bounded_update(target[s], -(f32(rule.a_minus) * self.y[j]), low, high)
            if j in fired:
                target[s] = bounded_update(target[s], f32(rule.a_plus) * self.x[i], low, high)
        for j in fired:
            self.y[j] += ONE
        if eligible:
            rate = bounded(f32(rule.learning_rate * self.dt) * reward[0])
            for s in range(w.size):
                w[s] = bounded_update(w[s], rate * self.e[s], self.low, self.high) if rate else w[s]
                self.e[s] = settle(self.e[s] * f32(math.exp(-self.dt / rule.tau_e)))

    def prepare(self, p: Projection, n_pre: int, n_error: int) -> None:
        post, rule, dt = self.post, self.rule, self.dt
        decay, gain, _, gain_syn, decay_syn, _, _, _, beta, rho = post.params.astype(np.float64)
        if p.tau_syn is not None:
            first = (math.exp(-dt / p.tau_syn), decay[0], gain[0])
        elif post.synaptic and p.receptor != "current":
            first = (decay_syn[0], decay[0], gain_syn[0])
        else:
            first = (0.0, decay[0], gain[0])
        self.p = np.array([*first, math.exp(-dt / rule.tau_out), rule.learning_rate * dt, self.low, self.high], f32)
        threshold = np.broadcast_to(np.asarray(post.model.v_threshold, np.float64), post.size)
        subtracted = threshold * (not post.model.reset_delay)
        self.each = np.array([threshold, 1 / threshold, rule.gamma / threshold, subtracted, beta, rho], f32)
        self.feedback = np.broadcast_to(np.asarray(rule.feedback), (post.size, n_error)).astype(f32).T
        self.filters, self.rows, self.slow = (np.zeros(s, f32) for s in ((2, n_pre), (4, post.size), self.w.shape))


class SlowPopulation:
    """Neurons of one model, one scalar after another, from their description."""

    def __init__(self, pop: Population, dt: float, seed: int = 0) -> None:
        self.model, self.size, self.draws = pop.neuron, pop.size, (seed, zlib.crc32(pop.name.encode()))
        m, n = pop.neuron, pop.size
        self.graded, self.synaptic = m.graded, hasattr(m, "tau_syn")
        self.bias = np.broadcast_to(np.asarray(pop.bias, np.float64), (n,)).astype(np.float32)
        resting = m.v_reset if isinstance(m, Izhikevich) else getattr(m, "v_leak", 0.0)
        v = np.broadcast_to(np.asarray(resting if pop.v_init is None else pop.v_init, np.float64), (n,))
        self.v, self.current = v.astype(np.float32), self.bias.copy()
        self.isyn = np.zeros(n, np.float32) if self.synaptic else 0
        self.params = np.array([[self.each(x, i) for i in range(n)] for x in self.coefficients(m, dt)], np.float32)
        self.flags, self.counter = np.zeros(n, np.uint8), np.zeros(1, np.int64)
        self.refractory = max(0, round(getattr(m, "refractory", 0) / dt) - 1)
        self.wait = np.zeros(n, np.uint16)
        self.second = {AdEx: np.zeros(n), Izhikevich: getattr(m, "b", 0) * v}.get(type(m), np.zeros(n))
        self.second = self.second.astype(np.float32)
        self.multiple = getattr(m, "several", isinstance(m, Poisson))
        self.multiplicity = HEADER + 4 * n if self.multiple else 0
        self.ring = np.zeros(HEADER + 6 * n + 64, np.uint8)

    @staticmethod
    def each(x: Any, i: int) -> float:
        return float(np.clip(x if np.ndim(x) == 0 else x[i], -FLOAT_MAX, FLOAT_MAX))

    @staticmethod
    def coefficients(m: Any, dt: float) -> list[Any]:
        euler = getattr(m, "integration", "exact") == "euler"

        def decay(tau: Any) -> Any:
            return 1 - dt / np.asarray(tau) if euler else np.exp(-dt / np.asarray(tau))

        if isinstance(m, AdEx):
            a, rest, w = 1 - decay(m.tau_mem), np.asarray(m.v_leak), 1 - decay(m.tau_w)
            return [1 - a, m.r * a, rest * a, m.v_threshold, m.v_reset, m.delta_t * a, m.v_rheobase,
                    1 / np.asarray(m.delta_t), 1 - w, m.a * w, m.b, m.v_leak]  # fmt: skip
        if isinstance(m, Izhikevich):
            return [dt * 500, m.r, m.v_threshold, m.v_reset, m.a * dt * 1e3, m.b, m.d]
        if isinstance(m, Bernoulli | Poisson):
            return [np.asarray(m.rate) * dt]
        if isinstance(m, Phase):
            return [0.5**k for k in range(1, m.phases + 1)]
        if isinstance(m, Latency):
            return SlowPopulation.latencies(m, dt)
        linear = [0.0, 1.0, 0.0, 0.0, 0.0]
        if isinstance(m, IF | Integrator):
            linear = [1.0, m.r * dt, 0.0, 0.0, 0.0]
        if hasattr(m, "tau_mem"):
            d = decay(m.tau_mem)
            gain_syn, decay_syn = 0.0, 0.0
            if hasattr(m, "tau_syn"):
                decay_syn, gain_syn = decay(m.tau_syn), m.r * (1 - d)
                if m.integration == "exact":
                    tm, ts = np.asarray(m.tau_mem, float), np.asarray(m.tau_syn, float)
                    same = tm == ts
                    closed = ts / np.where(same, 1, ts - tm) * (np.exp(-dt / ts) - np.exp(-dt / tm))
                    gain_syn = m.r * np.where(same, dt / tm * np.exp(-dt / tm), closed)
            linear = [d, m.r * (1 - d), m.v_leak * (1 - d), gain_syn, decay_syn]
        if m.graded:
            floor = getattr(m, "v_min", -FLOAT_MAX)
            return [1.0, *linear[1:], 1 - linear[0], floor] if euler else [*linear, 0.0, floor]
        adapt = [m.beta, decay(m.tau_adapt)] if isinstance(m, ALIF) else [0.0, 0.0]
        threshold, subtracts = m.v_threshold, getattr(m, "reset", "value") != "value"
        if getattr(m, "strict", False):
            threshold = np.nextafter(np.asarray(threshold, np.float32), f32(np.inf))
        reset = m.v_threshold if subtracts else getattr(m, "v_reset", 0.0)
        return [*linear, threshold, reset, getattr(m, "v_min", -FLOAT_MAX), *adapt]

    @staticmethod
    def latencies(m: Latency, dt: float) -> list[Any]:
        """The x that fires half a step after step k: the closed lowering, solved for x."""
        steps, theta = round(m.window / dt), np.asarray(m.threshold, np.float64)
        full = steps - 1 if steps > 1 else 0.5
        filling = full if m.linear else full / np.log((theta + 1e-7) / 1e-7)
        tau = filling if m.tau is None else m.tau / np.float64(dt)
        if m.linear:
            return [np.maximum(theta, 1 - (k + 0.5) / tau) for k in range(steps)]
        levels = [theta / -np.expm1(-(k + 0.5) / tau) for k in range(steps)]
        return [np.where(level <= theta + 1e-7, theta, level) for level in levels]

    def update(self, step: int) -> Any:
        """One step; (neuron, how many times) of those that fired, or the graded vector."""
        m, n = self.model, self.size
        head = (n, self.params, n if n > 1 else 1, self.current, self.bias)
        if self.graded:
            leaky_integrator(*head, self.v, self.isyn)
            return self.v.copy()
        clock = np.array([0, step])
        firing = (self.flags, self.ring, 0, 1, clock, self.counter, self.multiplicity, self.refractory)
        if isinstance(m, AdEx):
            adex(*head, *firing, self.v, self.second, self.wait)
        elif isinstance(m, Izhikevich):
            izhikevich(*head, *firing, self.v, self.second, self.wait)
        elif isinstance(m, Bernoulli | Poisson):
            stochastic(*head, *firing, *self.draws, np.zeros(n, np.uint16))
        elif isinstance(m, Latency | Phase):
            temporal(*head, *firing, len(self.params), int(isinstance(m, Phase)), self.v)
        else:
            mode = {"subtract": 1, "subtract_snntorch": 5}.get(getattr(m, "reset", ""), 0)
            mode += 2 * getattr(m, "reset_delay", False)
            adapt = self.second if isinstance(m, ALIF) else 0
            counts = np.zeros(n, np.uint16)
            integrate_and_fire(*head, *firing, mode, self.v, self.isyn, adapt, self.wait, counts)
        return spike_list(self.ring, self.multiplicity)
