"""A replay whose records arrive one by one, like those of a live sender."""

from __future__ import annotations

from snn_control.engine.atomics import read_word, write_word
from snn_control.realtime.ports.memory import R_LENGTH, R_POSITION, ReplayInput

__all__ = ["ReleasedInput"]


class ReleasedInput(ReplayInput):
    """A `ReplayInput` of which only the first ``release`` records (at first none) have arrived."""

    def hold_back(self, available: int = 0) -> None:
        """Limit the records that have arrived to this number. Not while a loop runs."""
        write_word(self.context + 8 * R_LENGTH, available)

    def release(self, n: int = 1) -> None:
        """Let ``n`` more records arrive."""
        write_word(self.context + 8 * R_LENGTH, min(int(self._block[R_LENGTH]) + n, self.length))

    @property
    def position(self) -> int:
        """Records delivered."""
        return read_word(self.context + 8 * R_POSITION)
