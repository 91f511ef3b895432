"""Marks on the time axis of the live page, for actions of operators and pages such as a stop or a tuned parameter.

The actions are found by changes in the control words of the ticks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.control_words import FORGET, HELD, LEARNING, RELEASE, RESTART
from ..record.input_log import InputLog

__all__ = ["Marks"]

MOST = 100  # of a frame


class Marks:
    """Finds changes of the control words (`snn_control.engine.control_words`) from one tick to the next.

    tunable : names of the tunable parameters, in the order of the control words
    """

    def __init__(self, tunable: Sequence[str]) -> None:
        self._tunable = tunable
        self._before: np.ndarray | None = None

    def restart(self) -> None:
        """Discard the control words of the last tick, so that the next tick is not compared and gets no marks."""
        self._before = None

    def of(self, log: InputLog) -> list[dict[str, Any]]:
        """Return the marks in a log as dictionaries with the keys t [s], kind and text.

        The ticks of the log must follow the ticks of the last call.
        """
        rows, tuned = log.control, len(self._tunable)
        if not len(rows) or not rows.shape[1]:
            return []
        before = rows[:1] if self._before is None else self._before
        self._before = rows[-1:].copy()
        both = np.concatenate([before, rows])
        counted = both[:, RELEASE:]  # the words before it change from tick to tick
        marks = []
        for k in np.flatnonzero((counted[1:] != counted[:-1]).any(axis=1))[:MOST].tolist():
            seconds = (log.first_tick + k) * log.period_ns * 1e-9
            marks += [
                {"t": seconds, "kind": kind, "text": text} for kind, text in self._of(both[k], both[k + 1], tuned)
            ]
        return marks

    def _of(self, old: np.ndarray, new: np.ndarray, tuned: int) -> list[tuple[str, str]]:
        found = []
        if new[RELEASE] & HELD and not old[RELEASE] & HELD:
            found.append(("stop", ""))
        if (new[RELEASE] & ~HELD) != (old[RELEASE] & ~HELD):
            found.append(("release", ""))
        if new[RESTART] != old[RESTART]:
            found.append(("restart", "and forget" if new[RESTART] // FORGET != old[RESTART] // FORGET else ""))
        switches = slice(LEARNING, len(new) - tuned - (tuned > 0))
        if (new[switches] != old[switches]).any():
            found.append(("learning", "on" if new[switches].all() else "off"))
        if tuned:
            values, others = new[-tuned:].view(np.float64), old[-tuned:].view(np.float64)
            for k in np.flatnonzero(values != others).tolist():
                found.append(("tune", f"{self._tunable[k]} = {values[k]:g}"))
        return found
