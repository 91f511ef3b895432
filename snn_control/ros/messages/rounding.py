"""Round a command's number to the type of its message field, and limit its change from one message to the next.

Every number is rounded and clamped. Then its slew, the change since the last message, is limited:

| type of the field | change per tick |
|---|---|
| integers | at most floor(slew) or, if that is 0, one unit every 1 / slew ticks |
| float32 | at most slew or, if the adjacent float32 is further away, a step to it every few ticks as for integers |
| float64 | no further limit: the guard has limited the number |

The ports compile these functions (`field_limits`). The supervisor, which compiles nothing, calls them from Python.
"""

from __future__ import annotations

import numpy as np

from .element_types import FLOAT32, FLOAT64

__all__ = ["FUNCTIONS", "ROW", "nearest_whole", "stepped"]

# Words of a row, for one number of a message:
PLACE, KIND, COMMAND = 0, 1, 2  # address in the message, type, address of the command
LOW, HIGH, STEP = 3, 4, 5  # float64, values of the type; STEP is the largest change in a tick
WAIT = 6  # ticks from one change to the next; 0: the number is published without bounds
LAST, WAITED = 7, 8  # float64 published last, and ticks since it changed
FREE = 9  # address of a word that is not 0 while the slew is not limited (a step to the safe value); 0: always limited
ROW = 10


def nearest_whole(value):
    """Return ``value`` rounded to a whole number, ties to even."""
    whole = np.floor(value)
    rest = value - whole
    if rest > 0.5 or (rest == 0.5 and whole != 2.0 * np.floor(whole / 2.0)):
        whole += 1.0
    return whole


def rounded(value, kind):
    """Return ``value`` rounded to the element type ``kind`` of a field."""
    if kind == FLOAT64:
        return value
    return np.float64(np.float32(value)) if kind == FLOAT32 else nearest_whole(value)


def neighbour(value, towards, kind):
    """Return the number of type ``kind`` next to ``value`` in the direction of ``towards``.

    The result is the next float32 or, for integers beyond 2^53, the next float64.
    """
    if kind == FLOAT32:
        return np.float64(np.nextafter(np.float32(value), np.float32(towards)))
    return np.nextafter(value, towards)


def stepped(value, kind, low, high, step, wait, last, waited, free):
    """Return the number to publish in a message field for a command ``value``.

    low : smallest number that may be published
    high : largest number that may be published
    step : largest change in a tick
    wait : smallest number of ticks from one change to the next
    last : number that was published last
    waited : number of ticks since the published number last changed
    free : whether the slew is not limited in this tick
    """
    value = rounded(value, kind)
    value = value if value >= low else low  # NaN, which the guard never passes, would become the low end
    value = value if value <= high else high
    if step < np.inf and value != last and not free:
        wanted = value
        if waited < wait:
            value = last
        elif abs(value - last) > step:
            value = rounded(last + step if value > last else last - step, kind)
            if abs(value - last) > step:
                value = neighbour(value, last, kind)
            if value == last and abs(neighbour(last, wanted, kind) - last) <= step * waited:
                value = neighbour(last, wanted, kind)  # the slew in one tick is less than the spacing of numbers
    return value


FUNCTIONS = (nearest_whole, rounded, neighbour, stepped)
