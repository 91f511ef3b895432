"""`Gate`: call two recorders after each tick, but only while a client uses their data."""

from __future__ import annotations

from ..engine.atomics import load_acquire, write_word
from ..engine.memory import call3, i64
from ..realtime.port import CompiledPort

__all__ = ["Gate"]

OPEN, FIRST, SECOND, WORDS = 0, 1, 3, 5  # words of the context; a port has two: its function and its context


def observe_if_open(context, stamp_ns, now_ns):
    """Call the two observers of an open gate. The loop calls this function as an observer."""
    if load_acquire(context + 8 * OPEN) != 0:
        o = i64(context, WORDS)
        call3(o[FIRST], o[FIRST + 1], stamp_ns, now_ns)
        call3(o[SECOND], o[SECOND + 1], stamp_ns, now_ns)
    return 0


class Gate(CompiledPort):
    """An observer of a loop or a `Controller` that calls two other observers while it is open; initially closed."""

    def __init__(self, first: CompiledPort, second: CompiledPort) -> None:
        self._ports = first, second  # which must live as long
        super().__init__("gate", observe_if_open, (0, first.function, first.context, second.function, second.context))

    def open(self, on: bool) -> None:
        """Open the gate if ``on`` is true, otherwise close it. A loop may run during the call."""
        write_word(self.context + 8 * OPEN, int(on))
