"""Reduce several numbers of a message to one number. A topic's key ``reduce`` selects min, mean or max.

`snn_control.ros.messages.reduction` compiles `combine` and applies it to sectors of a message, for example of a laser
scan. The present module does not import numba.
"""

from __future__ import annotations

from typing import Any

__all__ = ["REDUCTIONS", "combine"]

REDUCTIONS = ("", "min", "mean", "max")  # empty: none
_, MIN, MEAN, MAX = range(len(REDUCTIONS))


def combine(x: Any, how: int) -> Any:
    """Reduce the numbers ``x``, (n,) float64 with n >= 1, to one number. The function may overwrite ``x``.

    how : index of the reduction in `REDUCTIONS`, > 0
    """
    result = 0.0 if how == MEAN else x[0]
    for value in x:
        if how == MEAN:
            result += value
        elif (how == MIN and value < result) or (how == MAX and value > result):
            result = value
    return result / len(x) if how == MEAN else result
