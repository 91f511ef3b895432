"""The event camera against closed forms and a reference implementation."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_worlds.sensors.camera_model import PRESETS, CameraModel, camera_model
from sim_worlds.sensors.event_camera import EventCamera
from sim_worlds.sensors.patterns import Bar, Grating
from snn_control.errors import DescriptionError, InputError
from snn_control.events import Events

CLEAN = CameraModel()
NOISY = PRESETS["noisy"]


def run(device: EventCamera, pictures, period: float | None = None) -> Events:
    """All events of a sequence of pictures after the one of ``reset``."""
    parts = []
    for picture in pictures:
        events, dropped = device.advance(picture, period)
        assert dropped == 0
        parts.append(events)
    return Events.concatenate(parts)


def flat(device: EventCamera, value: float) -> np.ndarray:
    width, height = device.size
    return np.full((height, width), value, np.float32)


def counts(events: Events, polarity: int) -> np.ndarray:
    """(height, width) events of one polarity."""
    of = np.zeros((events.height, events.width), int)
    np.add.at(of, (events.y[events.p == polarity], events.x[events.p == polarity]), 1)
    return of


# ---------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("period", [1e-4, 1e-3, 5e-3, 33e-3])
def test_a_ramp_crosses_as_often_and_when_it_must(sign, period):
    slope, steps = 0.53, 19
    device = EventCamera((5, 3), CLEAN, period)
    device.reset(flat(device, 0.0), 0)
    events = run(device, [flat(device, sign * slope * (k + 1)) for k in range(steps)])
    mine = events.t[(events.x == 4) & (events.y == 2)]
    assert np.all(events.p == (1 if sign > 0 else 0))
    assert len(mine) == int(slope * steps / 0.2)
    assert len(events) == 15 * len(mine)
    np.testing.assert_allclose(mine, np.arange(1, len(mine) + 1) * 0.2 / slope * period * 1e9, atol=2e-5 * period * 1e9)


def expected_crossings(peak, start: np.ndarray, threshold: float) -> np.ndarray:
    """Crossings one way in a period of a wave between minus and plus ``peak``, after the first.

    With equal thresholds the reference stays on the lattice start + k threshold. It ends on the highest point of it
    that is not above the peak, and on the lowest that is not below minus the peak; in between every point is crossed
    once up and once down. Over lattices that lie anywhere the mean is 2 peak / threshold - 1, of hysteresis.
    """
    return np.floor((peak - start) / threshold) + np.floor((peak + start) / threshold)


@pytest.mark.parametrize("amplitude", [0.13, 0.5, 0.77, 1.5])
@pytest.mark.parametrize(("frequency", "direction"), [(1.0, 0.0), (5.0, 0.7), (20.0, 1.9)])
def test_a_moving_grating_crosses_as_often_as_the_closed_form_says(amplitude, frequency, direction):
    size, periods = (97, 41), 4
    scene = Grating(size, amplitude, 29.3, frequency, direction)
    device = EventCamera(size, CLEAN, capacity=1)
    device.reset(scene.picture(0.0), 1)
    steps = round(1e3 / frequency)
    # half a step later than the first picture, so that no peak is a point of a lattice
    pictures = (scene.picture((k + 0.5) * 1e-3) for k in range((periods + 1) * steps))
    first = run(device, itertools.islice(pictures, steps))
    later = run(device, pictures)
    assert len(first) > 0
    peak = amplitude
    if frequency > 10:  # the straight lines between pictures do not reach the peak of the sine
        peak = np.max([scene.picture((k + 0.5) * 1e-3) for k in range(steps)], axis=0).astype(float)
    expected = periods * expected_crossings(peak, scene.picture(0.0).astype(float), 0.2)
    for polarity in (0, 1):
        found = counts(later, polarity)
        assert found.sum() == pytest.approx(expected.sum(), rel=0.02)
        # and pixel by pixel, but for those whose lattice touches the peak, which a step of 1 ms may miss
        assert np.mean(found != expected) < 0.05
    if amplitude > 0.3:
        assert counts(later, 1).mean() / periods == pytest.approx(2 * amplitude / 0.2 - 1, rel=0.12)


def test_unequal_thresholds_keep_the_balance_of_up_and_down():
    size = (64, 32)
    scene = Grating(size, 1.0, 25.7, 5.0)
    device = EventCamera(size, CameraModel(threshold_on=0.15, threshold_off=0.25), 1e-3)
    device.reset(scene.picture(0.0), 1)
    events = run(device, (scene.picture(k * 1e-3) for k in range(1, 4001)))
    on, off = counts(events, 1), counts(events, 0)
    # the reference stays within a threshold of the signal, so that what goes up comes down
    assert np.max(np.abs(0.15 * on - 0.25 * off)) < 2 * 1.0 + 0.4
    assert on.sum() / off.sum() == pytest.approx(0.25 / 0.15, rel=0.02)


@pytest.mark.parametrize("period", [1e-3, 5e-3])
@pytest.mark.parametrize("cutoff", [5.0, 30.0])
def test_the_low_pass_follows_a_sine_as_a_first_order_filter_does(cutoff, period):
    frequency, amplitude = 5.0, 1.0
    scene = Grating((40, 1), amplitude, 40.0, frequency, mean=amplitude)  # never below white: a constant cutoff
    device = EventCamera((40, 1), CameraModel(threshold_on=0.01, threshold_off=0.01, cutoff=cutoff), period)
    device.reset(scene.picture(0.0), 1)
    steps = round(1.0 / period)
    seen = []
    for k in range(1, steps + 1):
        device.advance(scene.picture(k * period))
        seen.append(device.state[1, 0].copy())
    late = np.array(seen[steps // 2 :])
    gain = 1.0 / math.hypot(1.0, frequency / cutoff)
    assert np.ptp(late, axis=0) / 2 == pytest.approx(np.full(40, gain * amplitude), rel=0.01)
    # and in phase: the response of a first-order filter lags atan(f / f_c)
    t = np.arange(steps // 2 + 1, steps + 1) * period
    lag = math.atan(frequency / cutoff)
    wave = amplitude + gain * np.sin(scene.phase() - 2 * math.pi * frequency * t[:, None] + lag)
    np.testing.assert_allclose(late, wave, atol=0.02 if period > 2e-3 else 2e-3)


@pytest.mark.parametrize("level", [1.0, 0.5, 0.2, 0.01])
@pytest.mark.parametrize("period", [1e-3, 33e-3])
def test_darker_pixels_are_slower_in_proportion(level, period):
    device = EventCamera((1, 1), CameraModel(10.0, 10.0, cutoff=3.0), period)
    start = math.log(level)
    device.reset(flat(device, start), 0)
    rise = 1e-3  # so small that the intensity stays
    device.advance(flat(device, start + rise))
    for _ in range(2):
        device.advance(flat(device, start + rise))
    rate = 2 * math.pi * 3.0 * max(level, 0.07) * period
    # a ramp, then two steps of rest
    left = (1 - math.exp(-rate)) / rate * math.exp(-2 * rate)
    assert (start + rise - device.state[1, 0, 0]) / rise == pytest.approx(left, abs=2e-3)


# ---------------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize(("rate", "period"), [(0.1, 1e-3), (5.0, 1e-3), (5.0, 20e-3), (40.0, 1e-4)])
def test_leakage_has_its_rate(rate, period):
    device = EventCamera((64, 48), CameraModel(sigma=0.05, leak=rate, leak_spread=0.1), period)
    device.reset(flat(device, -0.7), 3)
    duration = min(12.0, 12000 * period)
    events = run(device, [flat(device, -0.7)] * round(duration / period))
    expected = rate * 64 * 48 * duration
    assert np.all(events.p == 1)
    assert len(events) == pytest.approx(expected, rel=0.05)
    # they do not come all at once
    halves = np.histogram(events.t, 4, (0, duration * 1e9))[0]
    np.testing.assert_allclose(halves, expected / 4, rtol=0.1)


@pytest.mark.parametrize(("rate", "period"), [(5.0, 1e-3), (2.0, 20e-3), (100.0, 1e-4)])
@pytest.mark.parametrize("level", [1.0, 0.3, 0.01])
def test_shot_noise_has_its_rate_which_the_light_sets(rate, period, level):
    device = EventCamera((64, 48), CameraModel(shot=rate, shot_bright=0.25), period)
    picture = flat(device, math.log(level))
    device.reset(picture, 7)
    steps = round(min(3.0, 2000 * period) / period)
    events = run(device, [picture] * steps)
    expected = rate * (1 - 0.75 * max(level, 0.07)) * 64 * 48 * steps * period
    assert expected > 3000
    assert len(events) == pytest.approx(expected, rel=0.05)
    for column, middle, width in (
        (events.t, steps * period * 5e8, steps * period * 1e9),
        (events.x, 31.5, 64),
        (events.y, 23.5, 48),
        (events.p, 0.5, math.sqrt(3)),
    ):
        assert column.mean() == pytest.approx(middle, abs=4 * width / math.sqrt(12 * len(events)))
    # a Poisson process: as much variance as mean, pixel by pixel
    a_pixel = counts(events, 0) + counts(events, 1)
    assert a_pixel.var() == pytest.approx(a_pixel.mean(), rel=0.12)


def test_the_noise_rates_of_the_preset_hold_together():
    device = EventCamera((64, 48), replace(NOISY, refractory=0.0))
    picture = flat(device, -5.0)
    device.reset(picture, 3)
    events = run(device, [picture] * 3000)
    on, off = counts(events, 1).sum(), counts(events, 0).sum()
    assert on + off == pytest.approx((5.0 * (1 - 0.75 * 0.07) + 0.1) * 64 * 48 * 3, rel=0.05)
    assert on - off == pytest.approx(0.1 * 64 * 48 * 3, abs=4 * math.sqrt(on + off))


def test_thresholds_spread_apart_and_none_is_too_low():
    device = EventCamera((200, 200), CameraModel(0.2, 0.3, sigma=0.05))
    device.reset(flat(device, 0.0), 5)
    on, off = device.thresholds
    assert (on.mean(), off.mean()) == pytest.approx((0.2, 0.3), rel=5e-3)
    assert (on.std(), off.std()) == pytest.approx((0.05, 0.05), rel=0.03)
    assert abs(np.corrcoef(on.ravel(), off.ravel())[0, 1]) < 0.02
    device = EventCamera((200, 200), CameraModel(0.05, 0.05, sigma=0.05))
    device.reset(flat(device, 0.0), 5)
    assert device.thresholds[0].min() == np.float32(0.01)


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
        self.key = int(device._key)
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


# ---------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"size": (0, 30)}, r"size\[0\]"),
        ({"size": (8, 9000)}, r"size\[1\]"),
        ({"period": 0.0}, "period"),
        ({"period": 3.0}, "period"),
        ({"capacity": 0}, "capacity"),
        ({"model": "loud"}, "camera.*clean, default, noisy"),
        ({"model": replace(NOISY, shot=900.0), "period": 0.1}, "camera.shot.*smaller steps"),
    ],
)
def test_wrong_options_are_named(options, name):
    with pytest.raises(DescriptionError, match=name):
        EventCamera(**options)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"threshold_on": 0.0}, "threshold_on"),
        ({"threshold_off": math.nan}, "threshold_off.*finite"),
        ({"sigma": -0.1}, "sigma"),
        ({"refractory": 2.0}, "refractory"),
        ({"cutoff": -1.0}, "cutoff"),
        ({"leak": True}, "leak"),
        ({"shot": "5"}, "shot"),
        ({"shot_bright": 1.5}, "shot_bright"),
    ],
)
def test_wrong_numbers_of_a_model_are_named(values, name):
    with pytest.raises(DescriptionError, match=f"camera.{name}"):
        CameraModel(**values)
    assert camera_model("noisy") is NOISY


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e6])
def test_a_picture_that_is_no_picture_is_refused(value):
    device = EventCamera((70, 3), NOISY)
    device.reset(flat(device, 0.0), 0)
    picture = flat(device, 0.0)
    picture[1, 66] = value
    with pytest.raises(InputError, match="not finite"):
        device.observe(picture)
    for wrong in (flat(device, 0.0).T, flat(device, 0.0).astype(np.float64)):
        with pytest.raises(InputError, match=r"\(3, 70\) float32"):
            device.observe(wrong)
    with pytest.raises(InputError, match="not finite"):
        device.reset(flat(device, math.nan), 0)
    for seed in (-1, 0.5, 1 << 64):
        with pytest.raises(DescriptionError, match="seed"):
            device.reset(flat(device, 0.0), seed)
    for size in (5, (4, 3, 2), (4.5, 3)):
        with pytest.raises(DescriptionError, match="size"):
            EventCamera(size)


def test_a_picture_may_lie_in_memory_as_it_likes():
    seen = []
    for order in (np.ascontiguousarray, np.asfortranarray):
        device = EventCamera((7, 5), NOISY)
        device.reset(order(flat(device, 0.0)), 0)
        events, _ = device.advance(order(np.linspace(0, 3, 35, dtype=np.float32).reshape(5, 7)))
        seen.append(events.digest())
    assert seen[0] == seen[1]


def test_the_camera_needs_no_physics_and_no_gymnasium():
    code = (
        "import sys; sys.modules['gymnasium'] = sys.modules['pybullet'] = None\n"
        "import sim_worlds.sensors.event_camera, sim_worlds.sensors.patterns, sim_worlds.sensors.intensity\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
