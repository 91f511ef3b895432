"""Limit the rate of change of commands: slew, acceleration and jerk.

The guard compiles these functions (`snn_control.engine.kernels.guard`). A supervisor, which takes over when a loop has
stopped, calls them as Python (`snn_control.ros.supervision.continuation`). This module imports nothing that compiles.
All numbers are float64: rounding a limit or a small slew to float32 would change it.

limits : named arrays (m,): ``low``, ``high``, ``safe`` and the limits that `snn_control.coding.Output` declares. The
    unit of time is a period. A slew is the largest change of a command per period; this change is called a *step* here.
    An acceleration is the largest change of the step from one period to the next
motion : (m * words_per_element,), the state. It begins with m commands, as they were before jerk was limited. With an
    acceleration limit, the last step of each command follows. With a jerk limit, a ring for each command follows, which
    holds its newest values
words_per_element : number of words in ``motion`` for one command, see `words_of`
"""

from __future__ import annotations

import numpy as np

from .control import WHOLE

__all__ = [
    "FUNCTIONS", "JUMP", "MOST_AVERAGED", "RAMP", "STAY", "averaged", "elapsed_periods", "limit_commands",
    "reset_motion", "within", "words_of",
]  # fmt: skip

#: how a target is approached: in one tick; within the limits; or not at all: brake within the acceleration, then stay
JUMP, RAMP, STAY = range(3)
MOST_AVERAGED = 10_000  # maximum number of commands in a moving average
MOST_ELAPSED = 10  # maximum number of periods that a slew catches up: after a long pause commands start slowly
ARRIVED = 1e-6  # a target nearer than this fraction of min(acceleration, slew) is reached, despite rounding


def elapsed_periods(elapsed):
    """Convert elapsed time from thousandths of a period to periods. 0 counts as one period.

    Return two numbers: the periods, for the slew, and the number of whole periods, for the acceleration.
    """
    elapsed = min(elapsed if elapsed > 0 else WHOLE, MOST_ELAPSED * WHOLE)
    return elapsed / WHOLE, max((elapsed + WHOLE // 2) // WHOLE, 1)


def within(value, low, high):
    return low if value < low else (high if value > high else value)


def reach(distance, acceleration):
    """Return the largest step per period from which a command can still stop within ``distance``.

    If the step s shrinks by ``acceleration`` in each of k periods, the command moves k s - acceleration k (k - 1) / 2.
    """
    k = max(np.ceil((np.sqrt(1 + 8 * distance / acceleration) - 1) / 2), 1.0)
    return distance / k + acceleration * (k - 1) / 2


def brake(step, acceleration):
    return within(0.0, step - acceleration, step + acceleration)


def towards(target, position, step, slew, acceleration):
    """Return the next step of a command towards its target, after the step ``step``.

    The next step is at most ``slew`` and differs from ``step`` by at most ``acceleration``. It is so small that the
    command can stop at a constant target without overshoot.
    """
    distance = target - position
    wanted = min(slew, reach(abs(distance), acceleration))
    return within(wanted if distance >= 0 else -wanted, step - acceleration, step + acceleration)


def periods_of(acceleration, jerk):
    """Return the length n of the moving average that limits jerk [periods].

    With this average, the acceleration changes by at most 2 acceleration / n in one period.
    """
    return max(np.ceil(2 * acceleration / jerk - 1e-9), 1.0)


def mean(ring, first, size, value):
    """Put a value into a ring of the newest values, and return the mean of the newest ``size`` values.

    The values are summed relative to the newest, so that the mean of equal values is exact.
    """
    total = np.float64(0)
    for k in range(first + size - 1, first, -1):
        ring[k] = ring[k - 1]
        total += ring[k] - value
    ring[first] = value
    return value + total / size


def reset_motion(j, value, limits, motion, words_per_element):
    """Set the motion of command ``j`` to rest at a value, as if the command had always had this value."""
    m, longest = len(limits.low), words_per_element - 2
    motion[j] = value
    if words_per_element > 1:
        motion[m + j] = 0.0
    for k in range(2 * m + j * longest, 2 * m + (j + 1) * longest):
        motion[k] = value


def limit_command(j, target, way, periods, rounds, limits, motion, words_per_element):
    """Move command ``j`` towards its target within its limits.

    Return the limited command, and whether the target was reached.

    way : JUMP, RAMP or STAY
    periods : elapsed periods, for the slew
    rounds : number of whole elapsed periods; with an acceleration limit, each of these periods is one step

    Jerk is limited by a moving average of commands (Biagiotti and Melchiorri 2012, Control Engineering Practice
    20:1050).
    """
    m, z, average = len(limits.low), motion[j], np.nan
    slew, acceleration = limits.slew[j], limits.acceleration[j]
    target = z if way == STAY else target
    if way == JUMP:
        z = target
    elif words_per_element == 1 or acceleration == np.inf:
        z = within(target, z - slew * periods, z + slew * periods)
    else:
        longest, step = words_per_element - 2, motion[m + j]
        size = int(min(periods_of(acceleration, limits.jerk[j]), longest)) if longest > 0 else 0
        for _ in range(rounds):
            step = brake(step, acceleration) if way == STAY else towards(target, z, step, slew, acceleration)
            arrives = abs(target - z - step) <= ARRIVED * min(acceleration, slew)
            z = target if arrives else within(z + step, limits.low[j], limits.high[j])
            if longest > 0:
                average = mean(motion, 2 * m + j * longest, size, z)
        motion[m + j] = step
    reached = z == target
    z = within(z, limits.low[j], limits.high[j])  # last, whatever the previous command was
    motion[j] = z
    if way == JUMP:
        reset_motion(j, z, limits, motion, words_per_element)
    return z if np.isnan(average) else within(average, limits.low[j], limits.high[j]), reached


def limit_commands(command, wanted, faulted, way, periods, rounds, limits, motion, words_per_element):
    """Write the next commands, (m,), which move towards ``wanted``; if ``faulted`` is true, towards the safe values.

    way : (m,), JUMP, RAMP or STAY: how each command approaches its safe value

    Return two counts of commands: those whose wanted value is beyond the limits, and those that did not reach their
    target.
    """
    clamps = slewed = 0
    for j in range(len(way)):
        target, how = limits.safe[j], way[j]
        if not faulted:
            target, how = within(np.float64(wanted[j]), limits.low[j], limits.high[j]), RAMP
            clamps += target != wanted[j]
        command[j], reached = limit_command(j, target, how, periods, rounds, limits, motion, words_per_element)
        slewed += not reached
    return clamps, slewed


#: all functions that the guard compiles
FUNCTIONS = (
    elapsed_periods, within, reach, brake, towards, periods_of, mean, reset_motion, limit_command, limit_commands
)  # fmt: skip


def averaged(limits):
    """Return how many commands the moving average of each jerk limit covers, (m,) float64."""
    with np.errstate(divide="ignore", invalid="ignore"):
        periods = [periods_of(*pair) if np.isfinite(pair[0]) else 1.0 for pair in zip(limits.acceleration, limits.jerk)]
    return {"jerk": np.array(periods)}


def words_of(limits):
    """Return the number of words in ``motion`` for one command (``words_per_element``) under these limits.

    The result is inf or NaN if a jerk limit cannot be kept.
    """
    longest = max(np.max(periods) for periods in averaged(limits).values())
    if longest == 1:
        return 1 + int(np.isfinite(limits.acceleration).any())
    return 2 + longest
