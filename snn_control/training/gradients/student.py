"""A Program in training: the engine runs it over sequences, and gradients are computed for its spikes.

The *head* of an output is the value from which a loss is computed: the scores of an arg-max, or a number before
squashing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...controller.batch import Batch, encoded_of
from ...engine.facts import PopulationFacts
from ...engine.kernels.spikes import HEADER
from ...engine.program import PRE, STATE, Place, Program, aligned, element
from ...engine.registry import kernel
from ...errors import NO_VALUE, DescriptionError
from .adjoints.adjoint import signal
from .adjoints.tape import Signal, Tape
from .gradient import Gradient

__all__ = ["Seen", "Sequences", "Student", "heads_of", "writable"]

Seen = dict[str, np.ndarray]  # input -> (rows, ...), the inputs of the network


class Sequences(NamedTuple):
    """Recorded sequences of steps, as arguments of `Student.run`."""

    observations: Mapping[str, np.ndarray]
    starts: np.ndarray
    memory: np.ndarray | None = None


def writable(program: Program) -> Program:
    """Return a copy of a Program whose constants and initial state can be written to."""
    copy = Program(*program.__reduce__()[1])
    for name in ("constants", "initial_state"):
        block = getattr(program, name)
        own = aligned(block.size)
        own[:] = block
        object.__setattr__(copy, name, own)
    return copy


def heads_of(program: Program) -> dict[str, Place]:
    """Return the place of each output's head: output -> place in the state.

    The head of an arg-max output is the array of its scores. The head of a squashed output is the sum before squashing.
    The head of any other output is its value.
    """
    heads, first, raw = {}, 0, program.names["raw"]
    for output in program.facts.outputs:
        inner = (program.names.get(f"{output.name}.{kind}") for kind in ("scores", "sum"))
        heads[output.name] = next(filter(None, inner), None) or element(raw, first, output.size)
        first += output.size
    return heads


class Student:
    """Runs a Program forward and backward over sequences, while `Parameters` changes the Program's constants.

    trained : places of the constants by which gradients are computed
    heads : output -> place of its head
    events : events input -> place of its encoder's output
    """

    def __init__(self, program: Program, trained: Iterable[Place]) -> None:
        self.program, self.heads = program, heads_of(program)
        self.gradient = Gradient(program, trained, self.heads.values())
        self._batches: dict[int, Batch] = {}
        self._rings = {signal(program.names[f"{p.name}.spikes"]): p for p in program.facts.populations if p.spiking}
        self._places: dict[Signal, Place] = {}
        self._lines: dict[Signal, dict[str, Any]] = {}
        names, populations = program.names, [p.name for p in program.facts.populations]
        self._currents = [(names[f"{p}.current"], names[f"{p}.bias"]) for p in populations if f"{p}.current" in names]
        for o in program.operations:
            words: dict[str, Any] = dict(zip(kernel(o.kernel).words, o.operands, strict=True))
            for word in o.operands:
                if isinstance(word, Place) and word.kind == STATE:  # the whole array: a part may begin where it begins
                    known = self._places.setdefault(signal(word), word)
                    self._places[signal(word)] = max(known, word, key=lambda place: place.n_bytes)
            if o.kernel == "remember":
                self._lines[signal(words["x"])] = words
        self.events = self._events()
        self._parts = self._remembered()

    def _events(self) -> dict[str, Place]:
        found = {}
        for one in self.program.facts.inputs:
            if one.kind == "events":
                place = encoded_of(self.program, one.name)
                if place is None:
                    rule = "cannot be trained on: its encoder's output has no name in the Program"
                    raise DescriptionError(f"inputs.{one.name}.encoder", NO_VALUE, rule, "name it INPUT.drive")
                found[one.name] = place
        return found

    @property
    def seen_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the values that `step` returns, for one batch row: input -> shape."""
        repeat, inputs = self.program.facts.repeat, self.program.facts.inputs
        return {i.name: (repeat, *self.events[i.name].shape) if i.name in self.events else (i.size,) for i in inputs}

    def _remembered(self) -> list[tuple[int, int]]:
        """Return the parts of the state that are stored for the start of a sequence: (offset, number of bytes).

        These parts of the state are left out:

        - currents, which start at the bias
        - ring buffers that no delay reads
        - counters of work
        - the state of filters and encoders of events
        """
        names = self.program.names
        left_out = [current for current, _ in self._currents] + [names["spike_counts"], names["synaptic_operations"]]
        left_out += [names[f"{p.name}.spikes"] for p in self._rings.values() if p.slots == 1]
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
        """Return a batch with ``rows`` rows.

        All calls with the same number of rows return the same batch, which `run` uses too.
        """
        if rows not in self._batches:
            self._batches[rows] = Batch(self.program, rows, self.program.facts.repeat)
        return self._batches[rows]

    def started(self, rows: int) -> Batch:
        """Return the batch with this number of rows (`batch`), after a reset and with the current constants."""
        batch = self.batch(rows)
        self.refresh(batch)
        batch.reset()
        return batch

    def settle(self) -> None:
        """Set the initial values of input currents to the present bias. Call this after constants have changed."""
        for current, bias in self._currents:
            current.view(self.program.initial_state)[:] = bias.view(self.program.constants)

    def refresh(self, batch: Batch) -> None:
        """Call `settle`, and set the input currents of a batch to the present bias too."""
        self.settle()
        for current, bias in self._currents:
            part = batch.bound.state[:, current.offset : current.offset + current.n_bytes]
            part.view(np.float32)[:] = bias.view(self.program.constants)

    def remember(self, batch: Batch) -> np.ndarray:
        """Return the state of a batch as a (rows, bytes) uint8 array, from which `recall` and `run` can continue."""
        return np.concatenate([batch.bound.state[:, offset : offset + size] for offset, size in self._parts], axis=1)

    def recall(self, batch: Batch, memory: np.ndarray) -> None:
        """Set the state of a batch to a state that `remember` returned."""
        first = 0
        for offset, size in self._parts:
            batch.bound.state[:, offset : offset + size] = memory[:, first : first + size]
            first += size
        self.refresh(batch)

    def step(self, batch: Batch, inputs: Mapping[str, Any], starts: np.ndarray) -> tuple[dict[str, np.ndarray], Seen]:
        """Run one step of a batch.

        inputs : value input -> (rows, size); events input -> a list with the events of each row, in the form that
            `Batch.step` accepts
        starts : (rows,) bool, rows that are reset before the step

        Returns two dictionaries. The first one has a copy of each output's head, (rows, m) float32. The second one has
        the inputs that `run` needs to repeat the step: the numbers of a value input, or the output of an events input's
        encoder in each tick, (rows, repeat, cells) float32.
        """
        if starts.any():
            batch.reset(starts)
        found = batch.step(inputs, list(self.events.values()))
        seen = {n: v for n, v in inputs.items() if n not in self.events}
        seen |= {name: found[place] for name, place in self.events.items()}
        return {name: batch.bound.array(place).copy() for name, place in self.heads.items()}, seen

    def peek(self, batch: Batch, inputs: Mapping[str, Any], starts: np.ndarray) -> Seen:
        """Return the inputs that `step` would return, without changing the state of the batch."""
        if not self.events:
            return dict(inputs)
        state = batch.state()
        seen = self.step(batch, inputs, starts)[1]
        batch.restore(state)
        return seen

    def run(
        self, observations: Mapping[str, np.ndarray], starts: np.ndarray, memory: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], Tape]:
        """Run the engine over sequences.

        observations : input -> (steps, rows, ...), the inputs that `step` returned
        starts : (steps, rows) bool, rows that are reset before that step
        memory : (rows, bytes) states from which the rows start, see `remember`; None: all rows are reset

        Returns two values: the head of each output, (steps, rows, m) float32, and the tape for `backward`.
        """
        batch = self.batch(starts.shape[1]) if memory is not None else self.started(starts.shape[1])
        if memory is not None:
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
        """Return the values that delays read from before the run: signal -> (steps, rows, n), the newest step last."""
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

    def _fired(self, slot: np.ndarray, p: PopulationFacts) -> np.ndarray:
        """Return the number of spikes of each neuron in one step, (n,) float32.

        slot : the list of the step's spikes, a slot of the ring buffer of spike lists
        """
        count, found = int(slot[:8].view(np.int64)[0]), np.zeros(p.size, np.float32)
        times = slot[p.multiplicity :][: 2 * count].view(np.uint16) if p.multiplicity else 1
        found[slot[HEADER:][: 4 * count].view(np.uint32)] = times
        return found

    @property
    def trained_spikes(self) -> list[Signal]:
        """The signals of spikes through which gradients reach trained constants."""
        return self.gradient.trained_spikes

    def spikes_in(self, tape: Tape) -> dict[str, np.ndarray]:
        """Return the spikes that a run recorded: population -> (ticks * steps, rows, n) float32."""
        return {p.name: tape.values[one] for one, p in self._rings.items() if one in tape.values}

    def price_spikes(self, tape: Tape, price: float) -> float:
        """Add the mean number of spikes per neuron and step, times ``price``, to the loss. Return the mean."""
        trained = self.trained_spikes
        for one in trained:
            tape.gradient(one)[:] += np.float32(price / (tape.values[one].size * len(trained)))
        return float(np.mean([tape.values[one].mean() for one in trained] or [0.0]))

    def backward(self, tape: Tape, g: Mapping[str, np.ndarray]) -> dict[Signal, np.ndarray]:
        """Compute the gradients of a loss by the trained constants.

        g : output -> derivative of the loss by the head that `run` returned, (steps, rows, m) float32

        Returns a dictionary: `signal` of a trained constant -> derivative of the loss by this constant. The derivative
        is a float32 array in the shape of the constant; for sparse weights, it has one number for each synapse.
        """
        computed = self.gradient.forward(tape, self._state)
        repeat = self.program.facts.repeat
        heads = {}
        for name, place in self.heads.items():
            heads[signal(place)] = np.zeros_like(computed[signal(place)])
            heads[signal(place)][repeat - 1 :: repeat] = g[name]
        return self.gradient.backward(tape, heads)
