"""The adjoint of integrate-and-fire neurons.

A spike is a step function of the membrane, so its derivative is 0 or infinite. A surrogate derivative replaces this
derivative (Neftci, Mostafa and Zenke 2019, IEEE Signal Processing Magazine 36(6):51). It is a function, `Surrogate`, of
the distance between membrane and threshold. If a neuron may fire several times in a step, the number of spikes is a
staircase function of the membrane. The distance is then measured to the nearest step of the staircase. The spikes
themselves are those that the engine recorded. The reset of a neuron by its own spike is not differentiated (Zenke and
Vogels 2021, Neural Computation 33:899).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ....controller_file.training import SURROGATES
from ....engine.compile import compile_function
from ....engine.kernels.neurons import DELAYED, SUBTRACT, TWICE
from .adjoint import Neurons, signal
from .tape import Tape

__all__ = ["IntegrateAndFire"]

SEVERAL = 8  # bit that is added to the kernel's mode

FAST_SIGMOID, TRIANGLE, ARCTAN = range(3)
ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)
HALF_PI = np.float32(np.pi / 2)


@register_jitable(forceinline=True)
def to_derivatives(x, scale, kind, slope):
    """Replace distances from the threshold by surrogate derivatives of the spikes, in place.

    x : (n,), the distances, overwritten by the derivatives
    scale : (n,), factors of the derivatives
    kind : kind of the `Surrogate`: FAST_SIGMOID, TRIANGLE or ARCTAN
    slope : slope of the `Surrogate`
    """
    half = slope * HALF
    if kind == FAST_SIGMOID:
        for i in range(x.size):
            d = ONE + slope * abs(x[i])
            x[i] = half / (d * d) * scale[i]
    elif kind == TRIANGLE:
        for i in range(x.size):
            d = ONE - half * abs(x[i])
            x[i] = half * (d if d > ZERO else ZERO) * scale[i]
    else:
        for i in range(x.size):
            z = HALF_PI * slope * x[i]
            x[i] = half / (ONE + z * z) * scale[i]


# integrate and fire ----------------------------------------------------------------------------------------------
# the rows of the parameters, in the order that the kernel declares
DECAY, GAIN, LEAK, GAIN_SYN, DECAY_SYN, THRESHOLD, RESET, FLOOR, BETA, DECAY_ADAPT = range(10)
#: rows of ``kept``, which the forward pass stores for the backward one: membrane before the step, surrogate derivative,
#: 1 if the membrane was computed (0: it was at its floor, -1: refractory), synaptic current, adaptation
BEFORE, SLOPE, FREE, CURRENT_SYN, ADAPTATION = range(5)


@register_jitable(forceinline=True)
def lift(mode, before, u, threshold, reset):
    """Return how far the nearest step of the spike count lies above ``threshold``, in units of ``reset``.

    The spike count of a neuron that can fire several times in a step is a staircase function of its membrane.

    before : membrane before the step
    u : membrane after the step
    """
    if mode & SEVERAL:
        above = np.float32(np.floor((u - threshold) / reset + HALF))
        return above if above > ZERO else ZERO
    return ONE if (mode & TWICE) != 0 and before >= threshold else ZERO


@register_jitable(forceinline=True)
def plain_row(current, spikes, p, scale, mode, v, before, free, x):
    """Compute one step of a row of neurons without synaptic current, adaptation, refractory period and delayed reset.

    current : (n,), input currents
    spikes : (n,), recorded spikes
    p, scale, mode : as in `fire_forward`
    v : (n,), membranes, updated
    before : (n,), written: membranes before the step
    free : (n,), written: 1 where the membrane is above its floor, otherwise 0
    x : (n,), written: distances from the threshold
    """
    decay, gain, leak, threshold, reset, floor = p[DECAY], p[GAIN], p[LEAK], p[THRESHOLD], p[RESET], p[FLOOR]
    subtract, lifted = (mode & SUBTRACT) != 0, (mode & (SEVERAL | TWICE)) != 0
    for i in range(v.size):
        before[i] = v[i]
        u = decay[i] * v[i] + gain[i] * current[i] + leak[i]
        free[i] = ONE if u > floor[i] else ZERO
        u = u if u > floor[i] else floor[i]
        nearest = threshold[i]
        if lifted:
            nearest = nearest + reset[i] * lift(mode, before[i], u, threshold[i], reset[i])
        x[i] = (u - nearest) * scale[i]
        v[i] = u - spikes[i] * (reset[i] if subtract else u - reset[i])


@register_jitable(forceinline=True)
def clear_waiting(x, free):
    """Set the derivatives ``x`` of refractory neurons to 0. These neurons, which have ``free`` < 0, cannot fire."""
    for i in range(x.size):
        if free[i] < ZERO:
            x[i] = ZERO


def fire_forward(
    current, isyn, spikes, age, p, scale, mode, refractory, kind, slope, state, waits, start, kept, first, stop
):  # fmt: skip
    """Compute the membranes in the steps ``first`` to ``stop - 1`` from the recorded spikes.

    current, isyn : (steps, rows, n), input current, and input to the synaptic current; (0, rows, n) if there is none
    spikes, age : (steps, rows, n), recorded spikes; (steps, rows), number of steps since the last reset
    p, scale, mode : (10, n), parameters; (n,), scale of the surrogate derivative; bits for the kind of reset
    kind, slope, refractory, waits : of the `Surrogate`; refractory period, and the rest of it, (rows, n) [steps]
    state, start : (4, rows, n), membrane, synaptic current, adaptation, last spikes; (3, n), those after a reset
    kept : (3 to 5, steps, rows, n), written: values for the backward pass; the constants from `BEFORE` on name them
    """
    rows, n = current.shape[1], current.shape[2]
    synaptic, adaptive = isyn.shape[0] > 0, kept.shape[0] > ADAPTATION
    subtract, delayed, lifted = (mode & SUBTRACT) != 0, (mode & DELAYED) != 0, (mode & (SEVERAL | TWICE)) != 0
    plain = not (synaptic or adaptive or delayed or refractory > 0)
    for t in range(first, stop):
        for r in range(rows):
            v, q, a, fired, wait = state[0, r], state[1, r], state[2, r], state[3, r], waits[r]
            if age[t, r] == 0:
                v[:], q[:], a[:], fired[:], wait[:] = start[0], start[1], start[2], ZERO, 0
            was, free, x = kept[BEFORE, t, r], kept[FREE, t, r], kept[SLOPE, t, r]
            if plain:
                plain_row(current[t, r], spikes[t, r], p, scale, mode, v, was, free, x)
                to_derivatives(x, scale, kind, slope)
                continue
            for i in range(n):
                s, threshold, arrived = spikes[t, r, i], p[THRESHOLD, i], ZERO
                if synaptic:
                    arrived = q[i] + isyn[t, r, i]
                    kept[CURRENT_SYN, t, r, i] = arrived
                    q[i] = arrived * p[DECAY_SYN, i]
                if adaptive:
                    kept[ADAPTATION, t, r, i] = a[i]
                    threshold = threshold + p[BETA, i] * a[i]
                    a[i] = a[i] * p[DECAY_ADAPT, i] + s
                was[i] = v[i]
                if wait[i] > 0:
                    wait[i] -= 1
                    fired[i] = x[i] = ZERO
                    free[i] = -ONE
                    continue
                if delayed and not subtract and fired[i] != ZERO:
                    was[i] = p[RESET, i]
                u = p[DECAY, i] * was[i] + p[GAIN, i] * current[t, r, i] + p[GAIN_SYN, i] * arrived + p[LEAK, i]
                if delayed and subtract:
                    u = u - p[RESET, i] * fired[i]
                free[i] = ONE if u > p[FLOOR, i] else ZERO
                u = u if u > p[FLOOR, i] else p[FLOOR, i]
                if lifted:
                    threshold = threshold + p[RESET, i] * lift(mode, was[i], u, threshold, p[RESET, i])
                x[i] = (u - threshold) * scale[i]
                if not delayed:
                    u = u - s * (p[RESET, i] if subtract else u - p[RESET, i])
                v[i] = u
                fired[i] = s
                if s != ZERO and refractory > 0:
                    wait[i] = refractory
            to_derivatives(x, scale, kind, slope)
            clear_waiting(x, free)


@register_jitable(forceinline=True)
def plain_row_back(gs, spikes, p, subtract, slope, free, gv, gi):
    decay, gain = p[DECAY], p[GAIN]
    for i in range(gv.size):
        kept = gv[i] if subtract else gv[i] * (ONE - spikes[i])
        gu = (kept + gs[i] * slope[i]) * free[i]
        gi[i] = gain[i] * gu
        gv[i] = decay[i] * gu


@register_jitable(forceinline=True)
def add_linear(gp, i, gu, threshold, before, current):
    """Add the gradients of one step of neuron ``i`` to ``gp``, for the parameters that every neuron has.

    gp : (10, n), gradients of the parameters
    gu : derivative by the neuron's membrane
    threshold : derivative by the neuron's threshold, times -1
    before : membrane before the step
    current : input current
    """
    gp[THRESHOLD, i] -= threshold
    gp[DECAY, i] += gu * before
    gp[GAIN, i] += gu * current
    gp[LEAK, i] += gu


@register_jitable(forceinline=True)
def add_kept(gp, i, gu, threshold, gisyn, ga, kept, synaptic, adaptive):
    """Add the gradients of one step of neuron ``i`` to ``gp``, for the parameters of synaptic current and adaptation.

    gp, gu, threshold : as in `add_linear`
    gisyn : derivative by the neuron's synaptic current
    ga : derivative by the neuron's adaptation
    kept : values that `fire_forward` stored for the neuron in this step
    synaptic : whether the neuron has a synaptic current
    adaptive : whether the neuron has an adapting threshold
    """
    if synaptic:
        gp[GAIN_SYN, i] += gu * kept[CURRENT_SYN]
        gp[DECAY_SYN, i] += gisyn * kept[CURRENT_SYN]
    if adaptive:
        gp[BETA, i] -= threshold * kept[ADAPTATION]
        gp[DECAY_ADAPT, i] += ga * kept[ADAPTATION]


@register_jitable(forceinline=True)
def lift_of(mode, p, i, before, current, kept, synaptic, adaptive):
    """Compute `lift` for neuron ``i`` in a step, from the values that the forward pass stored.

    before : membrane before the step
    current : input current
    kept : values that `fire_forward` stored for the neuron in this step
    synaptic : whether the neuron has a synaptic current
    adaptive : whether the neuron has an adapting threshold
    """
    u = p[DECAY, i] * before + p[GAIN, i] * current + p[LEAK, i]
    threshold = p[THRESHOLD, i]
    if synaptic:
        u = u + p[GAIN_SYN, i] * kept[CURRENT_SYN]
    if adaptive:
        threshold = threshold + p[BETA, i] * kept[ADAPTATION]
    return lift(mode, before, u, threshold, p[RESET, i])


def fire_backward(
    gs, spikes, fired_before, current, age, p, mode, refractory, kept, carry, gp, want, gi, gq, first, stop
):  # fmt: skip
    """Compute the gradients in the steps from ``stop - 1`` down to ``first``. Other arguments: see `fire_forward`.

    gs : (steps, rows, n), derivative of the loss by each spike
    fired_before : (rows, n), spikes in the step before the run
    carry : (3, rows, n), derivatives by membrane, synaptic current and adaptation, from the step after the present one
    gp : (10, n) float64, gradients of the parameters
    want : whether the gradients of the parameters are computed
    gi, gq : (steps, rows, n), gradients of ``current`` and ``isyn``
    """
    rows, n = current.shape[1], current.shape[2]
    synaptic, adaptive = gq.shape[0] > 0, kept.shape[0] > ADAPTATION
    subtract, delayed, lifted = (mode & SUBTRACT) != 0, (mode & DELAYED) != 0, (mode & (SEVERAL | TWICE)) != 0
    plain = not (want or synaptic or adaptive or delayed or refractory > 0)
    for t in range(stop - 1, first - 1, -1):
        for r in range(rows):
            gv, gisyn, ga = carry[0, r], carry[1, r], carry[2, r]
            if plain:
                slopes, free = kept[SLOPE, t, r], kept[FREE, t, r]
                plain_row_back(gs[t, r], spikes[t, r], p, subtract, slopes, free, gv, gi[t, r])
            for i in range(0 if plain else n):
                s, d, free_i, before = spikes[t, r, i], kept[SLOPE, t, r, i], kept[FREE, t, r, i], kept[BEFORE, t, r, i]
                g = gs[t, r, i]
                if adaptive:
                    g = g + ga[i]
                threshold = g * d  # minus the derivative by the threshold
                after = gv[i]
                kept_by_reset = ONE if delayed or subtract else ONE - s
                gu = (after * kept_by_reset + threshold) * max(free_i, ZERO)
                if want:
                    add_linear(gp, i, gu, threshold, before, current[t, r, i])
                    if free_i == ZERO:
                        gp[FLOOR, i] += after * kept_by_reset + threshold
                    if lifted and free_i > ZERO:
                        x = current[t, r, i]
                        gp[RESET, i] -= threshold * lift_of(mode, p, i, before, x, kept[:, t, r, i], synaptic, adaptive)
                    if not delayed:
                        gp[RESET, i] += -after * s if subtract else after * s
                    add_kept(gp, i, gu, threshold, gisyn[i], ga[i], kept[:, t, r, i], synaptic, adaptive)
                gi[t, r, i] = p[GAIN, i] * gu
                if synaptic:
                    gisyn[i] = p[DECAY_SYN, i] * gisyn[i] + p[GAIN_SYN, i] * gu
                    gq[t, r, i] = gisyn[i]
                if adaptive:
                    ga[i] = p[DECAY_ADAPT, i] * ga[i] - p[BETA, i] * threshold
                if free_i < ZERO:
                    continue  # refractory: the membrane was held
                gv[i] = p[DECAY, i] * gu
                if delayed and age[t, r] > 0:  # the reset by a spike of the previous step
                    fired = spikes[t - 1, r, i] if t > 0 else fired_before[r, i]
                    if subtract:
                        gp[RESET, i] -= gu * fired
                    elif fired != ZERO:
                        gp[RESET, i] += gv[i]
                        gv[i] = ZERO
            if age[t, r] == 0:
                for i in range(n):
                    gv[i] = gisyn[i] = ga[i] = ZERO


FORWARD = (
    "void(f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],i4[:,::1],f4[:,::1],f4[::1],i8,i8,i8,f4,f4[:,:,::1],u2[:,::1],"
    "f4[:,::1],f4[:,:,:,::1],i8,i8)"
)
BACKWARD = (
    "void(f4[:,:,::1],f4[:,:,::1],f4[:,::1],f4[:,:,::1],i4[:,::1],f4[:,::1],i8,i8,f4[:,:,:,::1],f4[:,:,::1],"
    "f8[:,::1],b1,f4[:,:,::1],f4[:,:,::1],i8,i8)"
)


class IntegrateAndFire(Neurons):
    """Adjoint of the kernel integrate_and_fire."""

    spiking = True

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.mode = w.mode | (SEVERAL if w.multiplicity else 0)
        self.spikes = signal(w.spikes)
        self.writes = [self.spikes]

    def begin(self, tape: Tape, state: Any, initial: Any) -> None:
        w, shape = self.w, (tape.rows, self.w.n)
        self.begin_with(tape, state, initial, (w.v, w.isyn, w.adapt), 5 if w.adapt else 4 if w.isyn else 3)
        self.scale = (1 / (self.p[THRESHOLD] - (0 if w.mode & SUBTRACT else self.p[RESET]))).astype(np.float32)
        self.fired_before = np.zeros(shape, np.float32)
        if w.mode & DELAYED:
            self.fired_before[:] = state(w.flags)[:, : w.n] != 0
        self.state = np.concatenate([self.state, self.fired_before[None]])
        self.waits = np.zeros(shape, np.uint16)
        if w.refractory:
            self.waits[:] = state(w.wait)

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        compile_function(fire_forward, FORWARD)(
            *self.arriving(tape), tape.values[self.spikes], self.age(tape), self.p, self.scale, self.mode,
            self.w.refractory, SURROGATES.index(self.surrogate.kind), self.surrogate.slope, self.state, self.waits,
            self.start, self.kept, first, stop,
        )  # fmt: skip

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        compile_function(fire_backward, BACKWARD)(
            tape.gradient(self.spikes), tape.values[self.spikes], self.fired_before, tape.values[self.current],
            self.age(tape), self.p, self.mode, self.w.refractory, self.kept, self.carry, self.gp, self.params.trained,
            *self.arriving(tape, gradient=True), first, stop,
        )  # fmt: skip
        if first == 0:
            self.add_parameters(tape)
