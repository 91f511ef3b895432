"""Kernels of the neuron models: a kernel computes one network step of all neurons of a population.

When a kernel runs, the signals that arrive in this step are already added to ``current`` or ``isyn``. Afterwards
``current`` is reset to ``bias``.

integrate_and_fire  IF, LIF, CubaLIF, ALIF, Threshold
    v <- decay v + gain current + gain_syn isyn + leak;  then isyn <- decay_syn isyn
    spike if v >= threshold + beta adapt: v <- reset, or v <- v - reset, in this step or the next one; then no update
    for `refractory` steps. With a ``multiplicity``, v / reset spikes in this step
    adapt <- decay_adapt adapt, and + 1 after a spike
leaky_integrator    LI, CubaLI, Integrator, Relay: no threshold, graded output v
    v <- max(v, floor);  then v <- decay v + gain current + gain_syn isyn + (leak - loss v)
adex, izhikevich    see `snn_control.network`

The integration method of the neuron model determines decay, gain and gain_syn: exact (Rotter and Diesmann 1999, Biol.
Cybern. 81:381), exponential Euler or forward Euler.
"""

from collections import namedtuple

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..memory import f32, i64, one_by_one, u16, u32
from ..operand_arrays import need, once, positive, ring, writable
from ..rows import Number, Word, kernel, optional, written
from . import ONE, ZERO, bounded, flush, settle
from .functions import exponential
from .spikes import HEADER, flags_to_indices, slot_address

SUBTRACT, DELAYED, TWICE = 1, 2, 4  # bits of integrate_and_fire's mode
MAX_SPIKES_PER_STEP = np.float32(65535)  # largest number of spikes of a neuron in a step

# words of rows --------------------------------------------------------------------------------------------------
#: a population: number of neurons; its parameters by name, one array each (and the address of all, and the size of
#: each: 1 or n); step from one neuron's parameter to the next (0: shared, 1); its currents, and what they are reset to
#: for the next step, which may be the same array
Population = namedtuple("Population", "n p params each step current bias")
#: the neurons that fired: one byte each, and the address of the bytes; the ring of spike lists, and the offset of the
#: multiplicities in a slot; a counter of spikes; refractory period in steps
Fired = namedtuple("Fired", "flags at spikes stride slots clock multiplicity counter refractory")


class Neurons(Word):
    """The neurons of a population, which the kernel receives as a `Population`. The operands are ``n`` (number of
    neurons), ``params`` (float32, one row for each parameter), ``each`` (number of columns of ``params``: n, or 1 if
    the neurons share their parameters), ``current`` and ``bias``.

    parameters : names of the parameters, one for each row of ``params``
    """

    words = ("n", "params", "each", "current", "bias")

    def __init__(self, *parameters):
        self.parameters = parameters
        self.uses = (Population, namedtuple("Parameters", parameters))

    def __str__(self):
        return f"{super().__str__()}. Parameters: {', '.join(self.parameters) or 'levels'}"

    def code(self, parameter, w):
        n, params, each = w["n"], w["params"], w["each"]
        numbers = f"{params}, {each}, 1 if {each} > 1 else 0"
        currents = f"f32({w['current']}, {n}), f32({w['bias']}, {n} if {w['current']} != {w['bias']} else 0)"
        return [f"{parameter} = Population({n}, {self.arrays(params, each)}, {numbers}, {currents})"]

    def arrays(self, params, each):
        """Return Python source code for a named tuple with an array for each parameter.

        params, each : names of the variables that contain these operands
        """
        views = (f"f32({params} + 4 * {k} * {each}, {each})" for k in range(len(self.parameters)))
        return f"Parameters({', '.join(views)})"

    def function(self, name):
        """Make the compiled function ``one(cells)`` or ``each(cells)``, which returns a population's parameters.

        ``each`` returns a named tuple of arrays, like ``cells.p``: one element for each neuron. ``one`` returns a named
        tuple of numbers that all neurons share. A kernel with separate code for these two cases reads only the
        parameters that it needs.

        name : "one" or "each"
        """
        n = len(self.parameters)
        numbers = ", ".join(f"f32(cells.params, {n})[{k}]" for k in range(n))
        made = {"one": f"Parameters({numbers})", "each": self.arrays("cells.params", "cells.each")}[name]
        scope = {"f32": f32, "Parameters": self.uses[1]}
        exec(f"def {name}(cells):\n    return {made}", scope)
        return register_jitable(forceinline=True)(scope[name])

    def rows(self, w):
        """Return the number of rows of the operand ``params``: one row for each parameter."""
        return len(self.parameters)

    def check(self, parameter, w):
        positive(w.n)
        if w.each not in (1, w.n):
            raise ProgramError(f"each {w.each}: must be 1, or {w.n}")
        need(self.rows(w) * w.each, 4, w.params)
        need(w.n, 4, w.current, w.bias)
        if w.current.constant and w.current.block != w.bias.block:
            raise ProgramError("a current among the constants: must be the bias itself")


class Firing(Word):
    """The spikes of a population, which the kernel receives as a `Fired` and writes. The operands are ``flags`` (uint8,
    padded to 64), ``spikes``, ``stride``, ``slots``, ``clock``, ``counter`` (of spikes), ``multiplicity`` and
    ``refractory``.

    once : true if a neuron fires at most once in a step
    """

    uses = (Fired,)
    words = ("flags", "spikes", "stride", "slots", "clock", "counter", "multiplicity", "refractory")

    def __init__(self, once=True):
        self.once = once

    def code(self, parameter, w):
        ring = ", ".join(w[name] for name in ("spikes", "stride", "slots", "clock", "multiplicity"))
        flags, counter = f"u8({w['flags']}, {w['n']}), {w['flags']}", f"i64({w['counter']}, 1)"
        return [f"{parameter} = Fired({flags}, {ring}, {counter}, {w['refractory']})"]

    def check(self, parameter, w):
        need(-(-w.n // 64) * 64, 1, w.flags)
        need(1, 8, w.counter)
        ring(w.spikes, w.stride, w.slots, w.clock, 0, w.multiplicity, w.n)
        writable(w.flags, w.counter, w.spikes)
        if not 0 <= w.refractory <= 65535:
            raise ProgramError(f"refractory period of {w.refractory} steps: must be at most 65535")
        if self.once:
            once(w.multiplicity)


#: number of refractory steps left for each neuron
waiting = written("u16", "n", when="refractory")


@register_jitable(forceinline=True)
def emit(n, fired):
    """Convert the spike flags of a population to the spike list of this step, and count the spikes.

    n : number of neurons
    fired : flags, ring of spike lists and spike counter, see `Firing`
    """
    slot = slot_address(fired.spikes, fired.stride, fired.slots, fired.clock, 0)
    count = flags_to_indices(fired.at, n, u32(slot + HEADER, n))
    i64(slot, 1)[0] = count
    fired.counter[0] += count


@register_jitable(forceinline=True)
def emit_multiple(n, fired, counts):
    """Write the spike list of this step, as `emit` does, with the number of spikes of each neuron that fired.

    counts : (n,) uint16, number of spikes of each neuron in this step
    """
    slot = slot_address(fired.spikes, fired.stride, fired.slots, fired.clock, 0)
    indices, multiplicity = u32(slot + HEADER, n), u16(slot + fired.multiplicity, n)
    count = flags_to_indices(fired.at, n, indices)
    i64(slot, 1)[0] = count
    total = 0
    for k in range(count):
        multiplicity[k] = counts[indices[k]]
        total += np.int64(multiplicity[k])
    fired.counter[0] += total


@register_jitable(forceinline=True)
def restart_current(cells):
    """Reset the neurons' current to the bias, for the next step. Without input, both are the same array."""
    for i in range(cells.bias.size):
        cells.current[i] = cells.bias[i]


LINEAR = Neurons("decay", "gain", "leak", "gain_syn", "decay_syn", "threshold", "reset", "floor", "beta", "decay_adapt")
one, each = LINEAR.function("one"), LINEAR.function("each")


@register_jitable(forceinline=True)
def step_identical_neurons(cells, fired, mode, v, isyn, wait, synaptic, refractory):
    """Update integrate-and-fire neurons in the most frequent case, for which the compiler can vectorise the loop.

    In this case the neurons share their parameters, fire at most once per step, do not adapt and reset immediately.

    mode, v, isyn, wait : as in `integrate_and_fire`
    synaptic, refractory : literals, true if the neurons have a synaptic current, and a refractory period
    """
    p, current, flags, period = one(cells), cells.current, fired.flags, fired.refractory
    decay, gain, leak, gain_syn, decay_syn = p.decay, p.gain, p.leak, p.gain_syn, p.decay_syn
    threshold, reset, floor, subtract = p.threshold, p.reset, p.floor, mode != 0
    for i in range(v.size):
        u = decay * bounded(v[i]) + gain * current[i]
        if synaptic:
            q = isyn[i]
            u = u + gain_syn * q
            isyn[i] = settle(q * decay_syn)
        u = u + leak
        u = u if u > floor else floor
        fires = u >= threshold
        if refractory:
            free = wait[i] == 0
            fires = free & fires
        after = u - reset if subtract else reset
        u = flush(after if fires else u)
        if refractory:
            u = u if free else v[i]
            wait[i] = period if fires else (0 if free else wait[i] - 1)
        v[i] = u
        flags[i] = fires


@register_jitable(forceinline=True)
def step_varied_neurons(cells, fired, mode, v, isyn, adapt, wait, counts):
    """Update integrate-and-fire neurons in the cases that `step_identical_neurons` excludes, one after the other.

    They have individual parameters, adaptation, several spikes or a delayed reset. Arguments: see `integrate_and_fire`.
    """
    p, current, flags, refractory = each(cells), cells.current, fired.flags, fired.refractory
    subtract, delayed, multiple = (mode & SUBTRACT) != 0, (mode & DELAYED) != 0, fired.multiplicity != 0
    twice, synaptic, adapts = (mode & TWICE) != 0, isyn.size > 0, adapt.size > 0
    for i in range(cells.n):
        one_by_one()
        j = i * cells.step
        if synaptic:
            q = isyn[i]
            isyn[i] = settle(q * p.decay_syn[j])
        else:
            q = ZERO
        threshold, reset = p.threshold[j], p.reset[j]
        if adapts:
            threshold = threshold + p.beta[j] * adapt[i]
            adapt[i] = flush(adapt[i] * p.decay_adapt[j])
        fired_before = flags[i]
        flags[i] = 0
        if refractory > 0 and wait[i] > 0:
            wait[i] -= 1
            continue
        before = bounded(v[i])
        again = delayed & (fired_before != 0)  # the delayed reset of the last step's spike
        if again and not subtract:
            before = reset
        u = ((p.decay[j] * before + p.gain[j] * current[i]) + p.gain_syn[j] * q) + p.leak[j]
        if again and subtract:
            u = u - reset
        u = u if u > p.floor[j] else p.floor[j]
        if twice and before >= threshold:
            fires = u - reset >= threshold
        else:
            fires = u >= threshold
        if fires:
            flags[i] = 1
            if multiple:
                share = u / reset
                counts[i] = np.uint16(share if share < MAX_SPIKES_PER_STEP else MAX_SPIKES_PER_STEP)
                u = u - np.float32(counts[i]) * reset
            elif not delayed:
                u = u - reset if subtract else reset
            if adapts:
                adapt[i] += ONE
            if refractory > 0:
                wait[i] = refractory
        v[i] = flush(u)


@kernel()
def integrate_and_fire(
    cells: LINEAR, fired: Firing(once=False), mode: Number(0, 7), v: written("f32", "n"),
    isyn: optional(written("f32", "n")), adapt: optional(written("f32", "n")), wait: waiting,
    counts: written("u16", "n", when="multiplicity"),
):  # fmt: skip
    """Update integrate-and-fire neurons, whose membrane equation is linear below the threshold, such as LIF neurons.

    mode : bits of the reset. 1: v <- v - reset instead of v <- reset; 2: the reset happens in the next step; 4: a
        neuron that was above the threshold before the step fires only if v >= threshold + reset
    v, isyn, adapt : membrane potential, synaptic current, and threshold adaptation of each neuron
    wait : remaining steps of the refractory period of each neuron
    counts : scratch memory for the number of spikes of each neuron in this step
    """
    if (cells.step > 0) | (adapt.size > 0) | (fired.multiplicity != 0) | (mode > SUBTRACT):
        step_varied_neurons(cells, fired, mode, v, isyn, adapt, wait, counts)
    elif isyn.size > 0:
        if fired.refractory > 0:
            step_identical_neurons(cells, fired, mode, v, isyn, wait, True, True)
        else:
            step_identical_neurons(cells, fired, mode, v, isyn, wait, True, False)
    elif fired.refractory > 0:
        step_identical_neurons(cells, fired, mode, v, isyn, wait, False, True)
    else:
        step_identical_neurons(cells, fired, mode, v, isyn, wait, False, False)
    restart_current(cells)
    if fired.multiplicity != 0:
        emit_multiple(cells.n, fired, counts)
    else:
        emit(cells.n, fired)


@kernel()
def leaky_integrator(
    cells: Neurons("decay", "gain", "leak", "gain_syn", "decay_syn", "loss", "floor"), v: written("f32", "n"),
    isyn: optional(written("f32", "n")),
):  # fmt: skip
    """Update leaky integrators: neurons without spikes, whose graded output is their membrane potential.

    With the method forward Euler, ``decay`` is 1 and ``loss`` times v is subtracted. A single factor 1 - loss would be
    rounded, and the result would deviate from forward Euler over long times.
    """
    p, current, synaptic = cells.p, cells.current, isyn.size > 0
    for i in range(cells.n):
        j, q = i * cells.step, ZERO
        if synaptic:
            q = isyn[i]
            isyn[i] = settle(q * p.decay_syn[j])
        before = bounded(v[i])
        before = before if before > p.floor[j] else p.floor[j]
        u = p.gain[j] * current[i] + p.gain_syn[j] * q
        u = u + (p.leak[j] - p.loss[j] * before)
        v[i] = flush(p.decay[j] * before + u)
    restart_current(cells)


@register_jitable(forceinline=True)
def fire(fired, i, wait, before, u, second, threshold, reset, jump):
    """Apply threshold and refractory period of an AdEx or Izhikevich neuron, and set its spike flag.

    before : membrane potential of neuron i before the step, which remains unchanged during the refractory period
    u, second : membrane potential and second state variable after the step, without threshold
    jump : change of the second state variable at a spike

    Return the membrane potential and the second state variable with threshold and refractory period.
    """
    fired.flags[i] = 0
    if fired.refractory > 0 and wait[i] > 0:
        wait[i] -= 1
        u = before
    elif u >= threshold:
        fired.flags[i] = 1
        u = reset
        second = second + jump
        if fired.refractory > 0:
            wait[i] = fired.refractory
    return u, second


STEEPEST = np.float32(30)  # limit of the exponent; beyond it a neuron always fires


@kernel()
def adex(
    cells: Neurons(
        "decay", "gain", "leak", "threshold", "reset", "slope", "rheobase", "steep", "decay_w", "coupling", "jump",
        "rest",
    ),
    fired: Firing(), v: written("f32", "n"), w: written("f32", "n"), wait: waiting,
):  # fmt: skip
    """Update AdEx neurons: v <- decay v + leak + gain (current - w) + slope exp(steep (v - rheobase)).

    Then the adaptation current: w <- decay_w w + coupling (v - rest), with the old v. Other names: parameters below.
    """
    p, current = cells.p, cells.current
    for i in range(cells.n):
        j, before, adaptation = i * cells.step, bounded(v[i]), w[i]
        z = p.steep[j] * (before - p.rheobase[j])
        rise = p.slope[j] * exponential(z if z < STEEPEST else STEEPEST)
        u = (p.decay[j] * before + p.gain[j] * (current[i] - adaptation)) + rise
        u = u + p.leak[j]
        after = p.decay_w[j] * adaptation + p.coupling[j] * (before - p.rest[j])
        u, after = fire(fired, i, wait, before, u, after, p.threshold[j], p.reset[j], p.jump[j])
        v[i] = flush(u)
        w[i] = settle(after)
    restart_current(cells)
    emit(cells.n, fired)


SQUARE, SLOPE, CONSTANT = np.float32(0.04), np.float32(5), np.float32(140)


@register_jitable(forceinline=True)
def quadratic(v, u, drive, half):
    return v + half * ((((SQUARE * v + SLOPE) * v + CONSTANT) - u) + drive)


@kernel()
def izhikevich(
    cells: Neurons("half", "gain", "threshold", "reset", "rate", "b", "jump"), fired: Firing(),
    v: written("f32", "n"), u: written("f32", "n"), wait: waiting,
):  # fmt: skip
    """Update Izhikevich neurons: two steps of dt / 2 for v, then one of dt for u, as in Izhikevich's program."""
    p, current = cells.p, cells.current
    for i in range(cells.n):
        j, before, recovery = i * cells.step, bounded(v[i]), u[i]
        half, drive = p.half[j], p.gain[j] * current[i]
        v1 = quadratic(quadratic(before, recovery, drive, half), recovery, drive, half)
        after = recovery + p.rate[j] * (p.b[j] * v1 - recovery)
        v1, after = fire(fired, i, wait, before, v1, after, p.threshold[j], p.reset[j], p.jump[j])
        v[i] = settle(v1)
        u[i] = settle(after)
    restart_current(cells)
    emit(cells.n, fired)
