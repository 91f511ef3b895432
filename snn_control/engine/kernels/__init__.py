"""The kernels: the functions that compute the operations of a tick. Each file has a family of kernels.

A kernel is a plain function of numbers and arrays. The annotations of its parameters declare its operands
(`snn_control.engine.rows`). These rules make results equal on all machines:

- The state is float32, and sums run in a fixed order.
- Kernels do not call libm.
- `flush` and `bounded` remove tiny, huge and infinite numbers from the state.

The reference implementation of each kernel is in ``tests/reference``.
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
    """Return x, or 0 if x is tiny or NaN. Without a branch, the result is the same on all machines."""
    return x if abs(x) > TINY else ZERO


@register_jitable(forceinline=True)
def bounded(x):
    """Return x, or 0 if x is huge, infinite or NaN.

    A kernel applies this function to a membrane potential when the next step reads it, not when it is written. An
    overflow therefore reaches the command, where the guard detects the fault. In the next step the overflow is removed.
    """
    return x if abs(x) < HUGE else ZERO


is_settled = magnitude_between(TINY, HUGE)


@register_jitable(forceinline=True)
def settle(x):
    """Return x, or 0 if x is tiny, huge, infinite or NaN: ``bounded(flush(x))`` with a single comparison."""
    return x if is_settled(x) else ZERO
