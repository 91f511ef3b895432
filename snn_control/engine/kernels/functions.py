"""Elementary functions that do not call libm, because the last bit of libm's results differs between machines."""

import numpy as np
from numba.extending import register_jitable

from . import ONE, ZERO

POWERS = (2.0 ** np.arange(-126, 128)).astype(np.float32)
LOG2_E, LN2_HIGH, LN2_LOW = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
COEFFICIENTS = tuple(np.float32(1 / f) for f in (5040, 720, 120, 24, 6, 2))
HALF = np.float32(0.5)
LOWEST, HIGHEST = np.float32(-87.0), np.float32(88.0)


@register_jitable(forceinline=True)
def exponential(x):
    """Return exp(x) in float32: the same bits on every machine, relative error < 3e-7.

    The method is Cody and Waite's range reduction and a Taylor polynomial of degree 7. The result is 0 if x is below
    -87 or NaN, and exp(88) if x is above 88.
    """
    if not x > LOWEST:
        return ZERO
    x = x if x < HIGHEST else HIGHEST
    k = np.int64(x * LOG2_E + (HALF if x > ZERO else -HALF))
    r = (x - np.float32(k) * LN2_HIGH) - np.float32(k) * LN2_LOW
    s = COEFFICIENTS[0]
    s = s * r + COEFFICIENTS[1]
    s = s * r + COEFFICIENTS[2]
    s = s * r + COEFFICIENTS[3]
    s = s * r + COEFFICIENTS[4]
    s = s * r + COEFFICIENTS[5]
    s = (s * r) * r + r + ONE
    return s * POWERS[k + 126]
