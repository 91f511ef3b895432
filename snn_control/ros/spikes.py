"""Publishes the spikes of a population: one PointCloud2 a tick, a point a spike, made in the loop without Python.

Fields ``x``, ``y``, ``z`` FLOAT32 (a place to draw at), ``neuron`` UINT32, ``t`` UINT32 [ns after header.stamp];
frame_id is the population's name. The stamp is the tick's, ``t`` the offset of the step within it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.bound import Bound
from ..engine.memory import call_int1, call_int3, f32, i64, store_f32, store_i64, store_u8, store_u32
from ..engine.spike_ring import ring_words, spikes_of_step, times_fired
from ..record.observer import Observer
from .clouds import SPIKE, spikes_cdr
from .rcl import SendBuffer, address_of

__all__ = ["SpikesOutput", "grid_places"]

# words of the context
RESET_ERROR, CALL, HANDLE, MESSAGE, CLOCK, STEPS, STEP_NS, RING, PLACES, N, BUFFER = range(11)
WIDTH_AT, ROW_STEP_AT, COUNT_AT, DATA_AT, CAPACITY, PUBLISHED, ERRORS, LAST_ERROR, CUT, WORDS = range(11, 21)


@register_jitable
def _append(o, step, at, count, offset_ns):
    """Write one step's spikes from point ``count`` on, a point a spike; returns the new count."""
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
    """The spikes of the tick that has just run -> 0 or rcl's error code."""
    o = i64(context, WORDS)
    step = i64(o[CLOCK], 2)[1]
    data, count = o[BUFFER] + o[DATA_AT], np.int64(0)
    for k in range(o[STEPS]):
        count = _append(o, step - o[STEPS] + k, data, count, k * o[STEP_NS])
    store_u32(o[BUFFER] + 4, stamp_ns // 1000000000)
    store_u32(o[BUFFER] + 8, stamp_ns % 1000000000)
    store_u32(o[BUFFER] + o[WIDTH_AT], count)
    store_u32(o[BUFFER] + o[ROW_STEP_AT], 20 * count)
    store_u32(o[BUFFER] + o[COUNT_AT], 20 * count)
    store_u8(data + 20 * count, 1)  # is_dense
    store_i64(o[MESSAGE] + 8, o[DATA_AT] + 20 * count + 1)  # length of the message
    code = call_int3(o[CALL], o[HANDLE], o[MESSAGE], np.int64(0))
    if code == 0:
        o[PUBLISHED] += 1
    else:
        o[ERRORS] += 1
        o[LAST_ERROR] = code
        call_int1(o[RESET_ERROR], np.int64(0))
    return code


def grid_places(n: int) -> np.ndarray:
    """(n, 3) float32: neurons in rows on a square, so that any viewer shows a raster of the population."""
    side = int(np.ceil(np.sqrt(n)))
    k = np.arange(n)
    return np.stack([k % side, k // side, np.zeros(n)], axis=1).astype(np.float32) / max(1, side)


class SpikesOutput(Observer):
    """An observer that publishes the spikes of a population, or of an input whose encoder spikes.

    publisher : of sensor_msgs/msg/PointCloud2, on a node that is not spun
    capacity : spikes a message; what comes beyond is cut and counted
    """

    def __init__(self, publisher: Any, bound: Bound, population: str, capacity: int = 65536) -> None:
        facts = bound.program.facts
        source = next(p for p in facts.populations if p.name == population)
        n, self._publisher = source.size, publisher
        self._ring = np.array(ring_words(bound, source), np.int64)
        self._places = grid_places(n)
        template = np.frombuffer(spikes_cdr([], [], self._places, 0, population), np.uint8)
        data_at = len(template) - 1  # before is_dense
        self._buffer = np.zeros(data_at + SPIKE.itemsize * capacity + 1, np.uint8)
        self._buffer[:data_at] = template[:data_at]
        self._message = SendBuffer(self._buffer)
        name_bytes = 4 + len(population.encode()) + 1
        width_at = 12 + -(-name_bytes // 4) * 4 + 4  # after encapsulation, stamp, frame_id and height
        super().__init__(population, publish_spikes, (
            address_of("rcutils", "rcutils_reset_error"), address_of("rcl", "rcl_publish_serialized_message"),
            publisher.handle.pointer, self._message.address, bound.address("clock"), bound.program.steps,
            round(facts.dt * 1e9), self._ring.ctypes.data, self._places.ctypes.data, n, self._buffer.ctypes.data,
            width_at, data_at - 8, data_at - 4, data_at, capacity, 0, 0, 0, 0,
        ))  # fmt: skip

    def counters(self) -> dict[str, int]:
        """Messages published, errors of rcl and the last one's code, spikes cut."""
        words = {"published": PUBLISHED, "errors": ERRORS, "last_error": LAST_ERROR, "cut": CUT}
        return {key: int(self._words[word]) for key, word in words.items()}

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep rcl's handle alive while the loop runs."""
        with self._publisher.handle:
            yield
