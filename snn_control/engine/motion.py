"""How a command moves within its limits: plain functions of numbers and arrays.

The guard compiles them (`snn_control.engine.kernels.guard`); a supervisor, which goes on where a loop has stopped,
calls them as they are (`snn_control.ros.supervision.continuation`). So this module imports nothing that compiles.
All is float64, because a limit or a small slew changes when it is rounded to float32.

limits : by name, m numbers each: ``low``, ``high``, ``safe`` and the limits that `snn_control.coding.Output` declares,
    in units of a period: steps are changes a period, accelerations changes of a step
motion : (m * each,), what is kept from command to command: m commands before jerk is limited; with an acceleration m
    last steps; with a jerk m rings of the newest of these commands
each : words of motion of a number, see `words_of`
"""

from __future__ import annotations

import numpy as np

from .control import WHOLE

__all__ = [
    "FUNCTIONS", "JUMP", "MOST_AVERAGED", "RAMP", "STAY", "advance", "averaged", "passed", "stand", "within",
    "words_of",
]  # fmt: skip

#: ways to a target: in one tick; within the limits; or stay, whatever the target, which brakes within acceleration
JUMP, RAMP, STAY = range(3)
MOST_AVERAGED = 10_000  # commands of which a mean is taken at most
MOST_ELAPSED = 10  # periods for which a slew catches up at most: after a long pause commands start slowly
ARRIVED = 1e-6  # steps of acceleration: a target so near is reached, whatever the rounding of the steps before


def passed(elapsed):
    """Periods for the slew, and whole periods, of a time in thousandths of a period; 0 counts as a whole one."""
    elapsed = min(elapsed if elapsed > 0 else WHOLE, MOST_ELAPSED * WHOLE)
    return elapsed / WHOLE, max((elapsed + WHOLE // 2) // WHOLE, 1)


def within(value, low, high):
    return low if value < low else (high if value > high else value)


def reach(distance, acceleration):
    """The largest step with which steps that shrink by ``acceleration`` add up to ``distance``: k steps whose sum is
    k s - acceleration k (k - 1) / 2."""
    k = max(np.ceil((np.sqrt(1 + 8 * distance / acceleration) - 1) / 2), 1.0)
    return distance / k + acceleration * (k - 1) / 2


def brake(step, acceleration):
    return within(0.0, step - acceleration, step + acceleration)


def towards(target, position, step, slew, acceleration):
    """The next step to a target, after a ``step``: at most ``slew``, changed by at most ``acceleration``, and such that
    neither a target that stays nor a limit beyond it is passed."""
    distance = target - position
    wanted = min(slew, reach(abs(distance), acceleration))
    return within(wanted if distance >= 0 else -wanted, step - acceleration, step + acceleration)


def periods_of(acceleration, jerk):
    """Over how many periods a mean keeps a jerk: over n, it changes an acceleration by at most 2 acceleration / n."""
    return max(np.ceil(2 * acceleration / jerk - 1e-9), 1.0)


def mean(ring, first, size, value):
    """Put a value in front of a ring -> the mean of the newest ``size``; it is relative to the newest, so that equal
    ones have no error."""
    total = np.float64(0)
    for k in range(first + size - 1, first, -1):
        ring[k] = ring[k - 1]
        total += ring[k] - value
    ring[first] = value
    return value + total / size


def stand(j, value, limits, motion, each):
    """Let number ``j`` stand at a value, as if it always had."""
    m, longest = len(limits.low), each - 2
    motion[j] = value
    if each > 1:
        motion[m + j] = 0.0
    for k in range(2 * m + j * longest, 2 * m + (j + 1) * longest):
        motion[k] = value


def move(j, target, way, periods, rounds, limits, motion, each):
    """Move number ``j`` towards a target on its ``way`` -> the command, and whether the target was reached.

    periods : that have passed, for the slew; with an acceleration each of ``rounds`` whole ones is a step of its own

    Jerk is limited by a mean of commands (Biagiotti and Melchiorri 2012, Control Engineering Practice 20:1050).
    """
    m, z, average = len(limits.low), motion[j], np.nan
    slew, acceleration = limits.slew[j], limits.acceleration[j]
    target = z if way == STAY else target
    if way == JUMP:
        z = target
    elif each == 1 or acceleration == np.inf:
        z = within(target, z - slew * periods, z + slew * periods)
    else:
        longest, step = each - 2, motion[m + j]
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
        stand(j, z, limits, motion, each)
    return z if np.isnan(average) else within(average, limits.low[j], limits.high[j]), reached


def advance(command, wanted, faulted, way, periods, rounds, limits, motion, each):
    """Move all numbers towards what is wanted or, ``faulted``, on their ways to the safe command -> how many wanted
    ones were beyond their limits, and how many targets were not reached."""
    clamps = slewed = 0
    for j in range(len(way)):
        target, how = limits.safe[j], way[j]
        if not faulted:
            target, how = within(np.float64(wanted[j]), limits.low[j], limits.high[j]), RAMP
            clamps += target != wanted[j]
        command[j], reached = move(j, target, how, periods, rounds, limits, motion, each)
        slewed += not reached
    return clamps, slewed


#: all of these, for who compiles them
FUNCTIONS = (passed, within, reach, brake, towards, periods_of, mean, stand, move, advance)


def averaged(limits):
    """Limit -> over how many commands it takes a mean, (m,) float64."""
    with np.errstate(divide="ignore", invalid="ignore"):
        periods = [periods_of(*pair) if np.isfinite(pair[0]) else 1.0 for pair in zip(limits.acceleration, limits.jerk)]
    return {"jerk": np.array(periods)}


def words_of(limits):
    """Words of motion that a number needs at most within these limits, arrays (m,); inf or NaN: there are no such."""
    longest = max(np.max(periods) for periods in averaged(limits).values())
    if longest == 1:
        return 1 + int(np.isfinite(limits.acceleration).any())
    return 2 + longest
