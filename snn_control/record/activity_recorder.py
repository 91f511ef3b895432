"""Record the spikes and commands of a running loop in ring buffers of fixed size, which are saved at the end."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..controller import Controller
from ..engine.atomics import read_word, store_release
from ..engine.bound import Bound
from ..engine.kernels.guard import FAULTED, GUARD_WORDS, REASON
from ..engine.memory import i64
from ..engine.spike_ring import RING_WORDS, ring_words, spikes_of_step, times_fired
from ..engine.workload import stages
from ..errors import DescriptionError
from ..realtime.port import CompiledPort, newest, ring_of
from .run_folder import write_record

__all__ = ["SAFE", "ActivityRecorder"]

# context words
CLOCK, COMMAND, OUTPUTS, STEPS, TICKS_RING, TICKS_ROWS, TICKS_TOTAL, SPIKES_RING, SPIKES_ROWS, SPIKES_TOTAL = range(10)
POPULATIONS, N_POPULATIONS, GUARD, WORDS = range(10, 14)
STAMP, NOW, FAULT, TICK_WORDS = range(4)  # a tick's row, then the command
SAFE = 1 << 7  # bit of `fault`: the command was the safe one; the lower bits are the guard's reasons


@register_jitable
def _record_spikes(context, step):
    o = i64(context, WORDS)
    ring, rows = i64(o[SPIKES_RING], 2 * o[SPIKES_ROWS]), o[SPIKES_ROWS]
    total = o[SPIKES_TOTAL]
    for p in range(o[N_POPULATIONS]):
        spikes = spikes_of_step(o[POPULATIONS] + 8 * RING_WORDS * p, step)
        for k in range(spikes.fired.size):
            for _ in range(times_fired(spikes, k)):
                at = 2 * (total % rows)
                ring[at] = step
                ring[at + 1] = (p << 32) | np.int64(spikes.fired[k])
                total += 1
    o[SPIKES_TOTAL] = total


def record(context, stamp_ns, now_ns):
    """Copy the command and all spikes of the tick that has just run. The loop calls this function as an observer."""
    o = i64(context, WORDS)
    clock = i64(o[CLOCK], 2)
    row = i64(o[TICKS_RING] + 8 * (TICK_WORDS + o[OUTPUTS]) * (o[TICKS_TOTAL] % o[TICKS_ROWS]), TICK_WORDS + o[OUTPUTS])
    guard = i64(o[GUARD], GUARD_WORDS)
    row[STAMP], row[NOW], row[FAULT] = stamp_ns, now_ns, guard[REASON] | guard[FAULTED] * SAFE
    command = i64(o[COMMAND], o[OUTPUTS])  # the bits of float64
    for k in range(command.size):
        row[TICK_WORDS + k] = command[k]
    for step in range(clock[1] - o[STEPS], clock[1]):
        _record_spikes(context, step)
    store_release(context + 8 * TICKS_TOTAL, o[TICKS_TOTAL] + 1)  # last: a counted tick is complete for readers
    return 0


class ActivityRecorder(CompiledPort):
    """An observer that records the commands and spikes of a loop or a `Controller`.

    ticks : maximum number of recorded ticks; newer ticks overwrite the oldest
    spikes : maximum number of recorded spikes; newer spikes overwrite the oldest
    real_time : false for ticks without a deadline, where memory that is never used need not be allocated

    The saved file states how many ticks and spikes were overwritten.
    """

    def __init__(self, bound: Bound, ticks: int = 300_000, spikes: int = 2_000_000, real_time: bool = True) -> None:
        for name, rows in (("ticks", ticks), ("spikes", spikes)):
            if rows < 1:
                raise DescriptionError(name, rows, "must be at least 1")
        spiking = [p for p in bound.program.facts.populations if p.spiking]
        self.populations = [p.name for p in spiking]
        self.outputs, self._steps = bound.array("command").size, bound.program.steps
        self._ticks = ring_of((ticks, TICK_WORDS + self.outputs), np.int64, real_time)
        self._spikes = ring_of((spikes, 2), np.int64, real_time)
        self._rings = np.array([ring_words(bound, p) for p in spiking], np.int64).reshape(-1, RING_WORDS)
        super().__init__("recorder", record, (
            bound.address("clock"), bound.address("command"), self.outputs, bound.program.steps,
            self._ticks.ctypes.data, ticks, 0, self._spikes.ctypes.data, spikes, 0,
            self._rings.ctypes.data, len(self.populations), bound.address("guard"),
        ))  # fmt: skip

    @property
    def total(self) -> int:
        """Number of ticks recorded since the last `clear`."""
        return int(self._block[TICKS_TOTAL])

    def clear(self) -> None:
        """Remove all recorded ticks and spikes. Do not call this method while the loop runs."""
        self._block[[TICKS_TOTAL, SPIKES_TOTAL]] = 0

    def arrays(self, running: bool = False, most: int | None = None) -> dict[str, np.ndarray]:
        """Return all recorded ticks and spikes, the oldest first, as a dictionary of arrays.

        - ``stamp_ns``, ``now_ns`` (T,): stamp and time of each tick
        - ``command`` (T, outputs)
        - ``fault`` (T,) uint8: the guard's reasons (`engine.kernels.guard`); bit `SAFE` is set while the guard sends
          the safe command
        - ``spike_step``, ``spike_population``, ``spike_neuron`` (S,); ``population_names``
        - ``overwritten`` (2,): numbers of overwritten ticks and spikes

        running : true if a loop runs during the call. The arrays then leave out the ticks and spikes that the loop
            overwrites during the call, and an eighth of the spikes, which it may overwrite in the present tick
        most : maximum number of ticks, the newest; None: all
        """
        totals = self.totals()
        ticks, spikes = newest(self._ticks, totals[0]), newest(self._spikes, totals[1])
        if running:
            now = self.totals()
            ticks = ticks[max(0, now[0] + 1 - len(self._ticks) - (totals[0] - len(ticks))) :]
            spikes = spikes[max(0, now[1] - 7 * len(self._spikes) // 8 - (totals[1] - len(spikes))) :]
        if most is not None and most < len(ticks):
            ticks = ticks[-most:]
            spikes = spikes[np.searchsorted(spikes[:, 0], (totals[0] - most) * self._steps) :]
        return self._of_rows(ticks, spikes) | {"overwritten": np.array(totals) - (len(ticks), len(spikes))}

    def part(self, first: tuple[int, int], last: tuple[int, int]) -> dict[str, np.ndarray]:
        """Return a range of ticks and a range of spikes as a dictionary like `arrays`, without ``overwritten``.

        first, last : beginning and end of the ranges as (number of a tick, number of a spike), counted since `clear`.
            ``last`` is exclusive. All ticks and spikes of the ranges must still be in the ring buffers
        """
        ticks, spikes = (
            ring[np.arange(a, b) % len(ring)]
            for ring, a, b in zip((self._ticks, self._spikes), first, last, strict=True)
        )
        return self._of_rows(ticks, spikes)

    def _of_rows(self, ticks: np.ndarray, spikes: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "stamp_ns": ticks[:, STAMP].copy(), "now_ns": ticks[:, NOW].copy(),
            "fault": ticks[:, FAULT].astype(np.uint8), "spike_step": spikes[:, 0].copy(),
            "command": np.ascontiguousarray(ticks[:, TICK_WORDS:]).view(np.float64),
            "spike_population": (spikes[:, 1] >> 32).astype(np.min_scalar_type(max(len(self.populations), 1))),
            "spike_neuron": (spikes[:, 1] & 0xFFFFFFFF).astype(np.uint32),
            "population_names": np.array(self.populations),
        }  # fmt: skip

    def still_there(self, ticks: int, spikes: int) -> bool:
        """Return whether a tick and a spike are so new that the loop will not overwrite them soon.

        This is true if at most half a ring buffer was written after each of them.

        ticks, spikes : number of the tick and number of the spike, counted since `clear`
        """
        now = self.totals()
        rings = zip((self._ticks, self._spikes), now, (ticks, spikes), strict=True)
        return all(total - number <= len(ring) // 2 for ring, total, number in rings)

    def totals(self) -> tuple[int, int]:
        """Return the numbers of recorded ticks and spikes since `clear`. The spikes of all these ticks are recorded."""
        ticks = read_word(self.context + 8 * TICKS_TOTAL)
        return ticks, int(self._block[SPIKES_TOTAL])

    def save(
        self, path: str | os.PathLike, loop: Any, controller: Controller, most: int | None = None, **facts: Any
    ) -> None:
        """Write `arrays`, the loop's histograms and counters, and ``facts`` to an .npz file.

        The file is written whole or not at all.
        """
        arrays = self.arrays(loop.running, most)
        arrays |= {"wake_histogram": loop.wake, "tick_histogram": loop.duration, "latency_histogram": loop.latency}
        rights = vars(loop.rights) | {"missing": [str(one) for one in loop.rights.missing]}
        counted = {"stats": loop.stats(), "counters": controller.counters(), "rights": rights}
        write_record(path, arrays, {**counted, "stages": stages(controller.bound), **facts})
