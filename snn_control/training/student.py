"""A Program that is trained: run by the engine over sequences, and differentiated on the spikes that it recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..batch import Batch, encoded_of
from ..engine.kernels.spikes import HEADER
from ..engine.program import PRE, STATE, Place, Program, aligned, element
from ..engine.registry import kernel
from ..errors import NO_VALUE, DescriptionError
from .adjoints.adjoint import signal
from .adjoints.tape import Signal, Tape
from .gradient import Gradient

__all__ = ["Seen", "Student", "heads_of", "writable"]

Seen = dict[str, np.ndarray]  # input -> (rows, ...), what was given to the network


def writable(program: Program) -> Program:
    """A copy of a Program whose constants and initial state may be written to."""
    copy = Program(*program.__reduce__()[1])
    for name in ("constants", "initial_state"):
        block = getattr(program, name)
        own = aligned(block.size)
        own[:] = block
        object.__setattr__(copy, name, own)
    return copy


def heads_of(program: Program) -> dict[str, Place]:
    """Output -> what a loss looks at: the scores of an arg-max, the sum that is squashed, else the output itself."""
    heads, first = {}, 0
    raw = program.names["raw"]
    for output in program.facts.outputs:
        inner = next(
            (f"{output.name}.{kind}" for kind in ("scores", "sum") if f"{output.name}.{kind}" in program.names), ""
        )
        heads[output.name] = program.names[inner] if inner else element(raw, first, output.size)
        first += output.size
    return heads


class Student:
    """Sequences forward and backward of ``program``, whose constants somebody else writes.

    trained : places of constants whose gradients are wanted

    Attributes
    ----------
    heads : output name -> place of what a loss looks at
    memory : bytes of a row that `remember` gives and `run` goes on from
    """

    def __init__(self, program: Program, trained: Iterable[Place]) -> None:
        self.program, self.heads = program, heads_of(program)
        self.gradient = Gradient(program, trained, self.heads.values())
        self._batches: dict[int, Batch] = {}
        self._rings = {signal(program.names[f"{p.name}.spikes"]): p for p in program.facts.populations if p.spiking}
        self._places: dict[Signal, Place] = {}
        self._lines: dict[Signal, dict[str, Any]] = {}
        names = program.names
        currents = [(names.get(f"{p.name}.current"), names[f"{p.name}.bias"]) for p in program.facts.populations]
        self._currents = [(current, bias) for current, bias in currents if current is not None]
        for o in program.operations:
            words: dict[str, Any] = dict(zip(kernel(o.kernel).words, o.operands, strict=True))
            for word in o.operands:
                if isinstance(word, Place) and word.kind == STATE:
                    self._places.setdefault(signal(word), word)
            if o.kernel == "remember":
                self._lines[signal(words["x"])] = words
        self.events = self._events()
        self._parts = self._remembered()

    def _events(self) -> dict[str, Place]:
        """Events input -> what its encoder gives."""
        found = {}
        for one in self.program.facts.inputs:
            if one.kind == "events":
                place = encoded_of(self.program, one.name)
                if place is None:
                    rule = "cannot be trained on: what its encoder gives has no name in the Program"
                    raise DescriptionError(f"inputs.{one.name}.encoder", NO_VALUE, rule, "call it INPUT.drive")
                found[one.name] = place
        return found

    @property
    def seen_shapes(self) -> dict[str, tuple[int, ...]]:
        """Input -> shape of what `step` says that a row saw."""
        repeat, inputs = self.program.facts.repeat, self.program.facts.inputs
        return {i.name: (repeat, *self.events[i.name].shape) if i.name in self.events else (i.size,) for i in inputs}

    def _remembered(self) -> list[tuple[int, int]]:
        """Offset and bytes of the parts of a state that a sequence goes on from: all but currents, which begin at the
        bias, rings that no delay reads, counters of work, and what filters and encoders of events keep."""
        names = self.program.names
        left_out = [current for current, _ in self._currents] + [names["spike_counts"], names["synaptic_operations"]]
        left_out += [names[f"{p.name}.spikes"] for key, p in self._rings.items() if key not in self.gradient.past]
        own: set[Signal] = set()
        others: set[Signal] = set()
        for o in self.program.operations:
            of_events = o.section == PRE and o.label in self.events
            (own if of_events else others).update(signal(w) for w in o.operands if isinstance(w, Place))
        left_out += [place for key, place in self._places.items() if key in own - others]
        left_out += list(self.events.values())
        parts, first = [], 0
        for place in sorted(left_out, key=lambda place: place.offset):
            parts.append((first, place.offset - first))
            first = max(first, place.offset + place.n_bytes)
        return [part for part in [*parts, (first, self.program.initial_state.size - first)] if part[1] > 0]

    def batch(self, rows: int) -> Batch:
        """The batch of so many rows that `run` uses."""
        if rows not in self._batches:
            self._batches[rows] = Batch(self.program, rows, self.program.facts.repeat)
        return self._batches[rows]

    def refresh(self, batch: Batch) -> None:
        """After constants have changed: what waits in a batch starts at the bias, and so does a reset."""
        states, start = batch.bound.state, self.program.initial_state
        for current, bias in self._currents:
            values = bias.view(self.program.constants)
            current.view(start)[:] = values
            states[:, current.offset : current.offset + current.n_bytes].view(np.float32)[:] = values

    def remember(self, batch: Batch) -> np.ndarray:
        """(rows, bytes) uint8, what the rows of a batch go on from."""
        return np.concatenate([batch.bound.state[:, offset : offset + size] for offset, size in self._parts], axis=1)

    def recall(self, batch: Batch, memory: np.ndarray) -> None:
        """The rows of a batch go on from `remember`."""
        first = 0
        for offset, size in self._parts:
            batch.bound.state[:, offset : offset + size] = memory[:, first : first + size]
            first += size
        self.refresh(batch)

    def step(self, batch: Batch, inputs: Mapping[str, Any], starts: np.ndarray) -> tuple[dict[str, np.ndarray], Seen]:
        """One step of a batch.

        inputs : value input -> (rows, size); events input -> list of rows of events, as `Batch.step` takes them
        starts : (rows,) bool, rows that begin anew before it

        Returns output -> (rows, m) float32, a copy, of its head; and what `run` takes to do the same again: the
        numbers of a value input, (rows, repeat, cells) float32 of an events input, what its encoder gave in each tick.
        """
        if starts.any():
            batch.reset(starts)
        found = batch.step(inputs, list(self.events.values()))
        seen = {n: v for n, v in inputs.items() if n not in self.events}
        seen |= {name: found[place] for name, place in self.events.items()}
        return {name: batch.bound.array(place).copy() for name, place in self.heads.items()}, seen

    def look(self, batch: Batch, inputs: Mapping[str, Any], starts: np.ndarray) -> Seen:
        """What the controllers of a batch would see in a `step`, which is not made."""
        if not self.events:
            return dict(inputs)
        state = batch.state()
        seen = self.step(batch, inputs, starts)[1]
        batch.restore(state)
        return seen

    @property
    def trained_spikes(self) -> list[Signal]:
        """Spikes that what is trained has a part in."""
        return self.gradient.trained_spikes

    def run(
        self, observations: Mapping[str, np.ndarray], starts: np.ndarray, memory: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], Tape]:
        """The engine over sequences.

        observations : input -> (steps, rows, ...), what rows saw, as `step` gives it
        starts : (steps, rows) bool, a row begins anew before that step
        memory : (rows, bytes), what the rows go on from; None begins all of them anew

        Returns output -> (steps, rows, m) float32, of its head, and the tape that `backward` takes.
        """
        batch = self.batch(starts.shape[1])
        if memory is None:
            self.refresh(batch)
            batch.reset()
        else:
            self.recall(batch, memory)
        g, rings = self.gradient, self._rings
        self._before = batch.bound.state.copy()
        spikes = {s: f"{rings[s].name}.spikes" for s in g.spikes}
        once = {s: self._places[s] for s in g.once}
        found = batch.run(observations, starts, [*spikes.values(), *self.heads.values()], list(once.values()))
        recorded = {s: found[name].reshape(-1, *found[name].shape[2:]) for s, name in spikes.items()}
        recorded |= {s: found[place] for s, place in once.items()}
        repeat = self.program.facts.repeat
        anew = np.zeros((len(starts) * repeat, starts.shape[1]), bool)
        anew[::repeat] = starts
        tape = Tape(self.program.steps, anew, recorded, self._past())
        return {name: found[place][repeat - 1 :: repeat] for name, place in self.heads.items()}, tape

    def _state(self, place: Place) -> np.ndarray:
        part = self._before[:, place.offset : place.offset + place.n_bytes]
        return np.ascontiguousarray(part).view(place.dtype).reshape(-1, *place.shape)

    def _past(self) -> dict[Signal, np.ndarray]:
        """What delays look back at, of before a run: signal -> (steps, rows, n), the newest last."""
        now, found = self._state(self.program.names["clock"])[:, 1], {}
        for one, steps in self.gradient.past.items():
            if one in self._rings:
                p = self._rings[one]
                ring, stride, slots, n = self._state(self.program.names[f"{p.name}.spikes"]), p.stride, p.slots, p.size
            else:
                w = self._lines[one]
                ring, stride, slots, n = self._state(w["line"]), w["stride"], w["slots"], w["n"]
            past = np.zeros((steps, len(now), n), np.float32)
            for k in range(max(0, steps - slots), steps):
                for r in np.flatnonzero(now >= steps - k):
                    slot = ring[r, (now[r] - steps + k) % slots * stride :][:stride]
                    past[k, r] = self._fired(slot, p) if one in self._rings else slot[: 4 * n].view(np.float32)
            found[one] = past
        return found

    def _fired(self, slot: np.ndarray, p) -> np.ndarray:
        """(n,) float32 of a slot of a ring of spike lists."""
        count, found = int(slot[:8].view(np.int64)[0]), np.zeros(p.size, np.float32)
        times = slot[p.multiplicity :][: 2 * count].view(np.uint16) if p.multiplicity else 1
        found[slot[HEADER:][: 4 * count].view(np.uint32)] = times
        return found

    def backward(self, tape: Tape, g: Mapping[str, np.ndarray]) -> dict[Signal, np.ndarray]:
        """Gradients of a loss by the trained constants.

        g : output -> (steps, rows, m) float32, derivative of the loss by what `run` gave

        Returns place (as `signal`) -> float32 of its shape, of sparse weights one a synapse.
        """
        computed = self.gradient.forward(tape, self._state)
        repeat = self.program.facts.repeat
        heads = {}
        for name, place in self.heads.items():
            heads[signal(place)] = np.zeros_like(computed[signal(place)])
            heads[signal(place)][repeat - 1 :: repeat] = g[name]
        return self.gradient.backward(tape, heads)
