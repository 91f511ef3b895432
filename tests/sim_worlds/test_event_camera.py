"""The event camera against closed forms and a slow twin."""

from __future__ import annotations

import numpy as np
import pytest

from sim_worlds.sensors.event_camera import EventCamera
from snn_control.errors import DescriptionError

WORD = (1 << 64) - 1


def camera(size=(4, 64), **options) -> EventCamera:
    return EventCamera(size, **{"mismatch": 0.0, "noise": 0.0, "refractory": 0.0, **options})


def ramp(device: EventCamera, slope: float, steps: int) -> np.ndarray:
    """Events of pixel (0, 0) while all pixels rise by ``slope`` a step: (n, 2) float64, t [ms] and polarity."""
    device.reset(np.zeros(device.before.shape, np.float32), np.random.default_rng(0))
    seen = []
    for k in range(steps):
        picture = np.full(device.before.shape, np.float32(slope * (k + 1)))
        events, n, dropped = device.observe(picture)
        assert dropped == 0
        assert np.all(events[n:] == 0.0)
        mine = events[:n][(events[:n, 1] == 0) & (events[:n, 2] == 0)]
        seen += [(k + 1e3 * float(t), float(p)) for t, _, _, p in mine]
    return np.array(seen)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_ramp_crosses_as_often_and_when_it_must(sign):
    slope, steps, threshold = 0.53, 19, 0.2
    seen = ramp(camera(threshold=threshold), sign * slope, steps)
    assert len(seen) == int(slope * steps / threshold)
    assert np.all(seen[:, 1] == (1 if sign > 0 else 0))
    np.testing.assert_allclose(seen[:, 0], np.arange(1, len(seen) + 1) * threshold / slope, atol=2e-5)


def test_a_refractory_pixel_is_silent_and_its_reference_moves():
    free, tired = camera(), camera(refractory=1e-3)
    crossings = ramp(free, 0.53, 19)
    seen = ramp(tired, 0.53, 19)
    # a crossing every 0.377 ms: each third one comes at least 1 ms after the last report
    np.testing.assert_allclose(seen[:, 0], crossings[::3, 0], atol=2e-5)
    np.testing.assert_array_equal(tired.reference, free.reference)


def test_no_pixel_reports_twice_within_the_refractory_time_not_even_noise():
    rng = np.random.default_rng(2)
    device = EventCamera((8, 64), noise=200.0, capacity=1 << 14)
    picture = np.zeros((8, 64), np.float32)
    device.reset(picture, rng)
    last: dict[tuple, float] = {}
    for k in range(40):
        picture = picture + rng.normal(0, 0.4, picture.shape).astype(np.float32)
        events, n, _ = device.observe(picture)
        for t, x, y, _ in events[:n].astype(float):
            now = k + t * 1e3
            assert now - last.get((x, y), -9.0) >= 1.0 - 1e-6
            last[x, y] = now


def test_thresholds_differ_by_three_percent():
    device = EventCamera()
    device.reset(np.zeros((128, 128), np.float32), np.random.default_rng(5))
    assert device.threshold.mean() == pytest.approx(0.2, rel=1e-3)
    assert device.threshold.std() / 0.2 == pytest.approx(0.03, rel=0.03)


def test_noise_has_its_rate_both_signs_and_all_places():
    device = EventCamera()
    picture = np.zeros((128, 128), np.float32)
    device.reset(picture, np.random.default_rng(7))
    counts, rows = [], []
    for _ in range(2000):
        events, n, _ = device.observe(picture)
        counts.append(n)
        rows.append(events[:n])
    mean = 0.1 * 128 * 128 * 1e-3
    seen = np.concatenate(rows)
    assert np.mean(counts) == pytest.approx(mean, abs=4 * np.sqrt(mean / 2000))
    assert np.var(counts) == pytest.approx(mean, rel=0.15)
    for column, middle, spread in ((0, 0.5e-3, 1e-3), (1, 63.5, 128), (2, 63.5, 128), (3, 0.5, np.sqrt(3))):
        error = 4 * spread / np.sqrt(12 * len(seen))
        assert seen[:, column].mean() == pytest.approx(middle, abs=error)


def mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)


class Twin:
    """The camera in plain Python: one pixel after the other, one crossing after the other."""

    def __init__(self, device: EventCamera, noise: float) -> None:
        self.rows, self.columns = device.before.shape
        self.before, self.reference = device.before.copy(), device.reference.copy()
        self.threshold, self.key = device.threshold.copy(), int(device._key)
        self.period, self.refractory = int(device.clock[1]), int(device.clock[2])
        self.mean = noise * self.rows * self.columns * self.period * 1e-9
        self.last: dict[int, int] = {}
        self.step = 0

    def noise(self) -> list[tuple[int, int, int]]:
        stream = mix(self.key ^ mix(self.step))

        def uniform(k: int) -> float:
            return (mix((stream + k * 0x9E3779B97F4A7C15) & WORD) >> 11) / (1 << 53)

        found, product, k = [], uniform(0), 0
        while product > float(np.exp(-self.mean)):
            pixel = int(uniform(k + 2) * self.rows * self.columns)
            found.append((int(uniform(k + 1) * self.period), pixel, int(uniform(k + 3) < 0.5)))
            k += 4
            product *= uniform(k)
        return found

    def observe(self, picture: np.ndarray) -> list[tuple[int, int, int]]:
        found = []
        for j in range(self.rows):
            for i in range(self.columns):
                now, threshold = picture[j, i], self.threshold[j, i]
                start = float(self.before[j, i])
                for p, sign in ((1, np.float32(1)), (0, np.float32(-1))):
                    while sign * (now - self.reference[j, i]) >= threshold:
                        self.reference[j, i] += sign * threshold
                        reference = float(self.reference[j, i])
                        part = (reference - start) / (float(now) - start) if now != self.before[j, i] else 1.0
                        found.append((int(min(max(part, 0.0), 1.0) * self.period), j * self.columns + i, p))
        found = sorted(found + self.noise(), key=lambda event: event[0])
        kept = []
        for t, pixel, p in found:
            absolute = self.step * self.period + t
            if pixel not in self.last or absolute - self.last[pixel] >= self.refractory:
                self.last[pixel] = absolute
                kept.append((t, pixel, p))
        self.before = picture.copy()
        self.step += 1
        return kept


@pytest.mark.parametrize(("refractory", "period"), [(0.0, 1e-3), (1e-3, 1e-3), (2.5e-4, 1e-3), (3e-4, 1e-4)])
def test_the_same_events_as_the_slow_twin(refractory, period):
    rng = np.random.default_rng(3)
    device = EventCamera((16, 128), period, refractory=refractory, noise=3.0, capacity=1 << 15)
    picture = rng.normal(0, 0.3, (16, 128)).astype(np.float32)
    device.reset(picture, rng)
    twin = Twin(device, 3.0)
    total = 0
    for scale in (0.0, 0.02, 0.3, 1.5, 0.05, 0.2):
        picture = picture + rng.normal(0, 1.0, picture.shape).astype(np.float32) * np.float32(scale)
        events, n, dropped = device.observe(picture)
        expected = twin.observe(picture)
        assert dropped == 0
        got = [(round(float(t) * 1e9), int(y) * 128 + int(x), int(p)) for t, x, y, p in events[:n].astype(np.float64)]
        assert [e[1:] for e in got] == [e[1:] for e in expected]
        assert [np.float32(e[0] * 1e-9) for e in expected] == events[:n, 0].tolist()
        assert np.all(np.diff(events[:n, 0]) >= 0)
        np.testing.assert_array_equal(device.reference, twin.reference)
        total += n
    assert total > 1000


def test_what_does_not_fit_is_counted_and_the_earliest_stay():
    pictures = [np.zeros((4, 64), np.float32), np.linspace(0.5, 5.0, 256, dtype=np.float32).reshape(4, 64)]
    wide, narrow = camera(), camera(capacity=10)
    for device in (wide, narrow):
        device.reset(pictures[0], np.random.default_rng(0))
    every, n, _ = wide.observe(pictures[1])
    some, m, dropped = narrow.observe(pictures[1])
    assert (m, dropped) == (10, n - 10)
    np.testing.assert_array_equal(some, every[:10])


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"size": (8, 30)}, "size"),
        ({"period": 0.01}, "period"),
        ({"threshold": 0.0}, "threshold"),
        ({"noise": -1.0}, "noise"),
        ({"capacity": 0}, "capacity"),
    ],
)
def test_wrong_options_are_named(options, name):
    with pytest.raises(DescriptionError, match=name):
        EventCamera(**options)
