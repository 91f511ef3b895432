"""Bind a Program to memory, so that the Program can run: for one controller, or for a batch of instances.

Binding converts each `snn_control.engine.program.Place` of an array to an address. It also checks that no operation
leaves its arrays, so a tick needs no checks. In a batch, a *row* is one instance: a state, an io block and a table.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import DescriptionError, ProgramError
from . import python_calls as calls
from .atomics import write_word
from .camera.frame_taker import FrameTaker
from .control_words import LEARNING, no_request, tuned_words
from .facts import InputFacts
from .input_values import taker
from .names import check_names
from .operand_arrays import Array, apart
from .program import IO, NUMBER, POST, PRE, PROGRAM, STATE, STEP, Operation, Place, Program, aligned
from .registry import kernel
from .rows import WORDS, Kernel
from .slots import EVENT_COLUMNS
from .tick import FORGETS, HEADER, INITIAL, N_FORGETS, SETTING
from .tuning import Tuning

__all__ = ["Blocks", "Bound", "address_of", "bind", "check_rows", "input_arrays", "input_taker", "stride_of"]

KEPT = ("clock", "controlled", "guard", "motion", "stops")  # states that a restart of the network keeps

KEPT_SETTINGS = 64  # newest settings kept alive: a running tick may still be reading them

Blocks = Mapping[int, np.ndarray]  # kind of block -> (bytes,) uint8


def address_of(place: Place, blocks: Blocks) -> int:
    """Return the memory address of an array. Raise ProgramError if ``place`` is invalid or leaves its block."""
    p, block = place, blocks.get(place.kind)
    try:
        shaped = all(operator.index(n) >= 0 for n in p.shape)
        shaped = shaped and operator.index(p.offset) % np.dtype(p.dtype).itemsize == 0
    except (TypeError, ZeroDivisionError):  # an invalid shape or dtype
        shaped = False
    if block is None or not shaped or p.offset < 0 or p.offset + p.n_bytes > block.size:
        raise ProgramError(f"a place of shape {p.shape}, dtype {p.dtype}, at {p.offset} lies outside its block")
    return int(block.ctypes.data) + p.offset


def bind(program: Program, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Make the table of addresses that `snn_control.engine.tick` runs: a header, then one row for each operation.

    Return two (1 + operations, WORDS) arrays. The first is the table, int64. The second, uint8, is the kind of each
    word: PROGRAM, STATE or IO for an address in this block, otherwise NUMBER. Raise ProgramError if blocks do not fit.
    """
    operations, sections = program.operations, [o.section for o in program.operations]
    if sections != sorted(sections) or not set(sections) <= {PRE, STEP, POST}:
        raise ProgramError("operations are not in the order of their sections")
    if not 1 <= program.steps < 1 << 32:
        raise ProgramError(f"steps = {program.steps}: must be at least 1 a tick")
    check_rows(program, blocks)
    table = aligned(8 * WORDS * (1 + len(operations))).view(np.int64).reshape(-1, WORDS)
    kinds = np.full(table.shape, NUMBER, np.uint8)
    for k, operation in enumerate(operations, 1):
        found = kernel(operation.kernel, operation.version)
        table[k, 0] = found.address
        for word, operand in enumerate(operation.operands, 1):
            _put(table[k], kinds[k], word, operand, blocks)
    _fill_header(program, blocks, sections, table[0], kinds[0])
    return table, kinds


def _put(row: np.ndarray, kinds: np.ndarray, word: int, value: int | Place, blocks: Blocks) -> None:
    """Write an operand, as number or address, into ``row[word]``, and the kind of its block into ``kinds[word]``."""
    if isinstance(value, Place):
        row[word], kinds[word] = address_of(value, blocks), value.kind
    else:
        row[word] = value


def _fill_header(program: Program, blocks: Blocks, sections: list[int], header: np.ndarray, kinds: np.ndarray) -> None:
    before, in_step, after = (sections.count(s) for s in (PRE, STEP, POST))
    values: dict[str, Any] = {"before": before, "in_step": in_step, "after": after}
    values |= {"steps": program.steps, "clock": program.names["clock"]}
    if "control" in program.names:
        asked, restarts = program.names["control"], program.names["restarts"]
        values |= {"asked": asked, "taken": program.names["controlled"], "rules": asked.shape[0] - LEARNING}
        values |= {"tunable": len(program.facts.tunable)}
        values |= {"restarts": restarts, "n_restarts": restarts.shape[0]}
        values |= {"state": Place(STATE, 0, "|u1", program.initial_state.shape)}
        values |= {"initial": int(program.initial_state.ctypes.data)}
    for name, value in values.items():
        _put(header, kinds, HEADER.index(name), value, blocks)


def check_rows(program: Program, blocks: Blocks) -> None:
    """Raise ProgramError if an operation could leave its arrays, or write indices that another operation relies on."""
    rows: list[Sequence[int | Array]] = [_check(o, kernel(o.kernel, o.version), blocks) for o in program.operations]
    named = check_names(program, lambda place: _array(place, blocks))
    apart([*rows, named])
    if "restarts" in program.names:
        _check_restarts(program, blocks, [a for row in [*rows, named] for a in row if isinstance(a, Array)])


def _check_restarts(program: Program, blocks: Blocks, arrays: Sequence[Array]) -> None:
    """Raise ProgramError if a restart would reset the clock or the guard, or only part of an array of indices."""
    parts = program.names["restarts"].view(blocks[PROGRAM]).tolist()
    ends = [(offset, offset + size) for offset, size in parts]
    if not all(0 <= a < b <= program.initial_state.size and a % 8 == b % 8 == 0 for a, b in ends):
        raise ProgramError("restarts: must lie within the state")
    kept = [program.names[name] for name in KEPT if name in program.names]
    for start, size in [(p.offset, p.n_bytes) for p in kept]:
        if any(a < start + size and start < b for a, b in ends):
            raise ProgramError(f"restarts: must not reset the state at {start}")
    for array in arrays:
        (kind, start), size = array.block, array.data.nbytes
        if array.indices and kind == STATE and size:
            cut = [(a, b) for a, b in ends if a < start + size and start < b]
            if cut and not (cut[0][0] <= start and start + size <= cut[0][1]):
                raise ProgramError(f"restarts: must not cut an array of indices at {start}")


def _array(place: Place, blocks: Blocks) -> Array:
    """Return the operand ``place`` as an `Array`, the form in which kernels check their operands."""
    address_of(place, blocks)
    data = blocks[place.kind][place.offset : place.offset + place.n_bytes]
    constant, from_driver = place.kind == PROGRAM, place.kind == IO
    return Array(data, (place.kind, place.offset), constant, from_driver, dtype=np.dtype(place.dtype).str)


def _check(operation: Operation, found: Kernel, blocks: Blocks) -> list[int | Array]:
    """Check the operands of an operation by its kernel's rules. Return the operands, each `Place` as an `Array`."""
    where = f"{operation.kernel} of {operation.label}"
    seen: list[int | Array] = []
    for operand in operation.operands:
        if isinstance(operand, Place):
            seen.append(_array(operand, blocks))
        elif isinstance(operand, int) and not isinstance(operand, bool) and abs(operand) < 1 << 63:
            seen.append(operand)
        else:
            raise ProgramError(f"{where}: operand {operand!r}: must be a place or a whole number")
    try:
        found.check(seen)
    except ProgramError as error:
        raise ProgramError(f"{where}: {error}") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise ProgramError(f"{where}: its row has the wrong form: {error}") from None
    return seen


def input_arrays(program: Program, io: np.ndarray, name: str, kind: str) -> list[np.ndarray]:
    """Return the header and data arrays of an input, as views of an io block. Raise ProgramError for unknown inputs."""
    if {one.name: one.kind for one in program.facts.inputs}.get(name) != kind:
        raise ProgramError(f"'{name}' is not {'a value' if kind == 'value' else 'an events'} input")
    keys = [f"{name}.{key}" for key in (("slot", "data") if kind == "value" else ("slot", *EVENT_COLUMNS))]
    if missing := [key for key in keys if key not in program.names]:
        raise ProgramError(f"input '{name}' of kind '{kind}': the Program has no array '{missing[0]}'")
    return [program.names[key].view(io) for key in keys]


def input_taker(program: Program, io: np.ndarray, state: np.ndarray, one: InputFacts) -> Callable[..., bool]:
    """Return the function with which Python writes a sample to an input.

    The function is ``take(x)`` for a value input and ``take(t, x, y, p)`` for an events input, or a `FrameTaker`.
    """
    period, (slot, *data) = program.facts.period_ns, input_arrays(program, io, one.name, one.kind)
    if one.kind == "value":
        return calls.value_taker(slot, data[0], period)
    take = taker(slot, data, clock := program.names["clock"].view(state), period)
    return FrameTaker(take, one.size, one.camera, slot, data, clock, period) if one.camera else take


class Bound:
    """A Program with its own state and io block, ready to run: ``bound.tick()``.

    rows : number of instances in a batch; None: one instance, whose arrays have no batch axis
    own_numbers : true if each instance has its own constants and initial state; change only numbers in them, no indices
    state, io : (bytes,) or (rows, bytes) uint8 blocks; `array(name)` returns named views of their arrays
    constants, initial : the read-only arrays of the Program; copies if parameters are tunable or ``own_numbers`` is set
    tuning : the tunable parameters; None if there are none
    tables : (1 or rows, 1 + operations, WORDS) int64: for each instance, the table of addresses that a tick runs
    table : address of the first table, which `tick` and `stepper` run
    tick : ``tick()`` runs one tick on the contents of the io block, and holds the interpreter lock. For long runs that
        release the lock, use `snn_control.controller.batch.Batch` or the loop's mode "free". `tick` keeps the blocks,
        not this object, alive

    Threads may share `tick` or a function of `stepper`: calls run one after the other. Everything else needs a lock,
    see `snn_control.controller.Controller`. Do not call `tick` while a loop runs the table.
    """

    def __init__(
        self, program: Program, rows: int | None = None, tuning: Tuning | None = None, own_numbers: bool = False
    ) -> None:
        if own_numbers and rows is None:
            raise ProgramError("own_numbers: needs rows")
        self.program, self.rows = program, rows
        self.tuning = tuning if rows is None else None  # rows share the constants
        self.constants, self.initial = program.constants, program.initial_state
        shape = () if rows is None else (rows,)

        def copied(block: np.ndarray) -> np.ndarray:
            copy = aligned(block.size, *shape)
            copy[:] = block
            return copy

        self.state = copied(self.initial)
        if own_numbers or self.tuning is not None:
            self.constants, self.initial = copied(self.constants), copied(self.initial)
        if self.tuning is not None:
            self._changed = np.zeros((self.constants.size + self.initial.size) // 4, bool)  # words ever changed
        if not 0 <= program.io_bytes < 1 << 40:
            raise ProgramError(f"io_bytes = {program.io_bytes}: must be from 0 to 2^40 - 1")
        self.io = aligned(program.io_bytes, *shape)
        blocks = {PROGRAM: self.constants, STATE: self.state, IO: self.io}
        first = {kind: np.atleast_2d(block)[0] for kind, block in blocks.items()}
        table, kinds = bind(program, first)
        n, step = rows or 1, sum((kinds == kind) * stride_of(block) for kind, block in blocks.items())
        self.tables = aligned(n * table.nbytes).view(np.int64).reshape(n, *table.shape)
        self.tables[:] = table + np.arange(n)[:, None, None] * step
        self._blocks = first
        self.table = int(self.tables.ctypes.data)
        self._kept = program.initial_state, self.initial, self.constants, self.state, self.io
        learned = [program.names[f"{rule.title}.weights"] for rule in program.facts.learning]
        self._learned = np.array([(one.offset, one.n_bytes) for one in learned], np.int64)
        self.tables[:, 0, [FORGETS, N_FORGETS]] = self._learned.ctypes.data, len(learned)
        self._settings: list[np.ndarray] = []  # the newest ones; a tick may be reading one of them
        self.tables[:, 0, INITIAL] = self.initial.ctypes.data + np.arange(n) * stride_of(self.initial)
        self.tick = calls.ticker(self.tables[0], *self._kept)
        self._ask_for_nothing()

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a copied or unpickled object build a new table: the old one has the addresses of the old blocks."""
        own = (self.constants, self.initial) if self.constants.ndim > 1 else None
        return _again, (self.program, self.rows, self.tuning, own, self.snapshot(), self.io)

    def stepper(self, name: str) -> Callable[[np.ndarray], None]:
        """Return ``step(x)``, which writes the sample ``x`` to the value input ``name`` and runs one tick.

        The age of the sample is 0 in this tick.

        x : (size,) float32 or float64; ``step`` raises InputError and changes nothing for anything else

        Raise ProgramError if no value input has this name.
        """
        slot, data = input_arrays(self.program, self.io, name, "value")
        return calls.stepper(self.tables[0], name, slot, data, *self._kept)

    def address(self, place: Place | str) -> int:
        """Return the address of an array (of row 0 in a batch). Raise ProgramError if the array leaves its block."""
        return address_of(self.program.names[place] if isinstance(place, str) else place, self._blocks)

    def array(self, name: str | Place) -> np.ndarray:
        """Return an array of the Program, given by name or `Place`, as a live view: writing to it changes the memory.

        In a batch, the view has the shape (rows, ...), except for constants that all rows share.
        """
        place = self.program.names[name] if isinstance(name, str) else name
        block = {PROGRAM: self.constants, STATE: self.state, IO: self.io}[place.kind]
        part = block[..., place.offset : place.offset + place.n_bytes]
        return part.view(place.dtype).reshape(*block.shape[:-1], *place.shape)

    def reset(self, rows: Any = ...) -> None:
        """Reset ``rows``, an index, slice or mask of a batch, to the initial state, and clear their io blocks.

        Tunable parameters keep their values.
        """
        tuned = None if self.tuning is None else self._newest_setting()
        if tuned is not None:
            self._take(tuned)
        self.state[rows] = np.broadcast_to(self.initial, self.state.shape)[rows]
        self.io[rows] = 0
        self._ask_for_nothing(rows)
        if tuned is not None:
            self.array("controlled")[-tuned.size :] = tuned

    def _ask_for_nothing(self, rows: Any = ...) -> None:
        """Copy the control words that the last tick accepted into the io block: they then request nothing new."""
        if "control" in self.program.names:
            self.array("control")[rows] = no_request(self.array("controlled")[rows], len(self.program.facts.tunable))

    def restore(self, state: np.ndarray, rows: Any = ...) -> None:
        """Replace the state by one that `snapshot` returned, uint8: (bytes,) for all rows, or (rows, bytes).

        Raise ProgramError and change nothing if the state does not fit this Program.
        """
        state = np.array(state)  # a copy, which nothing can change between check and use
        size = self.program.initial_state.size
        if state.dtype != np.uint8 or state.shape[-1:] != (size,) or state.ndim > self.state[rows].ndim:
            raise ProgramError(f"a state of {state.shape} {state.dtype}: this Program's has {size} uint8")
        for one in state.reshape(-1, size):  # indices that kernels follow, and the guard's last command
            check_rows(self.program, {**self._blocks, STATE: one})
        if self._tuned_words:
            for one in state.reshape(-1, size):
                self._check_tuned(self.program.names["controlled"].view(one))
        self.state[rows] = state
        self._ask_for_nothing(rows)
        if self.tuning is not None:
            self._take(self.array("controlled")[-self._tuned_words :])

    # tuning ----------------------------------------------------------------------------------------------------
    @property
    def _tuned_words(self) -> int:
        return tuned_words(len(self.program.facts.tunable))

    @property
    def tuned(self) -> np.ndarray:
        """Values of the tunable parameters in the last tick, as a copy, (tunable,) float64."""
        return self.array("controlled")[-len(self.program.facts.tunable) :].view(np.float64).copy()

    def tune(self, values: np.ndarray) -> None:
        """Set the tunable parameters to ``values``, (tunable,) float64, from the next tick on, even while a loop runs.

        Raise DescriptionError if a value is not allowed, and ProgramError if the Program has no tunable parameters.
        """
        if self.tuning is None:
            raise ProgramError("nothing can be tuned here: this is a saved Program, or has several rows")
        values = np.array(values, np.float64)
        places, words = self._changes(values)
        head = np.array([self._newest_setting()[0] + 1, words.size], np.int64)
        padded = np.append(words, np.zeros(words.size % 2, np.uint32)).view(np.int64)
        setting = np.concatenate([head, values.view(np.int64), places, padded])
        self._settings = [*self._settings[-KEPT_SETTINGS:], setting]
        write_word(self.table + 8 * SETTING, int(setting.ctypes.data))

    def _changes(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the 32-bit words of constants and initial state that depend on new values of the tunable parameters.

        The result is an int64 array of addresses and a uint32 array of new bits. Words that earlier values changed are
        included, because the new values may set them back.
        """
        assert self.tuning is not None
        other, control = self.tuning.program(values), self.program.names["controlled"]
        blocks = [(self.constants, other.constants, self.program.constants)]
        blocks += [(self.initial, other.initial_state, self.program.initial_state)]
        words = np.concatenate([theirs.view(np.uint32) for _, theirs, _ in blocks])
        self._changed |= words != np.concatenate([own.view(np.uint32) for _, _, own in blocks])
        first = self.constants.size // 4
        begin = first + control.offset // 4
        self._changed[begin : begin + control.n_bytes // 4] = False  # a tick takes the values from the setting itself
        index = np.flatnonzero(self._changed)
        starts = np.where(index < first, self.constants.ctypes.data, self.initial.ctypes.data - 4 * first)
        return starts + 4 * index, words[index]

    @property
    def newest_values(self) -> list[float]:
        """Values of the tunable parameters in the next tick."""
        return self._newest_setting()[1:].view(np.float64).tolist()

    def _newest_setting(self) -> np.ndarray:
        """Return the newest setting, (1 + tunable,) int64: its number, then the bits of the parameters' values."""
        n = self._tuned_words
        if self._settings:
            return np.delete(self._settings[-1][: n + 1], 1)
        return self.array("controlled")[-n:].copy()

    def _check_tuned(self, controlled: np.ndarray) -> None:
        values = controlled[-len(self.program.facts.tunable) :].view(np.float64)
        try:
            if self.tuning is not None:
                self.tuning.program(values.copy())
            elif values.tolist() != list(self.program.facts.tuned):
                raise ProgramError("the state was tuned, and nothing can be tuned here")
        except DescriptionError as error:
            raise ProgramError(str(error)) from None

    def _take(self, tuned: np.ndarray) -> None:
        """Write a setting from `_newest_setting` into the constants and the initial state while no loop runs."""
        assert self.tuning is not None
        write_word(self.table + 8 * SETTING, 0)
        self._settings = []
        values, control = tuned[1:].view(np.float64).copy(), self.program.names["controlled"]
        self._changes(values)
        other = self.tuning.program(values)
        self.constants[:], self.initial[:] = other.constants, other.initial_state
        control.view(self.initial)[:] = control.view(self.program.initial_state)

    def snapshot(self, rows: Any = ...) -> np.ndarray:
        """Return a copy of the state, (bytes,) or (rows, bytes) uint8, with the newest values of tunable parameters."""
        state = self.state[rows].copy()
        if self.tuning is not None:
            tuned = self._newest_setting()
            self.program.names["controlled"].view(state)[-tuned.size :] = tuned
        return state


def stride_of(block: np.ndarray) -> int:
    """Return the number of bytes from one row of a batch's block to the next; 0 for the block of a single instance."""
    return block.strides[0] if block.ndim > 1 else 0


def _again(program: Program, rows: Any, tuning: Any, own: Any, state: np.ndarray, io: np.ndarray) -> Bound:
    bound = Bound(program, rows, tuning, own is not None)
    if own is not None:
        bound.constants[:], bound.initial[:] = own
    bound.restore(state)
    bound.io[:] = io
    return bound
