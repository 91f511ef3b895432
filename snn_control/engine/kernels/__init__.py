"""The kernels: the functions that compute the operations of a tick, in one file for each family.

A kernel is a plain function of numbers and arrays. The annotations of its parameters declare its operands
(`snn_control.engine.rows`). All state is float32; sums run in a fixed order; nothing calls libm; `flush` and `bounded`
keep tiny, huge and infinite numbers out of the state. The reference implementation of each kernel is in
``tests/reference``.
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import magnitude_between

#: state below TINY becomes zero, because denormal numbers are 30 times slower; so do HUGE numbers and NaN, because
#: they would stay in the state forever
TINY, HUGE = np.float32(1e-20), np.float32(1e30)
ZERO, ONE, NAN = np.float32(0), np.float32(1), np.float32(np.nan)


@register_jitable(forceinline=True)
def flush(x):
    """Return x, or 0 if x is tiny or NaN. The code has no branch, so all machines give the same result."""
    return x if abs(x) > TINY else ZERO


@register_jitable(forceinline=True)
def bounded(x):
    """Return x, or 0 if x is huge, infinite or NaN.

    A neuron's membrane is bounded only when the next step reads it. An overflow can therefore reach the command, where
    the guard detects the fault. One step later the overflow has disappeared.
    """
    return x if abs(x) < HUGE else ZERO


is_settled = magnitude_between(TINY, HUGE)


@register_jitable(forceinline=True)
def settle(x):
    """Return ``bounded(flush(x))``, computed with a single comparison."""
    return x if is_settled(x) else ZERO
