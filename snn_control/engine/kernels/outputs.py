"""From spikes to the command; how it moves within its limits is in `snn_control.engine.motion`."""

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..control import DRIVER, ELAPSED, LEARNING, RELEASE
from ..motion import FUNCTIONS, JUMP, STAY, move, passed, stand, within
from ..operand_arrays import Array
from ..rows import Number, Table, address, count, counter, kernel, number, optional, read, scalar, written
from ..slots import AGE, SLOT_WORDS
from . import NAN, ONE, ZERO, settle
from .delivery import add_dense_spikes, rows_of, synapses_of
from .encoders import VALID
from .functions import exponential
from .spikes import Spikes

# words of the guard's state
FAULTED, STREAK, REASON, SAFE_TICKS, CLAMPS, SLEWED, FAULTS, RELEASED, BEGUN, GUARD_WORDS = range(10)
# bits of REASON; a driver sets STOPPED, LATE and OVERLOADED
INPUT_INVALID, OUTPUT_NOT_FINITE, STOPPED, LATE, STOP_INPUT, OVERLOADED = 1, 2, 4, 8, 16, 32
# words of `stop`: the inputs that stop now, and those whose stop is latched, a bit for each input
NOW, LATCHED, STOP_WORDS = range(3)
MOST_STOPS = 62  # bits that a word has for inputs


n_pre = rows_of("m")


@kernel()
def trace(
    m: count, y: written("f32", "m"), weights: address("f32", "m"), source: Spikes(n_pre, delay=False),
    decay: scalar("f32"), counter: counter, fan_out: optional(read("u32", n_pre)),
):  # fmt: skip
    """Exponentially filtered, decoded spikes: y <- decay y + the rows of the weights, float32 (n_pre, m), of the
    neurons that fired."""
    for i in range(m):
        y[i] = settle(y[i] * decay)
    if source.fired.size > 0:
        add_dense_spikes(y, weights, source)
        counter[0] += synapses_of(m, fan_out, source.fired)


@kernel()
def argmax(n: count, x: read("f32", "n"), y: written("f32", 1)):
    """Index of the first largest value; NaN, which the guard detects, if a value is not finite."""
    best, finite = 0, True
    for i in range(n):
        finite &= np.isfinite(x[i])
        if x[i] > x[best]:
            best = i
    y[0] = np.float32(best) if finite else NAN


TWO = np.float32(2)


@kernel()
def squash(n: count, x: read("f32", "n"), y: written("f32", "n"), centre: read("f32", "n"), half: read("f32", "n")):
    """y = centre + half tanh(x), with tanh |x| = 1 - 2 / (exp(2 |x|) + 1); NaN, which the guard detects, if x is not
    finite."""
    for i in range(n):
        t = ONE - TWO / (exponential(TWO * abs(x[i])) + ONE)
        y[i] = centre[i] + half[i] * (t if x[i] > ZERO else -t) if np.isfinite(x[i]) else NAN


LIMITS = Table("f64", "m", "low", "high", "slew", "safe", "acceleration")
MOST_SMOOTHED = 10_000  # ticks over which a command is smoothed at most

for _function in FUNCTIONS:
    register_jitable(forceinline=True)(_function)


def _guarded(w):
    low, high, slew, safe, acceleration = LIMITS.rows_of(w.limits.data, w.m)
    if not ((low <= safe) & (safe <= high) & (slew >= 0) & (acceleration >= 0) & np.isfinite(safe)).all():
        raise ProgramError("limits: must be low <= safe <= high, and slew and acceleration >= 0")
    if not isinstance(w.step, Array) and not np.isinf(acceleration).all():
        raise ProgramError("limits: an acceleration needs the last step of the command")
    before = w.previous.data[: 8 * w.m].view(np.float64)
    if not ((low <= before) & (before <= high) & np.isfinite(before)).all():
        raise ProgramError("the last command: must be within the limits")
    if isinstance(w.step, Array) and not np.isfinite(w.step.data[: 8 * w.m].view(np.float64)).all():
        raise ProgramError("the last step of a command: must be finite")
    if w.longest:
        ring, windows = w.ring.data.view(np.float64), w.windows.data[: 8 * w.m].view(np.int64)
        if not (np.isfinite(ring[: w.m * w.longest]).all() and ((windows >= 1) & (windows <= w.longest)).all()):
            raise ProgramError("the commands that are averaged: must be finite, over 1 tick to the longest window")


@register_jitable(forceinline=True)
def latch(words, reason, release, released):
    """Whether a fault lasts: any reason starts one, and ``release`` valid ticks in a row, or an operator, end it.

    released : number of times an operator has asked for a release
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
    """Whether an input stops the commands, after the operator's ``release`` of those that stop no more."""
    if release:
        stops[LATCHED] &= stops[NOW]
    return (stops[NOW] | stops[LATCHED]) != 0


@kernel()
def stop(
    n: count, slot: read("i64", SLOT_WORDS), held: read("f32", "n"), valid: read("i64", 2), zero: Number(0, 1),
    latched: Number(0, 1), bit: Number(0, MOST_STOPS - 1), stops: written("i64", STOP_WORDS),
):  # fmt: skip
    """An input that stops the commands: while a number of it is not 0 (``zero``: is 0), and while it is invalid.

    With ``latched`` the stop lasts until an operator's release, which the guard sees. Silence before the first message
    is not latched.
    """
    pressed = valid[VALID] == 0
    for i in range(n):
        pressed |= (held[i] == ZERO) == (zero != 0)
    mask = np.int64(1) << bit
    stops[NOW] = stops[NOW] | mask if pressed else stops[NOW] & ~mask
    if pressed & (latched != 0) & (slot[AGE] >= 0):
        stops[LATCHED] |= mask


@register_jitable(forceinline=True)
def seen(inputs, validity, required, m, raw):
    """Faults of the inputs and of what was computed."""
    reason = 0
    for k in range(inputs):
        if (required[k] != 0) & (validity[2 * k] == 0):
            reason |= INPUT_INVALID
    for j in range(m):
        if not np.isfinite(raw[j]):
            reason |= OUTPUT_NOT_FINITE
    return reason


@kernel(version=5, must=_guarded)
def guard(
    inputs: Number(0, 1 << 20), validity: read("i64", "2 * inputs"), required: read("i64", "inputs"), m: count,
    raw: read("f32", "m"), command: written("f64", "m"), previous: written("f64", "m"),
    limits: LIMITS, way: read("u8", "m"),
    words: written("i64", GUARD_WORDS), control: read("i64", LEARNING), release: number,
    stops: optional(written("i64", STOP_WORDS)), step: optional(written("f64", "m")),
    longest: Number(0, MOST_SMOOTHED), windows: read("i64", "m", when="longest"),
    ring: written("f64", "m * longest", when="longest"), start: optional(read("f32", "m")),
):  # fmt: skip
    """The last operation of every tick: a finite command within limits, slew, acceleration and jerk, or the safe one.

    A fault is a required input that is invalid, an output that is not finite, an input that stops the commands, or what
    a driver reports (it is about to stop, its last tick took too long). While it lasts, and until `release` valid ticks
    in a row (0: only an operator) end it, the command goes the `way` to the safe one: JUMP in one tick, RAMP within
    slew and acceleration, STAY where it is, or brake within acceleration. The slew is a change per second: a driver
    reports in the control words how much time has passed. With an acceleration each whole period of it is a step of its
    own; `step` is the last one. Before the first command, STAY begins at `start` where this is finite.
    """
    reason = control[DRIVER] | seen(inputs, validity, required, m, raw)
    if stops.size > 0 and stopped(stops, control[RELEASE] != words[RELEASED]):
        reason |= STOP_INPUT
    faulted = latch(words, reason, release, control[RELEASE])
    periods, rounds = passed(control[ELAPSED])
    begins = words[BEGUN] == 0
    words[BEGUN] |= not faulted
    clamps = slewed = 0
    if not (faulted | begins | (step.size > 0)):  # the usual case, as `move` would do it without an acceleration
        for j in range(m):
            low, high, most = limits.low[j], limits.high[j], limits.slew[j] * periods
            y = within(np.float64(raw[j]), low, high)
            z = within(y, previous[j] - most, previous[j] + most)
            clamps += y != raw[j]
            slewed += z != y
            previous[j] = command[j] = within(z, low, high)
        m = 0
    for j in range(m):
        low, high, slew, acceleration = limits.low[j], limits.high[j], limits.slew[j], limits.acceleration[j]
        if begins & (start.size > 0) & (way[j] == STAY) and np.isfinite(start[j]):
            previous[j] = within(np.float64(start[j]), low, high)
            stand(step, ring, longest, windows, j, previous[j])
        y, jumps, stays = limits.safe[j], faulted & (way[j] == JUMP), faulted & (way[j] == STAY)
        if not faulted:
            y = within(np.float64(raw[j]), low, high)
            clamps += y != raw[j]
        elif stays:
            y = previous[j]
        command[j], reached = move(
            j, y, jumps, stays, periods, rounds, low, high, slew, acceleration, previous, step, longest, windows, ring
        )  # fmt: skip
        slewed += not reached
    words[CLAMPS] += clamps
    words[SLEWED] += slewed
