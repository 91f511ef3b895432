"""Reduce the many numbers of a message, such as a scan, to the few numbers of an input: one number per sector.

A message of n numbers is divided into m sectors. Sector k contains the numbers floor(k n / m) to
floor((k + 1) n / m) - 1, so that 360 and 720 beams result in the same sectors. If m does not divide n, the sizes of the
sectors differ by one.

Before the reduction, the input's rule ``not_finite`` treats each number that is not finite, as in the tick
(`kernels.input_checks.replace_not_finite`):

| ``not_finite`` | effect on the number |
|---|---|
| "high", "low" | replaced by the high or low end of the input's range |
| "hold" | left out |
| "reject" | makes its sector NaN |

A sector without any number is NaN too. If nothing at all was measured, all sectors are NaN. The tick then applies the
rule ``not_finite`` to each NaN: it holds the last value or rejects the sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...coding import ValueInput
from ...coding.inputs import NOT_FINITE
from ...coding.reduction import REDUCTIONS, combine
from ...engine.compile import compile_function
from ...engine.kernels.input_checks import FAILED, HIGH, HOLD, NUMBERS, REJECT, REPLACED
from ...engine.memory import f64, i64, load_f64, load_i64, store_f64

__all__ = ["reduce_sectors", "reduced", "rules_of"]

RULE, LOW, HIGH_END, RULE_WORDS = range(4)  # words for each sector; the ends of its range are float64


def rules_of(spec: ValueInput) -> np.ndarray:
    """Return the rule of each sector for numbers that are not finite, with the input's range.

    The result is an array (size, RULE_WORDS) int64, with one row for each sector.
    """
    rules = np.zeros((spec.size, RULE_WORDS), np.int64)
    rules[:, RULE] = [NOT_FINITE.index(rule) for rule in spec.rules()]
    ends: Any = rules.view(np.float64)
    ends[:, LOW], ends[:, HIGH_END] = spec.range
    return rules


register_jitable(combine)


@register_jitable
def _sector(values, how, rule):
    """Reduce the numbers of one sector to one number.

    values : (n,), the numbers of the sector; the function overwrites them
    how : index of the reduction in `REDUCTIONS`
    rule : address of the sector's row in the result of `rules_of`

    Return three values: the sector's number, how many numbers the rule replaced or left out, and how many of these
    were failed measurements.
    """
    count, replaced, failed, kind = 0, 0, 0, load_i64(rule + 8 * RULE)
    for value in values:
        if not np.isfinite(value):
            if kind == REJECT:
                return np.nan, 0, 0
            replaced += 1
            failed += kind == HOLD or value != value
            if kind == HOLD:
                continue
            up = value > 0.0 if value == value else kind == HIGH
            value = load_f64(rule + 8 * HIGH_END) if up else load_f64(rule + 8 * LOW)
        values[count] = value
        count += 1
    return (combine(values[:count], how) if count > 0 else np.nan), replaced, failed


@register_jitable
def reduce_sectors(values, n, out, size, how, rules, counters):
    """Divide ``n`` numbers into ``size`` sectors, and reduce each sector to one number; n >= size.

    values : address of the numbers, float64[n]; the function overwrites them
    out : address of the result, float64[size]
    how : index of the reduction in `REDUCTIONS`
    rules : address of the array that `rules_of` returned
    counters : address of int64[3], the counters of the kernel `replace_not_finite`: numbers, replaced
        numbers, failed measurements
    """
    all_replaced, all_failed, words = 0, 0, i64(counters, 3)
    for k in range(size):
        first, last = k * n // size, (k + 1) * n // size
        value, replaced, failed = _sector(f64(values + 8 * first, last - first), how, rules + 8 * RULE_WORDS * k)
        store_f64(out + 8 * k, value)
        all_replaced += replaced
        all_failed += failed
    words[NUMBERS] += n
    if all_failed == n:  # nothing was measured
        for k in range(size):
            store_f64(out + 8 * k, np.nan)
    else:
        words[REPLACED] += all_replaced
        words[FAILED] += all_failed


def reduced(values: np.ndarray, spec: ValueInput, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Run `reduce_sectors` on an (n,) float64 array with n >= size.

    Return one number for each sector, (size,) float64, and the counters, (3,) int64.
    """
    given, out, rules = np.array(values, np.float64), np.empty(spec.size), rules_of(spec)
    counted = np.zeros(3, np.int64)
    run = compile_function(reduce_sectors, "void(int64,int64,int64,int64,int64,int64,int64)")
    run(
        given.ctypes.data, len(given), out.ctypes.data, spec.size, REDUCTIONS.index(how), rules.ctypes.data,
        counted.ctypes.data,
    )  # fmt: skip
    return out, counted
