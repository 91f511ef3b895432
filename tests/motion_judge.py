"""Whether commands keep their limits of slew, acceleration and jerk, from one to the next."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = ["beyond_limits", "heard_beyond"]

MOST = 10  # periods that a command catches up at most
ROUNDING = 1e-12


def beyond_limits(cells, values, slew, acceleration, jerk, arrives=1e-6) -> list[str]:
    """What breaks a limit, in words.

    cells : (n,) number of the period of each command, ascending
    values : (n,) the commands
    slew, acceleration, jerk : a period, its square, its cube; inf for none

    Where k periods have no command, k + 1 steps lie between two: their mean differs from the steps before and after
    them by at most as much as steps that change by the acceleration can. Longer gaps than a command catches up are
    compared with the slew alone.
    """
    cells, values = np.asarray(cells), np.asarray(values, np.float64)
    gaps, changes = np.diff(cells), np.diff(values)
    assert (gaps > 0).all(), "two commands of one period"
    short, wrong = gaps <= MOST, []

    def note(what, over, limit):
        wrong.extend(f"{what} {over[k]:.6g} > {limit[k]:.6g} at {k}" for k in np.flatnonzero(over > limit))

    note("slew", np.abs(changes), slew * gaps * (1 + arrives) + ROUNDING)
    apart = np.where(short[1:] & short[:-1], (gaps[1:] + gaps[:-1]) / 2, np.inf)
    note("acceleration", np.abs(np.diff(changes / gaps)), acceleration * apart * (1 + arrives) + 4 * ROUNDING)
    four = np.lib.stride_tricks.sliding_window_view(gaps == 1, 3).all(axis=1) if len(gaps) > 2 else np.zeros(0, bool)
    third = np.where(four, np.abs(np.diff(values, 3)), 0.0)
    note("jerk", third, np.full(len(third), jerk * (1 + arrives) + 8 * ROUNDING))
    return wrong


def heard_beyond(
    stamps: np.ndarray, values: np.ndarray, period: float, slew: float, acceleration: float, jerk: float,
    stalls: Iterable[tuple[float, float]] = (), most: float = MOST, numbers: np.ndarray | None = None,
) -> int:  # fmt: skip
    """Number of limits that commands break, of which stamps alone are known, or the numbers of their publications too.

    stamps, values : (n,) of commands as they were heard [s since 1970]
    period : [s]
    slew, acceleration, jerk : a second, its square, its cube; inf for none
    stalls : when the machine stood still (begin, end) [s since 1970]
    most : periods that a command catches up at most; inf where one that was not published may lie between two: of a
        supervisor that saw the loop come back
    numbers : (n,) of the publications; where one is missing, a message was lost on its way to the listener, and the
        commands may differ by all periods that lie between; None: none was lost

    How many periods lie between two commands is only known where several stamps are one period apart and the machine
    did not stall, as a tick may be held up within its period; elsewhere only the slew is compared, with a period to
    spare.
    """
    if len(values) < 4:
        return 0
    gaps = np.diff(stamps) / period
    next_one = np.diff(numbers) == 1 if numbers is not None else np.ones(len(gaps), bool)
    steps, near = np.diff(values), next_one & (np.abs(gaps - 1) < 0.25)
    even = np.convolve(near, np.ones(4))[: len(near)] == 4  # with the three before
    for begin, end in stalls:
        even[np.searchsorted(stamps, begin - 0.01) : np.searchsorted(stamps, end + 0.02)] = False
    periods = np.where(even, 1, np.minimum(np.ceil(gaps) + 1, np.where(next_one, most, np.inf)))
    found = int((np.abs(steps) > slew * period * periods * (1 + 1e-9) + 1e-12).sum())
    second, two = np.diff(steps), even[1:] & even[:-1]
    found += int((np.abs(second[two]) > acceleration * period**2 * (1 + 1e-6) + 1e-12).sum())
    third, three = np.diff(second), two[1:] & two[:-1]
    return found + int((np.abs(third[three]) > jerk * period**3 * (1 + 1e-6) + 1e-12).sum())
