"""Reduce many numbers of a message to one. The key ``reduce`` of a topic selects how: min, mean or max.

`snn_control.ros.messages.reduction` compiles `combine` and applies it to sectors of a message's numbers. This module
imports nothing that compiles.
"""

from __future__ import annotations

from typing import Any

__all__ = ["REDUCTIONS", "combine"]

REDUCTIONS = ("", "min", "mean", "max")  # empty: none
_, MIN, MEAN, MAX = range(len(REDUCTIONS))


def combine(x: Any, how: int) -> Any:
    """Reduce the numbers ``x``, (n,) float64 with n >= 1, to one number. The function may change ``x``.

    how : index of the reduction in `REDUCTIONS`, > 0
    """
    result = 0.0 if how == MEAN else x[0]
    for value in x:
        if how == MEAN:
            result += value
        elif (how == MIN and value < result) or (how == MAX and value > result):
            result = value
    return result / len(x) if how == MEAN else result
