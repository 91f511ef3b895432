"""The page of a recording: its events, what is left out, its size, and how it is used in a browser."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest

from snn_control.events import Events
from snn_control.report import events_page as module
from snn_control.report.event_plots import Survey
from snn_control.report.events_page import events_page
from snn_control.watch import page_file, protocol
from tests.watch.browser import chromium, opened, shown, until

SIZE = (64, 48)
MOST = 8 << 20  # characters


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


def events_of(n, seconds=2.0, size=SIZE, unit="us"):
    random = np.random.default_rng(3)
    t = np.sort(random.integers(0, round(seconds * (1e6 if unit == "us" else 1e9)), n))
    x, y = (random.integers(0, side, n).astype(np.uint16) for side in size)
    return Events(t, x, y, random.integers(0, 2, n).astype(np.uint8), unit)


def page_of(pieces, size=SIZE, begins=0.0, speed=1.0):
    survey = Survey(begins)
    for piece in pieces:
        survey.add(piece)
    page, held = events_page(pieces, survey, size, "</script>", speed=speed)
    data = gzip.decompress(base64.b64decode(page.live.record))
    frames = [protocol.decode(frame) for frame in page_file._frames(data)]
    return page, held, json.loads(page.live.scene), frames


def kept(frames):
    """t [us], pixel and polarity of the events in the frames."""
    with_events = [arrays for _, arrays in frames if arrays]
    t = np.concatenate([a["first_step"][0] + a["spike_step"] for a in with_events])
    return t, *(np.concatenate([a[key] for a in with_events]) for key in ("spike_neuron", "spike_population"))


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_a_page_holds_all_events_and_the_rate(unit):
    events = events_of(5000, unit=unit)
    begin = int(events.ns[0])
    page, held, scene, frames = page_of([events[:3000], events[3000:]])
    t, pixel, polarity = kept(frames)
    np.testing.assert_array_equal(t, (events.ns - begin) // 1000)
    np.testing.assert_array_equal(pixel, events.y.astype(int) * SIZE[0] + events.x)
    np.testing.assert_array_equal(polarity, events.p)
    assert held == "all events"
    assert (scene["note"], scene["spikes"], scene["title"]) == ("", 5000, "</script>")
    rate = scene["camera"]["rate"]
    assert (sum(rate["on"]), sum(rate["off"])) == (int(events.p.sum()), 5000 - int(events.p.sum()))
    assert frames[-1][0]["t"] == pytest.approx((events.ns[-1] - begin) * 1e-9)
    assert "<" not in page.live.scene


def test_of_many_events_an_even_share_is_kept_and_the_page_says_so(monkeypatch):
    monkeypatch.setattr(module, "MOST_EVENTS", 2000)
    _, held, scene, frames = page_of([events_of(20_000)])
    t, _, _ = kept(frames)
    assert 1800 < len(t) < 2200
    assert abs(np.count_nonzero(t < 1_000_000) / len(t) - 0.5) < 0.1
    rate = scene["camera"]["rate"]
    assert sum(rate["on"]) + sum(rate["off"]) == 20_000
    assert held == scene["note"] == f"the pictures show {len(t):,} of 20,000 events, the rates count all of them"


def test_a_page_of_the_least_compressible_events_is_at_most_8_mb():
    size, share = (4096, 1024), 20
    page, *_ = page_of([events_of(module.MOST_EVENTS // share, 4000.0, size)], size)
    assert 0.7 * MOST < share * len(page.live.record) < MOST


def test_long_recordings_clocks_that_step_back_and_events_outside_the_frame():
    t = np.array([0, 10, 5_000_000, 4_000_000, 9_000_000_000])  # us, two and a half hours
    x = np.array([0, 1, 2, 3, 200], np.uint16)
    events = Events(t, x, np.zeros(5, np.uint16), np.ones(5, np.uint8))
    _, _, scene, frames = page_of([events], begins=2.0)
    t, pixel, _ = kept(frames)
    np.testing.assert_array_equal(t, [2_000_000, 2_000_010, 7_000_000, 7_000_000])
    assert list(pixel) == [0, 1, 2, 3]
    marks = frames[-1][0]["marks"]
    assert [(mark["t"], mark["kind"]) for mark in marks] == [(7.0, "clock steps back")]
    assert scene["from"] == 2.0
    wide = Events(np.array([0, 9_000_000_000]), np.zeros(2, np.uint16), np.zeros(2, np.uint16), np.ones(2, np.uint8))
    _, _, _, frames = page_of([wide])
    assert list(kept(frames)[0]) == [0, 9_000_000_000]


def test_the_shortest_recordings():
    one = Events(np.array([5]), np.array([3], np.uint16), np.array([4], np.uint16), np.array([1], np.uint8))
    page, _, scene, frames = page_of([one])
    assert [tile[1] for tile in page.tiles] == ["1", "0 µs", "–", "1 M/s"]
    assert kept(frames) == (0, 4 * SIZE[0] + 3, 1)
    assert (scene["length"], scene["camera"]["shown"]) == (0.0, 0.0)


def test_the_page_in_a_browser(tmp_path, browser):
    n = 4000  # a bar of ON events that moves right, one column each 20 ms; OFF at row 0 in the first half second
    k = np.arange(n)
    x, y = (k // 40 % 64).astype(np.uint16), np.where(k % 8 == 0, 0, k % 47 + 1).astype(np.uint16)
    p = (y > 0).astype(np.uint8)
    page, *_ = page_of([Events(k * 500, x, y, p)])
    file = tmp_path / "x.html"
    file.write_text(page.html(), encoding="utf-8")
    picture, rate = '[data-panel="events"] canvas', '[data-panel="rate"] canvas'
    with opened(browser, file.as_uri()) as one:
        until(one, f"s.spikes === {n}")
        for name in ("raster", "outputs", "graph", "timing", "controls", "inputs"):
            assert one.locator(f'[data-panel="{name}"]').is_hidden()
        one.locator('[data-control="time"]').fill("0.5")
        one.locator('[data-control="span"]').select_option("0.1")
        before = shown(one, picture)
        assert "events in the 100 ms before 0.500 s" in one.locator('[data-panel="events"] figcaption').inner_text()
        box = one.locator(picture).bounding_box()
        one.locator(picture).hover(position={"x": 24.5 * box["width"] / 64, "y": 0.5 * box["height"] / 48})
        assert one.locator("#tip").inner_text() == "x 24, y 0: 0 ON, 5 OFF; the last one OFF at 0.496000 s"
        pixels = one.evaluate(
            f"""[[24, 0], [24, 7], [40, 7]].map(([x, y]) => [...document.querySelector('{picture}')
            .getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3))"""
        )
        (off, on, none) = pixels
        assert off[2] > off[0] + 50  # blue
        assert on[0] > on[2] + 50  # orange
        assert none == [245, 245, 245]
        one.keyboard.press("ArrowRight")
        assert shown(one, picture) != before
        assert one.locator("#player output").inner_text() == "0.51 of 2.00 s"
        one.locator(rate).hover(position={"x": 200, "y": 60})
        assert "/s ON" in one.locator("#tip").inner_text()
        one.locator(rate).click(position={"x": 58, "y": 60})
        until(one, "$('#player output').textContent.startsWith('0.00')")
        one.keyboard.press(" ")
        until(one, "Number($('[data-control=time]').value) > 0.1")
        assert one.pdf().startswith(b"%PDF")
