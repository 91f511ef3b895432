"""Port that publishes the spikes of a population: one PointCloud2 (see `clouds`) per tick, without running Python.

The message has the stamp of the tick. The field ``t`` of a spike is the time from the tick's start to the spike's step
[ns].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...engine.bound import Bound
from ...engine.memory import f32, i64, store_f32, store_i64, store_u8, store_u32
from ...engine.spike_ring import ring_words, spikes_of_step, times_fired
from ..messages.clouds import SPIKE, cloud_cdr
from . import base
from .base import OWN_OF_OUTPUT, PublisherPort

__all__ = ["SpikesOutput", "raster_positions"]

# words of the context about the population
CLOCK, STEPS, STEP_NS, RING, PLACES, N = range(OWN_OF_OUTPUT, OWN_OF_OUTPUT + 6)
# words about the message: its bytes; offsets of the number of points and of the points; most points; points cut
BUFFER, WIDTH_AT, DATA_AT, CAPACITY, CUT = range(OWN_OF_OUTPUT + 6, OWN_OF_OUTPUT + 11)


@register_jitable
def _append(o, step, at, count, offset_ns):
    """Append the spikes of one network step to the message's points.

    o : the port's context, int64 words
    step : index of the step in the tick
    at : address of the step's spikes
    count : number of points that are already in the message
    offset_ns : time from the tick's start to this step [ns]

    Return the new number of points.
    """
    spikes, places = spikes_of_step(o[RING], step), f32(o[PLACES], 3 * o[N])
    for k in range(spikes.fired.size):
        i, times = np.int64(spikes.fired[k]), times_fired(spikes, k)
        kept = min(times, o[CAPACITY] - count)
        o[CUT] += times - kept
        for _ in range(kept):
            point = at + 20 * count
            for axis in range(3):
                store_f32(point + 4 * axis, places[3 * i + axis])
            store_u32(point + 12, i)
            store_u32(point + 16, offset_ns)
            count += 1
    return count


def publish_spikes(context, stamp_ns, now_ns):
    """Publish the spikes of the tick that has just run. Return 0 or rcl's error code."""
    o = i64(context, base.WORDS)
    step = i64(o[CLOCK], 2)[1]
    data, count = o[BUFFER] + o[DATA_AT], np.int64(0)
    for k in range(o[STEPS]):
        count = _append(o, step - o[STEPS] + k, data, count, k * o[STEP_NS])
    store_u32(o[BUFFER] + 4, stamp_ns // 1000000000)
    store_u32(o[BUFFER] + 8, stamp_ns % 1000000000)
    store_u32(o[BUFFER] + o[WIDTH_AT], count)
    store_u32(data - 8, 20 * count)  # bytes of a row, of all rows
    store_u32(data - 4, 20 * count)
    store_u8(data + 20 * count, 1)  # is_dense
    store_i64(o[base.MESSAGE] + 8, o[DATA_AT] + 20 * count + 1)  # length of the message
    return base.send(o)


def raster_positions(n: int) -> np.ndarray:
    """Return positions at which to draw ``n`` neurons, (n, 3) float32: in rows that fill a square."""
    side = int(np.ceil(np.sqrt(n)))
    k = np.arange(n)
    return np.stack([k % side, k // side, np.zeros(n)], axis=1).astype(np.float32) / max(1, side)


class SpikesOutput(PublisherPort):
    """An observer that publishes the spikes of a population, or of an input whose encoder spikes.

    publisher : publisher of sensor_msgs/msg/PointCloud2, on a node that is not spun
    capacity : maximum number of spikes in a message; further spikes are dropped and counted

    Counters: those of `PublisherPort`, and cut (dropped spikes).
    """

    _counts: Mapping[str, int] = {**PublisherPort._counts, "cut": CUT}

    def __init__(self, publisher: Any, bound: Bound, population: str, capacity: int = 65536) -> None:
        facts = bound.program.facts
        source = next(p for p in facts.populations if p.name == population)
        empty = np.frombuffer(cloud_cdr(np.empty(0, SPIKE), 0, population), np.uint8)
        data_at = len(empty) - 1  # before is_dense
        message = np.zeros(data_at + SPIKE.itemsize * capacity + 1, np.uint8)
        message[:data_at] = empty[:data_at]
        super().__init__(publisher, publish_spikes, message, population)
        self._ring = np.array(ring_words(bound, source), np.int64)
        self._places = raster_positions(source.size)
        name_bytes = 4 + len(population.encode()) + 1
        width_at = 12 + -(-name_bytes // 4) * 4 + 4  # after encapsulation, stamp, frame_id and height
        self._block[[CLOCK, STEPS, STEP_NS]] = bound.address("clock"), bound.program.steps, round(facts.dt * 1e9)
        self._block[[RING, PLACES, N]] = self._ring.ctypes.data, self._places.ctypes.data, source.size
        self._block[[BUFFER, WIDTH_AT, DATA_AT, CAPACITY]] = message.ctypes.data, width_at, data_at, capacity
