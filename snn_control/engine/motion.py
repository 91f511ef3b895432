"""How a command moves within its limits: plain functions of numbers and arrays.

The guard compiles them (`snn_control.engine.kernels.outputs`); a supervisor, which goes on where a loop has stopped,
calls them as they are (`snn_control.ros.supervision.continuation`). So this module imports nothing that compiles. Steps
are changes a period, accelerations changes of a step. All is float64, because a limit or a small slew changes when it
is rounded to float32.
"""

from __future__ import annotations

import numpy as np

from .control import WHOLE

__all__ = ["FUNCTIONS", "JUMP", "RAMP", "STAY", "move", "passed", "within"]

#: ways to the safe command: in one tick; within slew and acceleration; or stay, which brakes within acceleration
JUMP, RAMP, STAY = range(3)
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


def smooth(ring, first, size, value, anew):
    """The mean of the newest ``size`` values, relative to the newest, so that equal ones have no error."""
    total = np.float64(0)
    for k in range(first + size - 1, first, -1):
        ring[k] = value if anew else ring[k - 1]
        total += ring[k] - value
    ring[first] = value
    return value + total / size


def stand(step, ring, longest, windows, j, value):
    """Forget the motion of a number, which stands at ``value`` from now on."""
    if len(step) > 0:
        step[j] = 0.0
    if longest > 0:
        smooth(ring, j * longest, windows[j], value, True)


def move(
    j, target, jumps, stays, periods, rounds, low, high, slew, acceleration, previous, step, longest, windows, ring
):  # fmt: skip
    """Move number ``j`` towards a target: at once (``jumps``), or within its limits; or brake (``stays``).

    periods : that have passed, for the slew; with an acceleration each of ``rounds`` whole ones is a step of its own
    previous, step, ring : (m,), (m,) or (0,), (m * longest,) float64: the motion, which is changed

    Returns the command, and whether the target was reached.

    Jerk is limited by the mean over ``windows`` periods of ``previous`` (Biagiotti and Melchiorri 2012, Control
    Engineering Practice 20:1050).
    """
    z, mean = previous[j], np.nan
    if jumps:
        z = target
    elif acceleration == np.inf:
        z = within(target, z - slew * periods, z + slew * periods)
    else:
        for _ in range(rounds):
            step[j] = brake(step[j], acceleration) if stays else towards(target, z, step[j], slew, acceleration)
            arrives = abs(target - z - step[j]) <= ARRIVED * min(acceleration, slew)
            z = target if arrives else within(z + step[j], low, high)
            if longest > 0:
                mean = smooth(ring, j * longest, windows[j], z, False)
    reached = z == target
    z = within(z, low, high)  # last, whatever the previous command was
    previous[j] = z
    if jumps:
        stand(step, ring, longest, windows, j, z)
    return z if np.isnan(mean) else within(mean, low, high), reached


#: all of them, for who compiles them
FUNCTIONS = (passed, within, reach, brake, towards, smooth, stand, move)
