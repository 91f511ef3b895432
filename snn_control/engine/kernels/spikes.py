"""Spike lists and graded signals of past steps, and the operands with which kernels read them.

A population stores the spike lists of its last ``slots`` steps in a ring buffer. Each slot has ``stride`` bytes:

- 64 bytes of header: the number of neurons that fired, int64;
- the indices of these neurons, ascending uint32;
- at the offset ``multiplicity``, the number of spikes of each of these neurons, uint16. If ``multiplicity`` is 0, each
  neuron fired once, and the slot does not have this part.

A graded population with a delay stores its last vectors in the same way, without a header.

The classes declare parameters of kernels (`snn_control.engine.rows`). A parameter may consist of several operands; the
docstring of its class lists them.
"""

from collections import namedtuple

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..memory import flags64, i64, lowest_bit
from ..operand_arrays import clocked, graded, need, once, positive, ring, writable
from ..rows import Word, in_words, read, size_of

HEADER = 64  # bytes

#: of one step: neurons that fired (uint32 view), their multiplicities (uint16 view, empty if each fired once); the step
SpikeList = namedtuple("SpikeList", "fired times now")
#: a ring of lists or vectors and the current step, for `slot_of_step`
Past = namedtuple("Past", "base stride slots now multiplicity")


@register_jitable(forceinline=True)
def slot_address(base, stride, slots, clock, delay):
    """Return the address of the slot of a ring buffer that was written ``delay`` steps ago.

    base, stride, slots : address of the ring buffer, bytes of a slot, and number of slots
    clock : address of two int64: number of the tick, number of the step
    """
    if slots == 1:
        return base
    return slot_of_step(base, stride, slots, i64(clock, 2)[1] - delay)


@register_jitable(forceinline=True)
def slot_of_step(base, stride, slots, step):
    """Return the address of the slot of a ring buffer for the step with the number ``step``."""
    return base + stride * (step % slots)


@register_jitable(forceinline=True)
def flags_to_indices(flags, n, out):
    """Write the indices of the nonzero flags to ``out``, ascending. Return the number of indices.

    flags : address of n bytes, padded to a multiple of 64
    out : (n,) uint32; the element after the last index, if there is one, is set to 0
    """
    count, none, one = 0, np.uint64(0), np.uint64(1)
    for k in range(0, n, 64):
        mask = flags64(flags + k)
        if k + 64 <= n:
            for _ in range(2):  # more than two are rare: two are done without an unpredictable branch
                out[count] = k + lowest_bit(mask)
                count += np.int64(mask != none)
                mask &= mask - one
        else:
            mask &= (one << np.uint64(n - k)) - one
        while mask != none:
            out[count] = k + lowest_bit(mask)
            count += 1
            mask &= mask - one
    if count < n:
        out[count] = 0
    return count


# words of rows --------------------------------------------------------------------------------------------------
class Spikes(Word):
    """The spike list of a step, which the kernel receives as a `SpikeList`. The operands are ``spikes``, ``stride``,
    ``slots``, ``clock``, ``delay`` and ``multiplicity``.

    of : number of neurons of the source
    delay : true if there is an operand ``delay``, the age of the list [steps]; false if the list is the newest one
    multiplicity : true if there is an operand ``multiplicity``; false if each neuron fires at most once in a step
    once : true if the kernel accepts only neurons that fire at most once in a step
    prefix : prefix of the operands' names, for a second list that shares the clock with the first one
    """

    uses = (slot_address, SpikeList)

    def __init__(self, of, delay=True, multiplicity=True, once=False, prefix=""):
        self.of, self.delay, self.multiplicity, self.once, self.prefix = of, delay, multiplicity, once, prefix

    def names(self, parameter):
        words = [self.prefix + name for name in ("spikes", "stride", "slots")]
        return (*words, *["clock"] * (not self.prefix), *["delay"] * self.delay, *["multiplicity"] * self.multiplicity)

    def code(self, parameter, w):
        base, stride, slots = (w[self.prefix + name] for name in ("spikes", "stride", "slots"))
        times = "u16(slot, 0)"
        if self.multiplicity:
            times = f"u16(slot + {w['multiplicity']}, length if {w['multiplicity']} != 0 else 0)"
        return [
            f"slot = slot_address({base}, {stride}, {slots}, {w['clock']}, {w['delay'] if self.delay else 0})",
            "length = i64(slot, 1)[0]",
            f"{parameter} = SpikeList(u32(slot + {HEADER}, length), {times}, i64({w['clock']}, 2)[1])",
        ]

    def check(self, parameter, w):
        lists, stride, slots = (getattr(w, self.prefix + name) for name in ("spikes", "stride", "slots"))
        multiplicity = w.multiplicity if self.multiplicity else 0
        ring(lists, stride, slots, w.clock, w.delay if self.delay else 0, multiplicity, size_of(self.of, w))
        if self.once:
            once(multiplicity)


class PastSpikes(Spikes):
    """The spike lists of the newest ``steps`` steps, which the kernel receives as a `Past`. The operands are
    ``spikes``, ``stride``, ``slots``, ``clock`` and ``multiplicity``."""

    uses = (Past,)

    def __init__(self, of, steps, multiplicity=True):
        super().__init__(of, delay=False, multiplicity=multiplicity)
        self.steps = steps

    def code(self, parameter, w):
        now, multiplicity = f"i64({w['clock']}, 2)[1]", w["multiplicity"] if self.multiplicity else 0
        return [f"{parameter} = Past({w['spikes']}, {w['stride']}, {w['slots']}, {now}, {multiplicity})"]

    def check(self, parameter, w):
        super().check(parameter, w)
        reaches_back(w, self.steps)


def reaches_back(w, steps):
    needed = size_of(steps, w)
    if w.slots < needed:
        raise ProgramError(f"{w.slots} slots: the kernel looks at {needed} steps")


class Signal(Word):
    """The graded signals that arrive in this step, a float32 vector. The operands are ``x``, ``n_pre``, ``stride``,
    ``slots``, ``clock`` and ``delay``."""

    uses = (slot_address,)
    words = ("x", "n_pre", "stride", "slots", "clock", "delay")

    def code(self, parameter, w):
        words = ", ".join(w[name] for name in ("x", "stride", "slots", "clock", "delay"))
        return [f"{parameter} = f32(slot_address({words}), {w['n_pre']})"]

    def check(self, parameter, w):
        graded(w.x, w.n_pre, w.stride, w.slots, w.clock, w.delay)


#: the clock: [tick, current step]
clock = read("i64", 2, followed=True)


class Line(Word):
    """The vector of this step in the delay line of graded signals, float32. The operands are ``line``, ``stride``,
    ``slots`` and ``clock``.

    of : number of elements of a vector
    """

    uses = (slot_address,)
    words = ("line", "stride", "slots", "clock")

    def __init__(self, of):
        self.of = of

    def code(self, parameter, w):
        words = ", ".join(w[name] for name in self.words)
        return [f"{parameter} = f32(slot_address({words}, 0), {in_words(self.of, w)})"]

    def check(self, parameter, w):
        n = size_of(self.of, w)
        positive(w.slots, w.stride)
        need(w.slots * w.stride, 1, w.line)
        writable(w.line)
        clocked(w.clock)
        if w.stride < 4 * n or w.stride % 4:
            raise ProgramError(f"stride {w.stride}: no line for {n} numbers")


class PastLine(Line):
    """The vectors of the newest ``steps`` steps in the delay line of graded signals, which the kernel receives as a
    `Past`. The operands are ``line``, ``stride``, ``slots`` and ``clock``."""

    uses = (Past,)

    def __init__(self, of, steps):
        super().__init__(of)
        self.steps = steps

    def code(self, parameter, w):
        return [f"{parameter} = Past({w['line']}, {w['stride']}, {w['slots']}, i64({w['clock']}, 2)[1], 0)"]

    def check(self, parameter, w):
        super().check(parameter, w)
        reaches_back(w, self.steps)
