"""The guard, the last operation of every tick: it detects faults, limits the commands, and moves them to safe values.

The functions of `snn_control.engine.command_limiter` limit the motion of the commands.
"""

import numpy as np
from numba.extending import register_jitable

from ...coding.outputs import MOTION_LIMITS
from ...errors import ProgramError
from ..command_limiter import (
    FUNCTIONS,
    MOST_AVERAGED,
    STAY,
    elapsed_periods,
    limit_commands,
    reset_motion,
    within,
    words_of,
)
from ..control_words import DRIVER, ELAPSED, HELD, LEARNING, RELEASE
from ..rows import Number, Table, count, kernel, number, optional, read, written
from ..slots import AGE, SLOT_WORDS
from . import ZERO
from .input_checks import VALID

# words of the guard's state
FAULTED, STREAK, REASON, SAFE_TICKS, CLAMPS, SLEWED, FAULTS, RELEASED, BEGUN, GUARD_WORDS = range(10)
# bits of REASON; a driver sets STOPPED, LATE and OVERLOADED
INPUT_INVALID, OUTPUT_NOT_FINITE, STOPPED, LATE, STOP_INPUT, OVERLOADED, OPERATOR = 1, 2, 4, 8, 16, 32, 64
# words of `stop`, with a bit for each input: inputs that stop now, and inputs whose stop is latched
NOW, LATCHED, STOP_WORDS = range(3)
MOST_STOPS = 62  # number of bits for inputs in a word

LIMITS = Table("f64", "m", "low", "high", "safe", *MOTION_LIMITS)

for _function in FUNCTIONS:
    register_jitable(forceinline=True)(_function)


def _guarded(w):
    limits = LIMITS.rows_of(w.limits.data, w.m)
    low, high, safe, *others = limits
    if not ((low <= safe) & (safe <= high) & np.isfinite(safe) & (np.array(others) >= 0).all(0)).all():
        raise ProgramError(f"limits: must be low <= safe <= high, and {', '.join(MOTION_LIMITS)} >= 0")
    words, needed = w.words_per_element, words_of(limits)
    if not words >= needed:
        raise ProgramError(f"limits: need {needed:.0f} words of motion for each number, not {words}")
    motion = w.motion.data[: 8 * w.m * words].view(np.float64)
    before = motion[: w.m]
    if not ((low <= before) & (before <= high)).all():
        raise ProgramError("the last command: must be within the limits")
    if not np.isfinite(motion).all():
        raise ProgramError("the motion of the commands: must be finite")


@register_jitable(forceinline=True)
def latch(words, reason, release, released):
    """Update the guard's fault state for this tick. Return whether the controller is in a fault now.

    A fault begins when ``reason`` is not 0. When ``reason`` is 0 again, an operator or a number of valid ticks ends the
    fault.

    words : (GUARD_WORDS,) int64, state of the guard; updated
    reason : faults of this tick, as bits
    release : number of consecutive valid ticks that end a fault; 0 if only an operator ends a fault
    released : number of requests by an operator to end a fault
    """
    if reason != 0:
        words[FAULTS] += 1 - words[FAULTED]
        words[FAULTED] = 1
        words[STREAK] = 0
    elif words[FAULTED] != 0:
        words[STREAK] += 1
        if ((release > 0) & (words[STREAK] >= release)) | (words[RELEASED] != released):
            words[FAULTED] = 0
    words[RELEASED] = released
    words[REASON] = reason
    words[SAFE_TICKS] += words[FAULTED]
    return words[FAULTED] != 0


@register_jitable(forceinline=True)
def stopped(stops, release):
    """Return whether an input with ``stop_when`` stops the commands now.

    stops : state of the stops: the present stops, and the latched stops, which last until an operator releases them
    release : true if an operator asks to end a fault; latched stops that are no longer present are then cleared
    """
    if release:
        stops[LATCHED] &= stops[NOW]
    return (stops[NOW] | stops[LATCHED]) != 0


@kernel()
def stop(
    n: count, slot: read("i64", SLOT_WORDS), held: read("f32", "n"), valid: read("i64", 2), zero: Number(0, 1),
    latched: Number(0, 1), bit: Number(0, MOST_STOPS - 1), stops: written("i64", STOP_WORDS),
):  # fmt: skip
    """Stop the commands while an input with ``stop_when``, such as an emergency stop, is pressed or invalid.

    slot : header of the input, with the age of its newest sample
    held : newest numbers of the input
    valid : whether the input is valid
    zero : 0 if the input is pressed when one of its numbers is not 0; 1 if it is pressed when one of them is 0
    latched : 1 if the stop lasts until an operator releases it; 0 if it ends with its cause. Before the first message
        the input is invalid, but this stop is never latched
    bit : bit of this input in ``stops``
    stops : present and latched stops of all inputs; updated
    """
    pressed = valid[VALID] == 0
    for i in range(n):
        pressed |= (held[i] == ZERO) == (zero != 0)
    mask = np.int64(1) << bit
    stops[NOW] = stops[NOW] | mask if pressed else stops[NOW] & ~mask
    if pressed & (latched != 0) & (slot[AGE] >= 0):
        stops[LATCHED] |= mask


@register_jitable(forceinline=True)
def fault_bits(inputs, validity, required, m, raw):
    """Detect two faults of this tick: a required input is invalid, or a computed output is not finite.

    Return the faults as bits of the guard's word REASON.
    """
    reason = 0
    for k in range(inputs):
        if (required[k] != 0) & (validity[2 * k] == 0):
            reason |= INPUT_INVALID
    for j in range(m):
        if not np.isfinite(raw[j]):
            reason |= OUTPUT_NOT_FINITE
    return reason


@kernel(version=6, must=_guarded)
def guard(
    inputs: Number(0, 1 << 20), validity: read("i64", "2 * inputs"), required: read("i64", "inputs"), m: count,
    raw: read("f32", "m"), command: written("f64", "m"), limits: LIMITS, way: read("u8", "m"),
    words_per_element: Number(1, 2 + MOST_AVERAGED), motion: written("f64", "m * words_per_element"),
    words: written("i64", GUARD_WORDS),
    control: read("i64", LEARNING), release: number, stops: optional(written("i64", STOP_WORDS)),
    start: optional(read("f32", "m")),
):  # fmt: skip
    """Compute finite commands within limits, slew, acceleration and jerk. In a fault, they move to their safe values.

    A fault has one or several reasons:

    - a required input is invalid;
    - an output of the network is not finite;
    - an input or an operator stops the commands;
    - the driver, which is the code that runs the ticks, is about to stop, or its last tick took too long.

    When no reason is left, the fault ends after ``release`` consecutive valid ticks, or when an operator ends it. If
    ``release`` is 0, only an operator ends a fault.

    During a fault, ``way`` selects for each command how it approaches its safe value:

    - JUMP: in one tick;
    - RAMP: within slew and acceleration;
    - STAY: the command slows down within its acceleration limit until it is constant. If no command was sent before the
      fault, ``start`` is the command to keep, if it is finite.

    Slew is a limit per second, so the guard needs the time since the last tick, which the driver writes into
    ``control``. With an acceleration limit, the command makes one step for each whole period of this time.
    """
    reason = control[DRIVER] | fault_bits(inputs, validity, required, m, raw)
    held = control[RELEASE] & HELD
    released = control[RELEASE] ^ held
    if held != 0:
        reason |= OPERATOR
    if stops.size > 0 and stopped(stops, released != words[RELEASED]):
        reason |= STOP_INPUT
    faulted = latch(words, reason, release, released)
    periods, rounds = elapsed_periods(control[ELAPSED])
    begins = words[BEGUN] == 0
    words[BEGUN] |= not faulted
    if begins & (start.size > 0):
        for j in range(m):
            if (way[j] == STAY) & np.isfinite(start[j]):
                value = within(np.float64(start[j]), limits.low[j], limits.high[j])
                reset_motion(j, value, limits, motion, words_per_element)
    if faulted | (words_per_element > 1):
        clamps, slewed = limit_commands(command, raw, faulted, way, periods, rounds, limits, motion, words_per_element)
    else:  # compiled on its own, for the vector unit: the usual case, without an acceleration
        clamps, slewed = limit_commands(command, raw, False, way, periods, rounds, limits, motion, 1)
    words[CLAMPS] += clamps
    words[SLEWED] += slewed
