"""What the names and facts of a Program promise, held against its blocks before any driver follows them.

Drivers write to the arrays of inputs and read commands and spike lists at the addresses that names give, as many as the
facts say. A Program can come from a file, so nothing of it is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import ProgramError
from .control import SWITCH_WORDS, words_of
from .facts import NOTHING_KNOWN, InputFacts, OutputFacts
from .kernels.outputs import GUARD_WORDS, LIMITS, guard
from .places import Array, clocked, ring
from .program import IO, PROGRAM, STATE, Place, Program, element
from .slots import EVENT_COLUMNS, SLOT_WORDS

__all__ = ["check_names"]


def check_names(program: Program, array: Callable[[Place], Array]) -> list[Array]:
    """Check the named arrays and the facts of a Program against its blocks.

    array : makes the checked `Array` of a place; raises ProgramError where it lies outside of its block

    Returns the named arrays that other code than kernels writes to, or takes indices from (clock, guard, spike lists,
    control words, switches of learning), so that `apart` can refuse kernels that use them otherwise.

    Raises ProgramError where a named array is missing, has another dtype or shape than the facts say, or the facts are
    malformed.
    """
    facts, names = program.facts, _Names(program, array)
    clock = names.get("clock", STATE, "<i8", (2,))
    clocked(clock)
    found = [clock]
    try:
        if facts != NOTHING_KNOWN and not 0 < facts.period * 1e9 < 1 << 62:
            raise ProgramError(f"period = {facts.period}: must be > 0 s")
        for named in (*facts.inputs, *facts.outputs, *facts.populations):
            if not isinstance(named.name, str):
                raise ProgramError(f"a name is {named.name!r}: must be a word")
        for one in facts.inputs:
            _check_input(names, one)
        if facts.outputs:
            found.append(_check_outputs(names, facts.outputs))
        for one in facts.populations:
            if one.spiking:
                lists = names.get(f"{one.name}.spikes", STATE, "|u1", (one.stride * one.slots,))
                ring(lists, one.stride, one.slots, clock, 0, one.multiplicity, one.size)
                found.append(lists)
        if "control" in program.names:
            found.append(_check_control(names, *words_of(len(facts.learning))))
        for one in facts.learning:
            found.append(names.get(f"{one.title}.learning", STATE, "<i8", (SWITCH_WORDS,)))
            names.get(f"{one.title}.weights", STATE, "<u4" if one.sparse else "<f4")
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ProgramError(f"facts have the wrong form: {type(error).__name__}: {error}") from None
    return found


class _Names:
    """The names of a Program, each asked for with what it must be."""

    def __init__(self, program: Program, array: Callable[[Place], Array]) -> None:
        self.program, self.array = program, array

    def place(self, name: str, kind: int, dtype: str, shape: tuple[int, ...] | None = None) -> Place:
        place = self.program.names.get(name)
        if place is None or (place.kind, place.dtype) != (kind, dtype) or shape not in (None, place.shape):
            raise ProgramError(f"'{name}' is {place}: the facts of the Program say otherwise")
        return place

    def get(self, name: str, kind: int, dtype: str, shape: tuple[int, ...] | None = None) -> Array:
        return self.array(self.place(name, kind, dtype, shape))


def _check_control(names: _Names, asked: int, taken: int) -> Array:
    """The control words; as they are taken, which the tick writes."""
    names.get("control", IO, "<i8", (asked,))
    restarts = names.get("restarts", PROGRAM, "<i8")
    if restarts.data.size % 16 or len(names.program.names["restarts"].shape) != 2:
        raise ProgramError("restarts: must be pairs of an offset and a size")
    return names.get("controlled", STATE, "<i8", (taken,))


def _check_input(names: _Names, one: InputFacts) -> None:
    name, slot = one.name, names.place(f"{one.name}.slot", IO, "<i8", (SLOT_WORDS,))
    names.array(slot)
    if one.kind == "events":
        width, height = one.size  # type: ignore[misc]
        for key, dtype in EVENT_COLUMNS.items():
            names.get(f"{name}.{key}", IO, dtype, (one.capacity,))
        if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
            raise ProgramError(f"input '{name}': size {width} x {height}: must be pixels")
    else:
        data = names.place(f"{name}.data", IO, "<f8", (one.size,))
        names.array(data)
        if data.offset != slot.offset + slot.n_bytes:
            raise ProgramError(f"input '{name}': its numbers must follow its slot")


def _check_outputs(names: _Names, outputs: Sequence[OutputFacts]) -> Array:
    """Commands are what the guard gives, as the last operation; its words."""
    size = sum(one.size for one in outputs)
    command, safe = (names.place(*one, "<f8", (size,)) for one in (("command", IO), ("safe", PROGRAM)))
    words = names.place("guard", STATE, "<i8", (GUARD_WORDS,))
    last = names.program.operations[-1] if names.program.operations else None
    row = dict(zip(guard.words, last.operands)) if last is not None and last.kernel == guard.name else {}
    if not row or (row["m"], row["command"], row["words"]) != (size, command, words):
        raise ProgramError("the last operation must be the guard of all commands")
    limits = LIMITS.rows_of(names.array(row["limits"]).data, size)  # type: ignore[arg-type]
    if limits.safe.tobytes() != names.array(safe).data.tobytes():
        raise ProgramError("the safe command must be the guard's")
    first = 0
    for name, n in ((one.name, one.size) for one in outputs):
        if n < 1 or (names.place(f"{name}.command", IO, "<f8"), names.place(f"{name}.safe", PROGRAM, "<f8")) != (
            element(command, first, n), element(safe, first, n),
        ):  # fmt: skip
            raise ProgramError(f"output '{name}': must be its {n} numbers of the command")
        first += n
    return names.array(words)
