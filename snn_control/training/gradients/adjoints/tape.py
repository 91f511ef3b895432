"""The tape: the recorded spikes of a run, and the signals and gradients that adjoints compute from them.

A *signal* contains the values of one array of a Program's state, in all steps of a run and in all rows of a batch. It
is a float32 array: (steps, rows, n) if the values change in each step, (ticks, rows, n) if they are written once per
tick. Encoders write once per tick before the steps, decoders after the steps. The engine recorded the spikes. The
`forward` of the adjoints computes all other signals again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

__all__ = ["Signal", "Tape"]

Signal = tuple[int, int]  # kind of block, offset


class Tape:
    """The signals of a run with ``ticks`` ticks of ``steps`` network steps each, in ``rows`` rows of a batch.

    steps : number of network steps in a tick
    starts : (ticks, rows) bool, whether the row is reset before that tick
    recorded : signal -> recorded values: (ticks * steps, rows, n) for spikes, (ticks, rows, n) for a signal that is
        written once per tick
    past : signal -> (k, rows, n), values of the signal in the last k steps before the run, the newest last. The longest
        delay of the signal is k steps
    """

    def __init__(
        self, steps: int, starts: np.ndarray, recorded: Mapping[Signal, np.ndarray], past: Mapping[Signal, np.ndarray]
    ) -> None:
        self.steps, self.starts, self.past = steps, starts, past
        self.ticks, self.rows = starts.shape
        self.values: dict[Signal, np.ndarray] = dict(recorded)
        self.gradients: dict[Signal, np.ndarray] = {}
        self.length = self.ticks * steps
        #: (steps, rows) steps since the row's episode started; before its first reset, a number larger than any delay
        self.age = np.empty((self.length, self.rows), np.int32)
        age = np.full(self.rows, 1 << 30, np.int32)
        for t in range(self.ticks):
            age[starts[t]] = 0
            self.age[t * steps : (t + 1) * steps] = age + np.arange(steps, dtype=np.int32)[:, None]
            age += steps

    @functools.cached_property
    def age_in_tick(self) -> np.ndarray:
        """Number of steps since the start of the tick, as a (steps, rows) int32 array."""
        steps = np.arange(self.length, dtype=np.int32) % self.steps
        return np.repeat(steps[:, None], self.rows, axis=1)

    def new(self, signal: Signal, n: int, once: bool = False, start: np.ndarray | float = 0.0) -> np.ndarray:
        """Create a signal with ``n`` numbers per step and row, and return its array.

        once : whether the signal is written once per tick instead of in each step
        start : number, or (n,) numbers, with which the array is filled
        """
        value = np.empty((self.ticks if once else self.length, self.rows, n), np.float32)
        value[:] = start
        self.values[signal] = value
        return value

    def gradient(self, signal: Signal) -> np.ndarray:
        """Return the array for the derivative of the loss by a signal, in the signal's shape, initially zeros."""
        if signal not in self.gradients:
            self.gradients[signal] = np.zeros_like(self.values[signal])
        return self.gradients[signal]

    def in_steps(self, signal: Signal) -> bool:
        """Return whether a signal has a value for each step, instead of one for each tick."""
        return len(self.values[signal]) == self.length

    def last(self, signal: Signal, gradient: bool = False) -> np.ndarray:
        """Return the values of a signal at the end of each tick, as a (ticks, rows, n) view of the signal.

        If ``gradient`` is true, return a view of the signal's gradient instead.
        """
        array = self.gradient(signal) if gradient else self.values[signal]
        return array[self.steps - 1 :: self.steps] if self.in_steps(signal) else array

    # delays --------------------------------------------------------------------------------------------------
    def delayed(self, signal: Signal, delay: int, first: int, stop: int) -> np.ndarray:
        """Return the values that a signal had ``delay`` steps before the steps ``first`` to ``stop - 1``.

        The shape is (stop - first, rows, n). Values from before the last reset of a row are 0.
        """
        value = self.values[signal]
        if delay == 0:
            return value[first:stop]
        before = self.past.get(signal)
        n = value.shape[-1]
        if before is None:
            before = np.zeros((delay, self.rows, n), np.float32)
        early = before[len(before) - delay + first : len(before) - delay + stop] if first < delay else before[:0]
        late = value[max(first - delay, 0) : max(stop - delay, 0)]
        found = np.concatenate([early, late]) if len(early) else late
        return np.where((self.age[first:stop] >= delay)[..., None], found, np.float32(0))

    def add_delayed(self, signal: Signal, delay: int, first: int, stop: int, g: np.ndarray) -> None:
        """Add a derivative to the gradient of a signal, ``delay`` steps earlier.

        g : derivative of the loss by the result of `delayed`; the part for steps before the run is ignored
        """
        into = self.gradient(signal)
        if delay:
            g = np.where((self.age[first:stop] >= delay)[..., None], g, np.float32(0))
        skip = max(delay - first, 0)
        if skip < stop - first:
            into[first + skip - delay : stop - delay] += g[skip:]
