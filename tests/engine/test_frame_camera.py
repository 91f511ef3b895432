"""Frames become events: each encoding against a plain reference, and events against the world's own camera."""

from __future__ import annotations

import itertools
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_worlds.sensors.event_camera import EventCamera
from sim_worlds.sensors.intensity import log_intensity
from snn_control.coding import FrameCameraSettings
from snn_control.coding.camera_model import PRESETS
from snn_control.engine.camera.frame_camera import FrameCamera, see
from snn_control.engine.camera.frames import ENCODINGS, FLOOR, LUMA, Tables, log_picture
from snn_control.engine.compile import compile_function

SIZE, MS = (37, 21), 1_000_000
GAMMA = 2.2
DTYPES = {"mono16": np.uint16, "32FC1": np.float32}
BAYER = {"bayer_rggb8": "rggb", "bayer_grbg8": "grbg", "bayer_gbrg8": "gbrg", "bayer_bggr8": "bggr"}


def converted(data, encoding, step, size=SIZE, gamma=GAMMA, big=0):
    """Log intensity of a frame, (height, width) float32."""
    tables, out = Tables.of(gamma), np.full(size[::-1], np.nan, np.float32)
    run = compile_function(log_picture, f"void({','.join(['int64'] * 9)})")
    run(
        data.ctypes.data, step, list(ENCODINGS).index(encoding), big, *size, tables.logarithms.ctypes.data,
        tables.shares.ctypes.data, out.ctypes.data,
    )  # fmt: skip
    return out


def intensity(encoding, pixels):
    """Linear intensity by plain arithmetic, from (height, width, channels) values."""
    if encoding in BAYER:
        grey, height, width = pixels[..., 0] / 255.0, *pixels.shape[:2]
        out = np.empty((height, width))
        for j, i in itertools.product(range(height), range(width)):
            top, left = min(j, height - 2), min(i, width - 2)
            found = {"r": [], "g": [], "b": []}
            for y, x in itertools.product((top, top + 1), (left, left + 1)):
                found[BAYER[encoding][2 * (y % 2) + x % 2]].append(grey[y, x] ** GAMMA)
            out[j, i] = sum(w * np.mean(found[c]) for w, c in zip(LUMA, "rgb", strict=True))
        return out
    if encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        pixels = pixels[..., [1 if encoding in ("yuv422", "uyvy") else 0]]
    if pixels.shape[2] >= 3:
        rgb = pixels[..., [2, 1, 0] if encoding.startswith("bgr") else [0, 1, 2]]
        return ((rgb / 255.0) ** GAMMA) @ LUMA
    most = {np.uint8: 255.0, np.uint16: 65535.0, np.float32: 1.0}[pixels.dtype.type]
    return (np.clip(pixels[..., 0].astype(np.float64), 0, most) / most) ** GAMMA


def channels_of(encoding):
    return ENCODINGS[encoding][1] // np.dtype(DTYPES.get(encoding, np.uint8)).itemsize


def random_pixels(encoding, seed, size=SIZE):
    rng, dtype = np.random.default_rng(seed), DTYPES.get(encoding, np.uint8)
    shape = (*size[::-1], channels_of(encoding))
    if dtype == np.float32:
        return rng.uniform(-0.1, 1.1, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 999), st.integers(0, 9))
def test_each_encoding_has_the_log_intensity_of_a_plain_reference(encoding, seed, pad):
    pixels = random_pixels(encoding, seed)
    rows = np.concatenate([pixels.reshape(SIZE[1], -1).view(np.uint8), np.full((SIZE[1], pad), 99, np.uint8)], axis=1)
    found = converted(np.ascontiguousarray(rows), encoding, rows.shape[1])
    expected = np.log((intensity(encoding, pixels) + FLOOR) / (1 + FLOOR))
    np.testing.assert_allclose(found, expected, atol=2e-3)  # a step of a table, in the dark


def test_grey_of_8_bits_has_the_bits_of_log_intensity_and_the_other_forms_agree():
    grey = random_pixels("mono8", 1)[..., 0]
    expected = log_intensity(grey, GAMMA)
    assert converted(grey, "mono8", SIZE[0]).tobytes() == expected.tobytes()
    wide = grey.astype(np.uint16) * 257
    assert converted(wide, "mono16", 2 * SIZE[0]).tobytes() == expected.tobytes()
    assert converted(wide.byteswap(), "mono16", 2 * SIZE[0], big=1).tobytes() == expected.tobytes()
    colours = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_allclose(converted(colours, "rgb8", 3 * SIZE[0]), expected, atol=1e-3)
    strange = np.full(SIZE[::-1], np.nan, np.float32)
    assert (converted(strange, "32FC1", 4 * SIZE[0]) == log_intensity(np.zeros((1, 1), np.uint8))[0, 0]).all()


class Shown:
    """A camera to which a test shows frames of 8 bits."""

    def __init__(self, size, preset="default", seed=5, room=200_000, **changes):
        numbers = FrameCameraSettings(preset, seed=seed, **changes).numbers
        self.size, self.camera = size, FrameCamera(size, numbers)
        self.columns = [np.zeros(room, dtype) for dtype in (np.int64, np.uint16, np.uint16, np.uint8)]
        self.see = compile_function(shown, f"int64({','.join(['int64'] * 8)})")

    def __call__(self, image, time):
        to = (column.ctypes.data for column in self.columns)
        n = self.see(self.camera.context, image.ctypes.data, time, *to, self.columns[0].size)
        return [column[: min(n, column.size)].copy() for column in self.columns]


def shown(context, data, time, t, x, y, p, room):
    return see(context, data, np.int64(SIZE[0]), np.int64(0), np.int64(0), time, t, x, y, p, room)


def images(n, seed=0, levels=16):
    """Images that move by a pixel each."""
    wide = np.random.default_rng(seed).integers(0, levels, (SIZE[1], SIZE[0] + n), np.uint8) * (255 // levels)
    return [np.ascontiguousarray(wide[:, k : k + SIZE[0]]) for k in range(n)]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("period", [MS, 16_666_667])
def test_events_are_those_of_the_worlds_own_camera(preset, period):
    sees, own = Shown(SIZE, preset), EventCamera(SIZE, preset, period * 1e-9)
    total = 0
    for k, image in enumerate(images(12, levels=4 if period == MS else 2)):
        image = image // 8 + 100  # small steps: the time between two frames is one step
        found = sees(image, k * period)
        if k == 0:
            own.reset(log_intensity(image, GAMMA), 5)
            assert not found[0].size
            continue
        events, lost = own.advance(log_intensity(image, GAMMA))
        assert lost == 0
        for column, name in zip(found, "txyp", strict=True):
            np.testing.assert_array_equal(column, getattr(events, name))
        total += len(events)
    assert total > 50
    assert sees.camera.counters() == {"frames": 12, "restarts": 0, "repeated": 0, "lost": 0}


def test_steps_follow_the_contrast_and_no_event_is_lost():
    black, white = np.zeros(SIZE[::-1], np.uint8), np.full(SIZE[::-1], 255, np.uint8)
    sees = Shown(SIZE, "clean")
    sees(black, 0)
    t, x, y, p = sees(white, 20 * MS)
    crossings = int(-log_intensity(black)[0, 0] / 0.2)
    assert sees.camera.counters()["lost"] == 0
    assert len(t) == crossings * SIZE[0] * SIZE[1]
    assert p.all()
    assert (np.diff(t) >= 0).all()
    one = t[(x == 3) & (y == 2)]
    np.testing.assert_allclose(one, 20e6 * 0.2 * np.arange(1, crossings + 1) / -log_intensity(black)[0, 0], rtol=1e-4)


def test_pixels_with_a_low_pass_take_steps_as_a_camera_that_sees_interpolated_pictures():
    dark, bright = images(1)[0] // 4, images(1, seed=1)[0]
    sees, own = Shown(SIZE, "noisy"), EventCamera(SIZE, "noisy", 1e-3)
    sees(dark, 0)
    found = sees(bright, 18 * MS)
    before, after = log_intensity(dark, GAMMA), log_intensity(bright, GAMMA)
    steps = int(sees.camera._pixels.clock[0])
    assert np.abs(after - before).max() < steps < 8
    own.reset(before, 5)
    expected = []
    for k in range(1, steps + 1):
        picture = before + (after - before) * np.float32(k / steps)
        length = 18 * MS * k // steps - 18 * MS * (k - 1) // steps
        expected.append(own.advance(after if k == steps else picture, length * 1e-9)[0])
    for column, name in zip(found, "txyp", strict=True):
        np.testing.assert_array_equal(column, np.concatenate([getattr(one, name) for one in expected]))


def test_a_pause_the_past_and_repetition():
    sees, (a, b, *_) = Shown(SIZE, "clean"), images(3)
    sees(a, 10 * MS)
    assert not sees(b, 10 * MS)[0].size  # the time of the last frame
    moved = sees(b, 20 * MS)
    assert moved[0].size
    assert 10 * MS <= moved[0].min() <= moved[0].max() <= 20 * MS
    assert not sees(a, 2_000 * MS)[0].size  # a pause
    assert not sees(b, 1_000 * MS)[0].size  # the past
    assert sees.camera.counters() == {"frames": 5, "restarts": 2, "repeated": 1, "lost": 0}
    sees.camera.reset()
    sees(a, 10 * MS)
    for column, again in zip(moved, sees(b, 20 * MS), strict=True):
        np.testing.assert_array_equal(column, again)


def test_settings_are_a_preset_with_changes():
    numbers = FrameCameraSettings("noisy", threshold_on=0.15, gamma=1.0, seed=7).numbers
    assert numbers == (0.15, *astuple(PRESETS["noisy"])[1:], 1.0, 7.0)
    assert FrameCameraSettings().model == PRESETS["default"]
