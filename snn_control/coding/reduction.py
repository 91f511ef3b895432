"""How many numbers become one: the words of ``reduce`` of a topic, and what they do.

`snn_control.ros.messages.reduction` compiles `combine` and applies it to sectors of the numbers of a message; this
module imports nothing that compiles.
"""

from __future__ import annotations

from typing import Any

__all__ = ["REDUCTIONS", "combine"]

REDUCTIONS = ("", "min", "mean", "max")  # empty: none
_, MIN, MEAN, MAX = range(len(REDUCTIONS))


def combine(x: Any, how: int) -> Any:
    """One number for x, (n,) float64, n >= 1, which may be changed; ``how``: index of a word of `REDUCTIONS`, > 0."""
    result = 0.0 if how == MEAN else x[0]
    for value in x:
        if how == MEAN:
            result += value
        elif (how == MIN and value < result) or (how == MAX and value > result):
            result = value
    return result / len(x) if how == MEAN else result
