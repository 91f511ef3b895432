"""Check that the named arrays and the facts of a Program agree with its blocks of memory.

The facts describe the inputs, outputs and populations of a Program. Code that runs the Program, such as the real-time
loop, writes inputs and reads commands and spike lists at the addresses and sizes that names and facts declare. A
Program can come from an untrusted file, so names and facts are checked first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..coding.frame_source import MOST_FRAME_PX, NUMBERS
from ..errors import ProgramError
from .control_words import SWITCH_WORDS, words_of
from .facts import NOTHING_KNOWN
from .kernels.guard import GUARD_WORDS, LIMITS, STOP_WORDS, guard
from .operand_arrays import Array, clocked, ring
from .program import IO, PROGRAM, STATE, Place, Program, element
from .slots import EVENT_COLUMNS, SLOT_WORDS

__all__ = ["check_names"]

Promise = tuple[str, int, str, tuple[int, ...] | None]  # name, kind of block, dtype, shape if it is known


def check_names(program: Program, array: Callable[[Place], Array]) -> list[Array]:
    """Check the named arrays and the facts of a Program against its blocks of memory.

    Raise ProgramError if an array or a fact is wrong.

    array : function that returns the `Array` of a `Place`, or raises ProgramError if the `Place` is outside its block

    Return the named arrays in the state from which drivers read indices, or to which they write. `apart` then checks
    that no kernel writes other data into these arrays.
    """
    arrays: dict[str, Array] = {}
    try:
        for name, kind, dtype, shape in _promises(program):
            place = program.names.get(name)
            if place is None or (place.kind, place.dtype) != (kind, dtype) or shape not in (None, place.shape):
                raise ProgramError(f"'{name}' is {place}: this contradicts the facts of the Program")
            arrays[name] = array(place)
        _check_facts(program, arrays)
        if program.facts.outputs:
            _check_outputs(program, array)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ProgramError(f"facts have the wrong form: {type(error).__name__}: {error}") from None
    learned = [f"{one.title}.weights" for one in program.facts.learning]
    return [one for name, one in arrays.items() if program.names[name].kind == STATE and name not in learned]


def _promises(program: Program) -> Iterator[Promise]:
    """Yield the arrays that the facts declare for drivers: name, kind of block, dtype and shape (None: any shape)."""
    facts = program.facts
    named: list[Any] = [*facts.inputs, *facts.outputs, *facts.populations]
    for one in named:
        if not isinstance(one.name, str):
            raise ProgramError(f"a name is {one.name!r}: must be a word")
    yield "clock", STATE, "<i8", (2,)
    for one in facts.inputs:
        yield f"{one.name}.slot", IO, "<i8", (SLOT_WORDS,)
        columns = EVENT_COLUMNS if one.kind == "events" else {"data": "<f8"}
        for key, dtype in columns.items():
            yield f"{one.name}.{key}", IO, dtype, (one.capacity if one.kind == "events" else one.size,)
    if facts.outputs:
        size = sum(output.size for output in facts.outputs)
        yield from (("command", IO, "<f8", (size,)), ("safe", PROGRAM, "<f8", (size,)))
        yield "guard", STATE, "<i8", (GUARD_WORDS,)
    if any(one.stop_when for one in facts.inputs):
        yield "stops", STATE, "<i8", (STOP_WORDS,)
    for pop in facts.populations:
        if pop.spiking:
            yield f"{pop.name}.spikes", STATE, "|u1", (pop.stride * pop.slots,)
    if "control" in program.names:
        asked, taken = words_of(len(facts.learning), len(facts.tunable))
        yield from (("control", IO, "<i8", (asked,)), ("restarts", PROGRAM, "<i8", None))
        yield "controlled", STATE, "<i8", (taken,)
    for rule in facts.learning:
        yield f"{rule.title}.learning", STATE, "<i8", (SWITCH_WORDS,)
        yield f"{rule.title}.weights", STATE, "<u4" if rule.sparse else "<f4", None


def _check_facts(program: Program, arrays: dict[str, Array]) -> None:
    facts, names = program.facts, program.names
    clocked(arrays["clock"])
    if facts != NOTHING_KNOWN and not 0 < facts.period * 1e9 < 1 << 62:
        raise ProgramError(f"period = {facts.period}: must be > 0 s")
    for one in facts.inputs:
        slot = names[f"{one.name}.slot"]
        if one.kind == "events":
            width, height = one.size
            if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
                raise ProgramError(f"input '{one.name}': size {width} x {height}: must be pixels")
            if one.camera and (len(one.camera) != NUMBERS or not 1 < min(one.size) <= max(one.size) <= MOST_FRAME_PX):
                raise ProgramError(f"input '{one.name}': its camera for frames has another form")
        elif names[f"{one.name}.data"].offset != slot.offset + slot.n_bytes:
            raise ProgramError(f"input '{one.name}': its numbers must follow its slot")
    for pop in facts.populations:
        if pop.spiking:
            ring(arrays[f"{pop.name}.spikes"], pop.stride, pop.slots, arrays["clock"], 0, pop.multiplicity, pop.size)
    if "restarts" in arrays and (arrays["restarts"].data.size % 16 or len(names["restarts"].shape) != 2):
        raise ProgramError("restarts: must be pairs of an offset and a size")


def _check_outputs(program: Program, array: Callable[[Place], Array]) -> None:
    """Raise ProgramError unless the last operation is the guard, and the guard writes the commands of all outputs."""
    names, last = program.names, program.operations[-1] if program.operations else None
    command, safe = names["command"], names["safe"]
    row = dict(zip(guard.words, last.operands)) if last is not None and last.kernel == guard.name else {}
    if not row or (row["m"], row["command"], row["words"]) != (command.shape[0], command, names["guard"]):
        raise ProgramError("the last operation must be the guard of all commands")
    limits = LIMITS.rows_of(array(row["limits"]).data, command.shape[0])  # type: ignore[arg-type]
    if limits.safe.tobytes() != array(safe).data.tobytes():
        raise ProgramError("the safe command must be the guard's")
    first = 0
    for one in program.facts.outputs:
        own = element(command, first, one.size), element(safe, first, one.size)
        if one.size < 1 or (names.get(f"{one.name}.command"), names.get(f"{one.name}.safe")) != own:
            raise ProgramError(f"output '{one.name}': must be its {one.size} numbers of the command")
        first += one.size
