"""The ring of packets: order, bytes and counts, from one thread to another, full, at its end, in lockstep."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.controller import Controller
from snn_control.engine.slots import AGE, ARRIVAL, SLOT_WORDS, STAMP
from snn_control.engine.tick import tick_address
from snn_control.errors import DescriptionError, InputError
from snn_control.realtime.loop import Loop
from snn_control.realtime.port import LOCKSTEP
from snn_control.realtime.ports.packet_receiver import Pacing, PacketReceiver
from tests.realtime.packet_queue import PacketQueue
from tests.realtime.packets import Rig, evt3_words
from tests.realtime.record_output import RecordOutput


def numbered(first: int, n: int) -> np.ndarray:
    """A packet of n events whose times [us] are their numbers, so that any mix-up shows."""
    t = first + np.arange(n)
    return evt3_words(t, t % 640, t % 480, t % 2)


def is_run(rows: np.ndarray, first: int) -> bool:
    t = first + np.arange(len(rows))
    return np.array_equal(rows, np.stack([t * 1000, t % 640, t % 480, t % 2], axis=1))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=60))
def test_a_small_ring_keeps_order_and_bytes(script):
    """Packets of so many events, each followed by so many ticks of one packet."""
    rig, sent, seen, out = Rig(4096, packets=3, ring_bytes=1024), 0, 0, []
    refused = packets = 0
    for n, ticks in script:
        accepted = rig.queue.push(numbered(sent, n), "evt3")
        packets += accepted
        refused += not accepted
        sent += n if accepted else 0
        for _ in range(ticks):
            out.append(rig.take(0, LOCKSTEP)[3])
    while rig.queue.waiting:
        out.append(rig.take(0, LOCKSTEP)[3])
    seen = np.concatenate(out)
    assert len(seen) == sent
    assert is_run(seen, 0)
    assert (rig.counters["refused"], rig.counters["packets"]) == (refused, packets)


def test_a_full_ring_refuses_and_goes_on():
    rig = Rig(4096, packets=2, ring_bytes=1 << 16)
    assert [rig.queue.push(numbered(10 * k, 10), "evt3") for k in range(4)] == [True, True, False, False]
    assert rig.queue.waiting == 2
    assert is_run(rig.take(0)[3], 0)
    assert rig.queue.push(numbered(40, 10), "evt3")
    assert is_run(rig.take(0)[3], 40)
    counters = rig.counters
    assert counters["refused"] == counters["gaps"] == 2  # what was refused is missing in the sequence, too


def test_a_ring_full_of_bytes_refuses():
    packet = numbered(0, 100)
    rig = Rig(4096, ring_bytes=3 * packet.nbytes // 8 * 8)
    assert [rig.queue.push(packet, "evt3") for _ in range(4)].count(True) in (2, 3)
    rig.take(0)
    assert rig.queue.push(packet, "evt3")


def test_a_packet_as_long_as_the_ring_fits_and_a_longer_one_raises():
    packet = numbered(0, 400)
    packet = packet[: packet.nbytes // 8 * 4]
    rig = Rig(4096, ring_bytes=packet.nbytes)
    for _ in range(3):
        assert rig.queue.push(packet, "evt3")
        rig.take(0)
    with pytest.raises(InputError, match="raise ring_bytes"):
        rig.queue.push(np.append(packet, packet[:1]), "evt3")


def test_a_packet_in_hand_keeps_its_bytes():
    rig = Rig(4096, Pacing("sensor"), packets=8, ring_bytes=2048)
    t = np.arange(0, 100_000, 1000)  # 0.1 s long
    rig.queue.push(evt3_words(t, t // 1000, t * 0, t * 0), "evt3", arrival=10**9)
    out = [rig.take(10**9)[3]]
    while rig.queue.push(np.full(50, 0x2005, np.uint16), "evt3", arrival=10**9):  # until it is full
        pass
    out += [rig.take(10**9 + 1_000_000 * k)[3] for k in range(1, 100)]
    rows = np.concatenate(out)
    np.testing.assert_array_equal(rows[:100, 1], np.arange(100))


def test_what_another_thread_pushes_arrives_whole():
    rig, total = Rig(1 << 16, packets=4, ring_bytes=1 << 14), 60_000

    def push() -> None:
        r, sent = np.random.default_rng(0), 0
        while sent < total:
            n = min(int(r.integers(1, 700)), total - sent)
            packet = numbered(sent, n)
            while not rig.queue.push(packet, "evt3"):
                time.sleep(0)
            sent += n

    thread = threading.Thread(target=push)
    thread.start()
    out, n, end = [], 0, time.monotonic() + 60
    while n < total and time.monotonic() < end:
        out.append(rig.take(0)[3])
        n += len(out[-1])
    thread.join()
    assert is_run(np.concatenate(out), 0)


def test_arrival_and_stamp_stand_in_the_slot():
    rig = Rig(64)
    before = time.monotonic_ns()
    rig.queue.push(numbered(0, 5), "evt3", stamp=1234)
    rig.take(time.monotonic_ns())
    assert before <= rig.header[ARRIVAL] <= time.monotonic_ns()
    assert rig.header[STAMP] == 1234


def test_a_lockstep_loop_is_woken_by_each_packet():
    controller = Controller.load("pan_tilt")
    bound = controller.bound
    queue = PacketQueue(PacketReceiver.of(bound, "camera"), "camera")
    ages = RecordOutput(bound.address("camera.slot"), SLOT_WORDS, 100, dtype=np.int64)
    loop = Loop(tick_address(), bound.table, controller.period_ns, [queue], [ages], mode="lockstep", keep=controller)
    queue.attach_semaphore(loop.semaphore)
    loop.start()
    try:
        for k in range(20):
            queue.push(numbered(1000 * k, 10), "evt3", stamp=k * 1_000_000)
            end = time.monotonic() + 5
            while loop.ticks <= k and time.monotonic() < end:
                time.sleep(0)
            assert loop.ticks == k + 1
    finally:
        loop.stop()
    queue.detach()
    counters = queue.counters()
    assert counters["events"] + counters["out_of_frame"] == 200
    assert (ages.read()[2][:20, AGE] == 0).all()
    assert loop.stats()["inputs"]["camera"]["taken"] == 20


def test_wrong_use_is_told():
    rig = Rig(64)
    with pytest.raises(InputError, match="encoding 'evt9': must be one of evt3"):
        rig.queue.push(b"", "evt9")
    with pytest.raises(DescriptionError, match=r"camera\.packets = 0"):
        PacketQueue(rig.receiver, "camera", packets=0)
    with pytest.raises(DescriptionError, match="must be an events input: camera"):
        PacketReceiver.of(Controller.load("pan_tilt").bound, "joint_velocity")


def test_threads_that_push_at_once_lose_and_mix_nothing():
    rig, gate, n = Rig(4096, packets=64, ring_bytes=1 << 20), threading.Barrier(4), 40

    def push(first: int) -> None:
        gate.wait()
        for k in range(n):
            while not rig.queue.push(numbered(first + 100 * k, 100), "evt3"):
                time.sleep(0)

    threads = [threading.Thread(target=push, args=(100 * n * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    rows = []
    while len(rows) < 4 * n:
        seen = rig.take(0, LOCKSTEP)[3]
        rows += [seen] if len(seen) else []
    for thread in threads:
        thread.join()
    assert all(is_run(seen, int(seen[0, 0]) // 1000) and len(seen) == 100 for seen in rows)
    assert sorted(int(seen[0, 0]) // 1000 for seen in rows) == list(range(0, 4 * 100 * n, 100))
    assert rig.counters["packets"] == 4 * n
