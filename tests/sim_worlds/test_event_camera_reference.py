"""The event camera against a slow reference, and what always holds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_worlds.sensors.camera_model import PRESETS, CameraModel
from sim_worlds.sensors.event_camera import EventCamera
from sim_worlds.sensors.patterns import Bar
from snn_control.events import Events
from tests.sim_worlds.devices import CLEAN, NOISY, flat, run

# -------------------------------------------------------------------------------- reference implementation

WORD = 0xFFFFFFFF


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10, from the paper."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & WORD, (p0 >> 32) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return [c0, c1, c2, c3]


class Reference:
    """The camera in plain numpy of float64 with exact exponentials: one event after the other."""

    def __init__(self, device: EventCamera) -> None:
        self.model = device.model
        self.width, self.height = device.size
        self.picture, self.light, self.gap, self.on, self.off, self.leak = device.state.astype(np.float64)
        self.key = int(device.key)
        self.last: dict[int, int] = {}
        self.step, self.time = 0, 0

    def bright(self, log: np.ndarray) -> np.ndarray:
        return np.clip(np.exp(log - self.model.white), 0.07, 1.0)

    def shot(self, now: np.ndarray, period: int) -> list[tuple[int, int, int]]:
        found = []
        for j in range(self.height if self.model.shot else 0):
            product, k = 1.0, 0
            while True:
                counter = [k, j, self.step & WORD, self.step >> 32]
                a, b, c, d = philox(counter, [self.key & WORD, self.key >> 32])
                product *= (a + 0.5) / 2**32
                if product <= math.exp(-self.model.shot * self.width * period * 1e-9):
                    break
                i = int(c / 2**32 * self.width)
                if (d >> 1) / 2**31 < 1 - (1 - self.model.shot_bright) * self.bright(now[j, i]):
                    found.append((int(b / 2**32 * period), j * self.width + i, d & 1))
                k += 1
        return found

    def observe(self, now: np.ndarray, period: int) -> list[tuple[int, int, int]]:
        """(t [ns], pixel, polarity) of the step."""
        now, dt = now.astype(np.float64), period * 1e-9
        light = now
        if self.model.cutoff:
            a = 2 * math.pi * self.model.cutoff * dt * self.bright((self.picture + now) / 2)
            slope = now - self.picture
            light = now - slope / a + (self.light - self.picture + slope / a) * np.exp(-a)
        change = light - self.light + self.leak * dt
        start, self.light, self.picture = self.gap, light, now
        self.gap = start + change
        found = []
        for j, i in zip(*np.nonzero((self.gap >= self.on) | (self.gap <= -self.off))):
            sign, threshold = (1, self.on[j, i]) if self.gap[j, i] > 0 else (-1, self.off[j, i])
            n = int(sign * self.gap[j, i] / threshold)
            self.gap[j, i] -= sign * n * threshold
            for k in range(1, n + 1):
                part = (sign * k * threshold - start[j, i]) / change[j, i]
                found.append((int(min(max(part, 0.0), 1.0) * period), j * self.width + i, int(sign > 0)))
        kept = []
        for t, pixel, p in sorted(found + self.shot(now, period)):
            absolute = self.time + t
            if pixel not in self.last or absolute - self.last[pixel] >= round(self.model.refractory * 1e9):
                self.last[pixel] = absolute
                kept.append((absolute, pixel, p))
        self.step += 1
        self.time += period
        return kept


REFERENCES = {
    "clean": CLEAN,
    "default": replace(PRESETS["default"], shot=20.0),
    "noisy": replace(NOISY, shot=100.0, leak=20.0),
    "dark": replace(NOISY, white=2.0, cutoff=200.0, shot=100.0, threshold_off=0.3),
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("period", [1e-4, 1e-3, 2e-2])
@pytest.mark.parametrize("size", [(64, 8), (37, 11), (130, 3)])
def test_the_same_events_as_the_reference(name, period, size):
    rng = np.random.default_rng(3)
    device = EventCamera(size, REFERENCES[name], period)
    picture = rng.normal(0, 0.3, size[::-1]).astype(np.float32)
    device.reset(picture, 11)
    plain = Reference(device)
    got, expected = [], []
    for scale in (0.0, 0.02, 0.3, 1.5, 0.05, 0.2, 0.0, 0.7):
        picture = picture + rng.normal(0, 1.0, picture.shape).astype(np.float32) * np.float32(scale)
        events, dropped = device.advance(picture)
        assert dropped == 0
        pixels = events.y.astype(int) * size[0] + events.x
        got += list(zip(pixels.tolist(), events.p.tolist(), events.t.tolist()))
        expected += [(pixel, p, t) for t, pixel, p in plain.observe(picture, round(period * 1e9))]
    assert len(expected) > 50
    # single precision moves times by a little, and a crossing at the very edge of a step or of the refractory time
    assert abs(len(got) - len(expected)) <= max(2, 0.004 * len(expected))
    times: dict[tuple[int, int], list[int]] = {}
    for pixel, p, t in expected:
        times.setdefault((pixel, p), []).append(t)
    missing = sum(np.abs(np.array(times.get((pixel, p), [-1])) - t).min() > 3e-4 * period * 1e9 for pixel, p, t in got)
    assert missing <= max(2, 0.004 * len(got))
    stray = np.abs(device.state[2] - plain.gap) > 1e-3
    assert stray.mean() < 0.01


# ---------------------------------------------------------------------------------------------- properties

MODELS = st.builds(
    CameraModel,
    threshold_on=st.floats(0.05, 0.5),
    threshold_off=st.floats(0.05, 0.5),
    sigma=st.floats(0, 0.1),
    refractory=st.sampled_from([0.0, 1e-4, 1e-3, 7e-3]),
    cutoff=st.sampled_from([0.0, 1.0, 30.0, 3000.0]),
    white=st.floats(-2, 2),
    leak=st.sampled_from([0.0, 0.1, 50.0]),
    leak_spread=st.floats(0, 0.5),
    shot=st.sampled_from([0.0, 5.0, 100.0]),
    shot_bright=st.floats(0, 1),
)


@settings(max_examples=60, deadline=None)
@given(
    MODELS,
    st.tuples(st.integers(1, 130), st.integers(1, 9)),
    st.lists(st.floats(1e-5, 0.033), min_size=1, max_size=6),
    st.integers(0, 2**64 - 1),
)
def test_what_always_holds(model, size, periods, seed):
    rng = np.random.default_rng(seed)
    pictures = rng.normal(0, 0.5, (len(periods) + 1, size[1], size[0])).astype(np.float32)
    runs = []
    for _ in range(2):
        device = EventCamera(size, model)
        device.reset(pictures[0], seed)
        parts = []
        for picture, period in zip(pictures[1:], periods):
            start = device.time
            events, _ = device.advance(picture, period)
            assert np.all((events.t >= start) & (events.t < device.time + 1))
            # the reference is within a threshold of what the pixel sees
            on, off = device.thresholds
            assert np.all((device.state[2] < on) & (device.state[2] > -off))
            seen = device.state[1] if model.cutoff else picture
            np.testing.assert_allclose(device.reference, seen - device.state[2], atol=1e-5)
            parts.append(events)
        runs.append(Events.concatenate(parts))
    events = runs[0]
    assert events.digest() == runs[1].digest()  # same seed, same bits
    assert np.all(np.diff(events.t) >= 0)
    assert np.all((events.x < size[0]) & (events.y < size[1]) & (events.p < 2))
    order = np.lexsort((events.t, events.x, events.y))
    same = (np.diff(events.x[order].astype(int)) == 0) & (np.diff(events.y[order].astype(int)) == 0)
    assert np.all(np.diff(events.t[order])[same] >= round(model.refractory * 1e9))


def test_another_seed_gives_other_events_and_the_past_does_not_matter():
    device = EventCamera((32, 32), NOISY)
    picture = flat(device, -1.0)
    digests = []
    for seed in (1, 2, 1):
        device.reset(picture, seed)
        digests.append(run(device, [picture] * 50).digest())
    assert digests[0] == digests[2] != digests[1]


def test_a_refractory_pixel_is_silent_and_its_reference_moves():
    results = []
    for model in (CLEAN, CameraModel(refractory=1e-3)):
        device = EventCamera((4, 4), model)
        device.reset(flat(device, 0.0), 0)
        events = run(device, [flat(device, 0.53 * (k + 1)) for k in range(19)])
        results.append((events.t[(events.x == 0) & (events.y == 0)], device.reference))
    # a crossing every 0.377 ms: each third one comes at least 1 ms after the last report
    np.testing.assert_array_equal(results[1][0], results[0][0][::3])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_rows_are_the_columns_and_what_does_not_fit_is_counted():
    pictures = [Bar((50, 7), 1.5, speed=900.0).picture(k * 1e-3) for k in range(9)]
    wide, narrow, columns = (
        EventCamera((50, 7), NOISY),
        EventCamera((50, 7), NOISY, capacity=10),
        EventCamera((50, 7), NOISY),
    )
    for device in (wide, narrow, columns):
        device.reset(pictures[0], 3)
    total = 0
    for picture in pictures[1:]:
        start = columns.time
        rows, n, dropped = wide.observe(picture)
        events, _ = columns.advance(picture)
        few, m, cut = narrow.observe(picture)
        assert (n, dropped, m, cut) == (len(events), 0, min(n, 10), max(n - 10, 0))
        expected = np.stack([(events.t - start) * 1e-9, events.x, events.y, events.p], axis=1).astype(np.float32)
        np.testing.assert_array_equal(rows[:n], expected)
        assert not rows[n:].any()
        np.testing.assert_array_equal(few[:m], rows[:m])
        total += n
    assert total > 100


def test_more_crossings_than_there_is_room_for_are_counted():
    device = EventCamera((16, 16), CLEAN)
    device.reset(flat(device, 0.0), 0)
    events, dropped = device.advance(flat(device, 100.0))
    assert len(events) == 65536
    assert len(events) + dropped == pytest.approx(256 * 500, abs=256)
