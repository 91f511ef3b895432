"""Limit commands: to their range, and in their rate of change (slew, acceleration and jerk).

The guard compiles these functions (`snn_control.engine.kernels.guard`). A supervisor, which takes over when a loop has
stopped, calls them as plain Python (`snn_control.ros.supervision.continuation`). This module therefore imports no
compiler. All numbers are float64, because rounding to float32 would change a limit or a small slew.

In these functions, a *step* is the change of a command in one period. Common arguments are:

limits : named arrays (m,): ``low``, ``high``, ``safe`` and the motion limits that `snn_control.coding.Output` declares.
    The unit of time is a period: a slew is the largest step, an acceleration is the largest change of the step from one
    period to the next
motion : (m * words_per_element,), the state: first the m commands before the jerk limit. With an acceleration limit,
    the last step of each command follows. With a jerk limit, a ring buffer with the newest values of each command
    follows
words_per_element : number of words in ``motion`` for each command, see `words_of`
"""

from __future__ import annotations

import numpy as np

from .control_words import WHOLE

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

    Return two numbers of elapsed periods: a fraction for the slew limit, and a whole number for the acceleration limit.
    """
    elapsed = min(elapsed if elapsed > 0 else WHOLE, MOST_ELAPSED * WHOLE)
    return elapsed / WHOLE, max((elapsed + WHOLE // 2) // WHOLE, 1)


def within(value, low, high):
    return low if value < low else (high if value > high else value)


def reach(distance, acceleration):
    """Return the largest step from which a command can still stop within ``distance``.

    If the step s shrinks by ``acceleration`` in each of k periods, the command moves k s - acceleration k (k - 1) / 2.
    """
    k = max(np.ceil((np.sqrt(1 + 8 * distance / acceleration) - 1) / 2), 1.0)
    return distance / k + acceleration * (k - 1) / 2


def brake(step, acceleration):
    return within(0.0, step - acceleration, step + acceleration)


def towards(target, position, step, slew, acceleration):
    """Return the next step of a command towards its target, if ``step`` is the step of the last period.

    The next step is at most ``slew`` and differs from the last one by at most ``acceleration``. It is small enough for
    the command to stop at a constant target without overshoot.
    """
    distance = target - position
    wanted = min(slew, reach(abs(distance), acceleration))
    return within(wanted if distance >= 0 else -wanted, step - acceleration, step + acceleration)


def periods_of(acceleration, jerk):
    """Return the length n [periods] of the moving average of commands that limits jerk.

    With this average, the acceleration changes by at most 2 acceleration / n in one period.
    """
    return max(np.ceil(2 * acceleration / jerk - 1e-9), 1.0)


def mean(ring, first, size, value):
    """Insert a value as the newest one, and return the mean of the newest ``size`` values.

    The sum is of differences from the newest value, so that the mean of equal values is exact.

    ring, first : array with the newest values, and index of the newest one
    """
    total = np.float64(0)
    for k in range(first + size - 1, first, -1):
        ring[k] = ring[k - 1]
        total += ring[k] - value
    ring[first] = value
    return value + total / size


def reset_motion(j, value, limits, motion, words_per_element):
    """Set command ``j`` to rest at a value: its state becomes that of a command that always had this value."""
    m, longest = len(limits.low), words_per_element - 2
    motion[j] = value
    if words_per_element > 1:
        motion[m + j] = 0.0
    for k in range(2 * m + j * longest, 2 * m + (j + 1) * longest):
        motion[k] = value


def limit_command(j, target, way, periods, rounds, limits, motion, words_per_element):
    """Move command ``j`` towards its target within its limits.

    Return the limited command, and whether the command reached its target.

    way : JUMP, RAMP or STAY, how the command approaches its target
    periods : elapsed periods, for the slew limit
    rounds : number of whole elapsed periods; with an acceleration limit, the command makes one step in each of them

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
    """Compute the next commands within their limits. In a fault, commands move to their safe values.

    command : (m,), the next commands; written
    wanted : (m,), the commands before limiting, towards which the commands move if there is no fault
    faulted : true in a fault
    way : (m,), JUMP, RAMP or STAY: how each command approaches its safe value in a fault

    Return two counts of commands: commands with a ``wanted`` value beyond the limits, and commands that did not reach
    their target.
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
    """Return the length of the moving average of each jerk limit [periods], as a dict: "jerk" -> (m,) float64."""
    with np.errstate(divide="ignore", invalid="ignore"):
        periods = [periods_of(*pair) if np.isfinite(pair[0]) else 1.0 for pair in zip(limits.acceleration, limits.jerk)]
    return {"jerk": np.array(periods)}


def words_of(limits):
    """Return the number of words in ``motion`` that each command needs for these limits (``words_per_element``).

    The result is inf or NaN if a jerk limit cannot be satisfied.
    """
    longest = max(np.max(periods) for periods in averaged(limits).values())
    if longest == 1:
        return 1 + int(np.isfinite(limits.acceleration).any())
    return 2 + longest
