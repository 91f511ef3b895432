"""The event camera against closed forms; its noise, and wrong options."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sim_worlds.sensors.camera_model import CameraModel, camera_model
from sim_worlds.sensors.event_camera import EventCamera
from snn_control.errors import DescriptionError, InputError
from snn_control.events import Events
from tests.sim_worlds.devices import CLEAN, NOISY, flat, run


def counts(events: Events, polarity: int) -> np.ndarray:
    """(height, width) events of one polarity."""
    of = np.zeros((events.height, events.width), int)
    np.add.at(of, (events.y[events.p == polarity], events.x[events.p == polarity]), 1)
    return of


@dataclass(frozen=True)
class Grating:
    """``L = mean + amplitude * sin(2 pi (u / wavelength - frequency t))``, u along ``direction``.

    size : width and height [pixels]
    amplitude : of the log intensity
    wavelength : [pixels]
    frequency : periods that pass a pixel in a second [Hz]
    direction : of the motion, 0 to the right, pi / 2 down [rad]
    """

    size: tuple[int, int]
    amplitude: float = 0.5
    wavelength: float = 32.0
    frequency: float = 5.0
    direction: float = 0.0
    mean: float = 0.0

    def phase(self) -> np.ndarray:
        """(height, width) float64, phase of a pixel at t = 0 [rad]."""
        x, y = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]))
        return 2.0 * math.pi * (x * math.cos(self.direction) + y * math.sin(self.direction)) / self.wavelength

    def picture(self, t: float) -> np.ndarray:
        """(height, width) float32, log intensity at ``t`` [s]."""
        wave = np.sin(self.phase() - 2.0 * math.pi * self.frequency * t)
        return (self.mean + self.amplitude * wave).astype(np.float32)


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
