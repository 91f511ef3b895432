"""Atomics, clocks and the histogram."""

from __future__ import annotations

import ctypes
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.engine import atomics, slots
from snn_control.realtime import clock, cycle, histogram, loop, port, rights
from snn_control.realtime.ports import memory as memory_ports
from tests.realtime import ticks


@pytest.mark.parametrize("module", [atomics, clock, cycle, histogram, loop, memory_ports, port, rights, slots])
def test_all_names_exist(module):
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


# ---------------------------------------------------------------- atomics


def test_no_torn_message_between_two_threads():
    buffer = np.zeros(8 + ticks.BUFFER_SLOTS * ticks.BUFFER_WORDS, np.int64)
    copy = np.zeros(ticks.BUFFER_WORDS, np.int64)
    n = 2_000_000
    writer = threading.Thread(target=ticks.write_many, args=(buffer.ctypes.data, n))
    writer.start()
    result = ticks.read_many(buffer.ctypes.data, n, copy.ctypes.data)
    writer.join()
    torn, reads = result & 0xFFFFFFFF, result >> 32
    assert torn == 0
    assert reads >= 1


def test_a_waiting_thread_sees_the_flag():
    flag = np.zeros(1, np.int64)
    waiter = threading.Thread(target=ticks.wait_for_flag, args=(flag.ctypes.data,), daemon=True)
    waiter.start()
    time.sleep(0.01)
    atomics.write_word(flag.ctypes.data, 1)
    waiter.join(5)
    assert not waiter.is_alive()
    assert atomics.read_word(flag.ctypes.data) == 1


# ---------------------------------------------------------------- clocks


def test_clocks_are_those_of_python():
    out, scratch = np.zeros(2, np.int64), np.zeros(2, np.int64)
    before = time.monotonic_ns(), time.time_ns()
    ticks.clocks(out.ctypes.data, scratch.ctypes.data)
    assert before[0] <= out[0] <= time.monotonic_ns()
    assert before[1] <= out[1] <= time.time_ns()


@pytest.mark.timed
def test_sleep_is_absolute_and_survives_signals():
    scratch = np.zeros(2, np.int64)
    hits = []
    before = signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        deadline = time.monotonic_ns() + 50_000_000
        ticks.sleep(deadline, scratch.ctypes.data)
        assert time.monotonic_ns() >= deadline
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    begin = time.monotonic_ns()
    ticks.sleep(begin - 1, scratch.ctypes.data)  # in the past: at once
    assert time.monotonic_ns() - begin < 50_000_000
    assert hits


def test_semaphore_wait_ends_by_post_or_deadline():
    semaphore, scratch = np.zeros(8, np.int64), np.zeros(2, np.int64)
    libc = ctypes.CDLL(None)
    libc.sem_init(ctypes.c_void_p(semaphore.ctypes.data), 0, 1)
    assert ticks.wait(semaphore.ctypes.data, time.monotonic_ns() + 10**9, scratch.ctypes.data) == 1
    deadline = time.monotonic_ns() + 20_000_000
    assert ticks.wait(semaphore.ctypes.data, deadline, scratch.ctypes.data) == 0
    assert time.monotonic_ns() >= deadline


def test_libc_is_complete():
    clock.check_libc()


# ---------------------------------------------------------------- histogram


def _filled(values) -> np.ndarray:
    array, values = histogram.new(), np.ascontiguousarray(values, np.int64)
    ticks.record_all(array.ctypes.data, values.ctypes.data, len(values))
    return array


def test_edges_are_narrow_and_every_value_falls_between_its_own():
    edges = histogram.edges()
    assert edges[0] == 0
    assert edges[-1] == histogram.LIMIT_NS
    widths = np.diff(edges)
    assert (widths >= 1).all()
    assert (widths[32:] / edges[32:-1] <= 1 / 32).all()
    assert (widths[:32] == 1).all()
    low, high = _filled(edges[:-1]), _filled(edges[1:] - 1)
    buckets = slice(histogram.HEADER, None)
    assert (low[buckets] == 1).all()
    assert (high[buckets] == 1).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2**40 - 1) | st.integers(0, 5000), min_size=1, max_size=60),
    st.sampled_from([0, 12.5, 25, 50, 75, 100]),
)
def test_percentiles_are_numpys_within_a_bucket(values, q):
    array = _filled(values)
    expected = np.percentile(np.array(values), q, method="inverted_cdf")
    assert abs(histogram.percentile(array, q) - expected) <= 0.031 * expected
    assert histogram.summary(array)["count"] == len(values)
    assert histogram.summary(array)["max"] == max(values)


def test_percentiles_of_a_long_tail():
    values = np.random.default_rng(1).lognormal(11, 1.5, 100_000).astype(np.int64)
    array = _filled(values)
    q = [1, 50, 90, 99, 99.9]
    np.testing.assert_allclose(histogram.percentile(array, q), np.percentile(values, q), rtol=0.032)
    assert histogram.summary(array)["mean"] == pytest.approx(values.mean())


def test_overflow_negative_and_empty():
    array = _filled([-5, 3, 2**40, 2**62])
    assert histogram.summary(array)["overflow"] == 2
    assert histogram.summary(array)["count"] == 4
    assert histogram.percentile(array, 100) == float(2**62)
    assert histogram.percentile(array, 1) == 0
    array[:] = 0
    assert np.isnan(histogram.percentile(array, 50))
    assert np.isnan(histogram.summary(array)["max"])
