"""The adjoint of leaky integrators: the forward and backward pass over whole sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....engine.compile import compile_function
from .adjoint import Neurons, signal
from .tape import Tape

__all__ = ["LeakyIntegrator"]

ZERO = np.float32(0)
LI_DECAY, LI_GAIN, LI_LEAK, LI_GAIN_SYN, LI_DECAY_SYN, LI_LOSS, LI_FLOOR = range(7)


def leak_forward(current, isyn, age, p, state, start, kept, value, first, stop):
    """Compute the membranes in the steps ``first`` to ``stop - 1``, and write them to ``value``, (steps, rows, n).

    The arguments not listed here are those of
    `snn_control.training.gradients.adjoints.integrate_and_fire.fire_forward`.

    state : (2, rows, n) membrane and synaptic current, updated
    start : (2, n) membrane and synaptic current after a reset
    kept : (1 or 2, steps, rows, n), written for `leak_backward`: the membrane before the step, raised to its floor if
        it was lower; then the synaptic current, if the neurons have one
    """
    rows, n = current.shape[1], current.shape[2]
    synaptic = isyn.shape[0] > 0
    for t in range(first, stop):
        for r in range(rows):
            v, q = state[0, r], state[1, r]
            for i in range(n):
                if age[t, r] == 0:
                    v[i], q[i] = start[0, i], start[1, i]
                arrived = ZERO
                if synaptic:
                    arrived = q[i] + isyn[t, r, i]
                    kept[1, t, r, i] = arrived
                    q[i] = arrived * p[LI_DECAY_SYN, i]
                before = v[i] if v[i] > p[LI_FLOOR, i] else p[LI_FLOOR, i]
                kept[0, t, r, i] = before
                u = p[LI_GAIN, i] * current[t, r, i] + p[LI_GAIN_SYN, i] * arrived
                u = u + (p[LI_LEAK, i] - p[LI_LOSS, i] * before)
                v[i] = p[LI_DECAY, i] * before + u
                value[t, r, i] = v[i]


def leak_backward(gs, current, age, p, kept, carry, gp, want, gi, gq, first, stop):
    """Compute the gradients of the steps from ``stop - 1`` down to ``first``.

    The arguments not listed here are those of
    `snn_control.training.gradients.adjoints.integrate_and_fire.fire_backward`.

    gs : (steps, rows, n) derivative of the loss by the membrane of each step
    carry : (2, rows, n) derivatives by membrane and synaptic current, from the step after the present one
    """
    rows, n = current.shape[1], current.shape[2]
    synaptic = gq.shape[0] > 0
    for t in range(stop - 1, first - 1, -1):
        for r in range(rows):
            gv, gisyn = carry[0, r], carry[1, r]
            for i in range(n):
                g, before = gs[t, r, i] + gv[i], kept[0, t, r, i]
                if want:
                    gp[LI_DECAY, i] += g * before
                    gp[LI_LOSS, i] -= g * before
                    gp[LI_GAIN, i] += g * current[t, r, i]
                    gp[LI_LEAK, i] += g
                    if synaptic:
                        gp[LI_GAIN_SYN, i] += g * kept[1, t, r, i]
                        gp[LI_DECAY_SYN, i] += gisyn[i] * kept[1, t, r, i]
                gi[t, r, i] = p[LI_GAIN, i] * g
                if synaptic:
                    gisyn[i] = p[LI_DECAY_SYN, i] * gisyn[i] + p[LI_GAIN_SYN, i] * g
                    gq[t, r, i] = gisyn[i]
                gv[i] = (p[LI_DECAY, i] - p[LI_LOSS, i]) * g
                if before <= p[LI_FLOOR, i]:
                    if want:
                        gp[LI_FLOOR, i] += gv[i]
                    gv[i] = ZERO
            if age[t, r] == 0:
                for i in range(n):
                    gv[i] = gisyn[i] = ZERO


LEAK_FORWARD = "void(f4[:,:,::1],f4[:,:,::1],i4[:,::1],f4[:,::1],f4[:,:,::1],f4[:,::1],f4[:,:,:,::1],f4[:,:,::1],i8,i8)"
LEAK_BACKWARD = (
    "void(f4[:,:,::1],f4[:,:,::1],i4[:,::1],f4[:,::1],f4[:,:,:,::1],f4[:,:,::1],f8[:,::1],b1,f4[:,:,::1],f4[:,:,::1],"
    "i8,i8)"
)


class LeakyIntegrator(Neurons):
    """Adjoint of the kernel leaky_integrator, whose outputs are the membranes of graded neurons."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.v = signal(w.v)
        self.writes = [self.v]

    def begin(self, tape: Tape, state: Any, initial: Any) -> None:
        self.begin_with(tape, state, initial, (self.w.v, self.w.isyn), 2 if self.w.isyn else 1)
        tape.new(self.v, self.w.n)

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        compile_function(leak_forward, LEAK_FORWARD)(
            *self.arriving(tape), self.age(tape), self.p, self.state, self.start, self.kept, tape.values[self.v],
            first, stop,
        )  # fmt: skip

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        compile_function(leak_backward, LEAK_BACKWARD)(
            tape.gradient(self.v), tape.values[self.current], self.age(tape), self.p, self.kept, self.carry, self.gp,
            self.params.trained, *self.arriving(tape, gradient=True), first, stop,
        )  # fmt: skip
        if first == 0:
            self.add_parameters(tape)
