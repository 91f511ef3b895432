"""Compute the gradients of a loss by a network's weights, biases and neuron parameters, over recorded sequences.

The operations of a Program are analysed once, before the first run. The analysis finds the operations between trained
constants and outputs, the order in which their adjoints run, and the signals that the engine has to record. Operations
that form a cycle (recurrent projections) are processed in parts that are as long as the shortest delay in the cycle.
All other operations process all steps in one part, so that a projection costs one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from types import SimpleNamespace

import numpy as np

from ...controller_file import Surrogate
from ...engine.build.restart import LABEL as EACH_TICK
from ...engine.program import POST, PRE, PROGRAM, STATE, STEP, Operation, Place, Program
from ...engine.registry import companions, kernel
from ...engine.rows import View
from ...errors import ProgramError
from .adjoints.adjoint import Adjoint, Constant, signal
from .adjoints.tape import Signal, Tape

__all__ = ["Gradient"]


AFTER = ("argmax", "squash", "guard")  # kernels that run after the heads


class Gradient:
    """Computes gradients by trained constants of a Program, for a loss that depends on the Program's *heads*.

    program : the Program; its constants are read again in each call
    trained : places of the constants by which gradients are computed
    heads : places in the state of the values from which the loss is computed; they are written at the end of a tick

    spikes : spike signals that the tape must record in each step
    once : signals that the tape must record once in each tick
    past : signal -> number of steps before the run whose values the tape must contain

    Raises ProgramError if an operation between trained constants and heads has no adjoint; the error names the
    operation and its kernel.
    """

    def __init__(self, program: Program, trained: Iterable[Place], heads: Iterable[Place]) -> None:
        self.program, self.surrogate = program, Surrogate()
        self.constants: dict[Signal, Constant] = {}
        self._trained = {signal(place) for place in trained}
        self._heads = {signal(place): place for place in heads}
        self._names = {signal(place): name for name, place in program.names.items()}
        behind = [o for o in program.operations if _behind_encoders(o) and o.kernel not in AFTER]
        first = (o.operands for o in program.operations if o.section == PRE and o.label == EACH_TICK)
        anew = {signal(w) for words in first for w in words if isinstance(w, Place) and w.kind == STATE}
        self._operations = [_Step(self, o, anew) for o in behind]
        self._choose()
        self._connect()

    # which operations ----------------------------------------------------------------------------------------
    def _choose(self) -> None:
        """Find the operations that gradients pass through, and those whose results must be computed again."""
        lines = {signal(s.w.line): signal(s.w.x) for s in self._operations if s.name == "remember"}
        self._pulses = {signal(s.w.y) for s in self._operations if s.name == "clear"}
        self._operations = [s for s in self._operations if s.name not in ("remember", "clear")]
        steps = self._operations
        for s in steps:
            s.follow(lines)
        # moved: signals that depend on what is trained; asked: signals through which the heads depend on these
        moved = _closure(steps, (), lambda s, found: set(s.writes) if s.trains or s.reads_any(found) else set())
        asked = _closure(steps, self._heads, lambda s, found: s.sources if moved & set(s.writes) & found else set())
        self._wanted = frozenset(moved & asked)
        self.back = [s for s in steps if self._wanted & set(s.writes) and (s.trains or s.reads_any(self._wanted))]
        spiking = {w for s in steps if s.fires for w in s.writes}
        kept = self._kept(moved) - spiking
        # signals that are not spikes and change in each step are computed again
        first = {signal for s in self.back for signal in (*s.sources, *s.writes)}

        def again(s: _Step, found: Set[Signal]) -> bool:
            return not s.fires and not (found - spiking - kept).isdisjoint(s.writes)

        needed = _closure(steps, first, lambda s, found: s.sources if again(s, found) else set())
        self.used = [s for s in steps if s in self.back or again(s, needed)]
        written = {write for s in steps for write in s.writes}
        self.spikes = sorted(needed & spiking)
        self.once = sorted(read for read in (needed - written) | (needed & kept) if read[0] == STATE)
        past: dict[Signal, int] = {}
        for s in self.used:
            s.adjoint.wanted = self._wanted
            for read, delay in s.reads:
                past[read] = max(past.get(read, 0), s.looks_back or delay)
        self.past = {read: delay for read, delay in past.items() if delay}

    def _kept(self, moved: set[Signal]) -> set[Signal]:
        """Return the signals that are recorded once per tick, because they cannot be computed again.

        These signals depend on an operation without an adjoint, for example on weights that learn online. Training does
        not change them, and only operations at the end of a tick read them, so their recorded values stay correct.
        """
        every = self._operations
        closed = _closure(every, (), lambda s, found: set() if s.known and not s.reads_any(found) else set(s.writes))
        ends = {read for s in every if s.section == POST and not s.looks_back for read in s.sources}
        steps = [s for s in every if s.section == STEP and moved & set(s.writes)]
        return (closed & ends) - moved - {read for s in steps for read in s.sources}

    @property
    def trained_spikes(self) -> list[Signal]:
        """The signals of spikes through which gradients reach trained constants."""
        return [one for one in self.spikes if one in self._wanted]

    def use(self, surrogate: Surrogate) -> None:
        """Use ``surrogate`` as the derivative of spikes from now on."""
        self.surrogate = surrogate
        for s in self.used:
            s.adjoint.surrogate = surrogate

    # in which order ------------------------------------------------------------------------------------------
    def _connect(self) -> None:
        graded = [s for s in self.used if s.section == STEP]
        self._forward = _groups(graded, lambda signal: signal not in self.spikes)
        self._backward = _groups([s for s in self.back if s.section == STEP], lambda signal: True)[::-1]
        self._pre, self._post = ([s for s in self.used if s.section == section] for section in (PRE, POST))

    # a run ---------------------------------------------------------------------------------------------------
    def constant(self, place: Place) -> Constant:
        """Return the `Constant` at a place.

        Raises TypeError if the array at this place belongs to the state, such as weights that learn online.
        """
        if place.kind != PROGRAM:
            raise TypeError("with weights that learn online")
        key = signal(place)
        if key not in self.constants:
            self.constants[key] = Constant(place, self.program.constants, key in self._trained)
        return self.constants[key]

    def forward(self, tape: Tape, state: Callable[[Place], np.ndarray]) -> dict[Signal, np.ndarray]:
        """Compute the signals that were not recorded.

        state : function: place of an array in the state -> its values before the run, (rows, ...)

        Returns the values of each head as the adjoints compute them: head -> (ticks, rows, n) float32.
        """
        for pulse in self._pulses & set(tape.values):
            value = np.zeros((tape.ticks, tape.steps, *tape.values[pulse].shape[1:]), np.float32)
            value[:, 0] = tape.values[pulse]
            tape.values[pulse] = value.reshape(tape.length, *value.shape[2:])
        for s in self.used:
            s.adjoint.begin(tape, state, lambda place: place.view(self.program.initial_state))
        for s in self._pre:
            s.adjoint.forward(tape, 0, tape.ticks)
        for steps, part in self._forward:
            for first in range(0, tape.length, part or tape.length):
                for s in steps:
                    s.adjoint.forward(tape, first, min(first + (part or tape.length), tape.length))
        for s in self._post:
            s.adjoint.forward(tape, 0, tape.ticks)
        return {head: tape.values[head] for head in self._heads if head in tape.values}

    def backward(self, tape: Tape, heads: Mapping[Signal, np.ndarray]) -> dict[Signal, np.ndarray]:
        """Compute the gradients; call `forward` first.

        heads : head -> derivative of the loss by this head, (ticks, rows, n)

        The result includes gradients that were already added to ``tape.gradient(spikes)``, such as the gradient of a
        price of spikes.

        Returns a dictionary: `signal` of a constant -> derivative of the loss by this constant. The derivative is a
        float32 array in the shape of the constant; for sparse weights, it has one number for each synapse.
        """
        for constant in self.constants.values():
            constant.gradient[:] = 0
        for head, g in heads.items():
            tape.gradient(head)[:] += g
        for s in reversed(self._post):
            if s in self.back:
                s.adjoint.backward(tape, 0, tape.ticks)
        for steps, part in self._backward:
            part = part or tape.length
            for first in range((tape.length - 1) // part * part, -1, -part):
                for s in reversed(steps):
                    s.adjoint.backward(tape, first, min(first + part, tape.length))
        for s in reversed(self._pre):
            if s in self.back:
                s.adjoint.backward(tape, 0, tape.ticks)
        return {key: c.gradient for key, c in self.constants.items() if c.trained}


def _behind_encoders(operation: Operation) -> bool:
    """Return whether an operation runs after the encoders: a projection, or any operation in section STEP or POST."""
    return operation.section != PRE or operation.label.startswith("projections[")


class _Step:
    """An operation of the Program with its named operands, and with its adjoint if the kernel has one."""

    def __init__(self, of: Gradient, operation: Operation, anew: set[Signal]) -> None:
        self.section, self.name, self.label = operation.section, operation.kernel, operation.label
        row = kernel(operation.kernel)
        self.w = SimpleNamespace(**dict(zip(row.words, operation.operands, strict=True)))
        self.fires = hasattr(self.w, "flags")
        self.looks_back = self.w.steps if self.name in ("window_counts", "window_mean") else 0
        self.reads: list[tuple[Signal, int]] = []
        self.writes: list[Signal] = []
        self._adjoint: Adjoint | None = None
        self.why = ""
        kinds = companions("adjoint")
        if operation.kernel in kinds:
            try:
                made = self._adjoint = kinds[operation.kernel](self.w, self.section != STEP, of.constant)
                made.each_tick = not anew.isdisjoint(signal(w) for w in operation.operands if isinstance(w, Place))
            except TypeError as error:
                self.why = f" {error}"
        places = [word for word in operation.operands if isinstance(word, Place)]
        self.trains = any(signal(place) in of._trained for place in places)
        only_read = {n for n, word in row.row.items() if isinstance(word, View) and not word.written}
        signals = {
            name: signal(word)
            for name, word in vars(self.w).items()
            if isinstance(word, Place)
            and word.kind == STATE
            and np.dtype(word.dtype) != np.int64  # neither clocks nor counters
        }
        self._may_read = list(signals.values())
        self._may_write = [one for name, one in signals.items() if name not in only_read]

    def follow(self, lines: Mapping[Signal, Signal]) -> None:
        """Set the signals that the operation reads and writes.

        An operation without an adjoint is assumed to read all its operands in the state, and to write those that are
        not declared read-only.

        lines : signal of a delay line -> signal of the vector that it stores
        """
        if self._adjoint is None:
            self.reads = [(lines.get(one, one), 0) for one in self._may_read]
            self.writes = [lines.get(one, one) for one in self._may_write]
            return
        self._adjoint.follow(lines)
        self.reads, self.writes = self._adjoint.reads, self._adjoint.writes

    @property
    def known(self) -> bool:
        """Whether the operation has an adjoint."""
        return self._adjoint is not None

    @property
    def sources(self) -> set[Signal]:
        """The signals that the operation reads."""
        return {read for read, _ in self.reads}

    def reads_any(self, signals: Set[Signal]) -> bool:
        return not self.sources.isdisjoint(signals)

    @property
    def adjoint(self) -> Adjoint:
        """The adjoint of the operation. Raises ProgramError if the operation has no adjoint."""
        if self._adjoint is None:
            rule = f"cannot be differentiated: kernel '{self.name}'{self.why or ' has no adjoint'}"
            raise ProgramError(f"{self.label}: {rule}; train what follows it, or choose another model")
        return self._adjoint


def _closure(steps: list[_Step], first: Iterable[Signal], more: Callable[[_Step, Set[Signal]], set]) -> set[Signal]:
    """Return a set of signals. It starts with ``first``, and operations add signals to it until none adds a new one.

    more : function (operation, present set) -> signals that the operation adds
    """
    found: set[Signal] = set(first)
    before = -1
    while len(found) > before:
        before = len(found)
        for s in steps:
            found |= more(s, found)
    return found


Group = tuple[list[_Step], int]  # operations in order, and steps of a part (0: all at once)


def _groups(steps: list[_Step], counts: Callable[[Signal], bool]) -> list[Group]:
    """Divide operations into groups and order these groups: each comes before the groups that read its results.

    A group of several operations is a cycle.

    counts : function that returns whether a signal orders operations: those that read it then follow the one that
        writes it
    """
    follows: dict[int, list[tuple[int, int]]] = {}  # -> (operation, delay)
    for k, s in enumerate(steps):
        readers = [(j, read, delay) for j, other in enumerate(steps) for read, delay in other.reads if counts(read)]
        follows[k] = [(j, delay) for write in s.writes for j, read, delay in readers if read == write]
    found = []
    for members in _cycles(follows):
        inside = set(members)
        delays = [d for k in members for j, d in follows[k] if j in inside and d > 0]
        cyclic = len(members) > 1 or bool(delays)
        found.append(([steps[k] for k in sorted(members)], min(delays) if delays else int(cyclic)))
    return found


def _cycles(follows: Mapping[int, list[tuple[int, int]]]) -> list[list[int]]:
    """Return the strongly connected components of a graph; each component follows those on which it depends.

    The algorithm is that of Tarjan (1972, SIAM J. Comput. 1:146).
    """
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    found: list[list[int]] = []

    def visit(k: int) -> None:
        index[k] = low[k] = len(index)
        stack.append(k)
        for j, _ in follows[k]:
            if j not in index:
                visit(j)
                low[k] = min(low[k], low[j])
            elif j in stack:
                low[k] = min(low[k], index[j])
        if low[k] == index[k]:
            at = stack.index(k)
            found.append(stack[at:])
            del stack[at:]

    for k in follows:
        if k not in index:
            visit(k)
    return found[::-1]
