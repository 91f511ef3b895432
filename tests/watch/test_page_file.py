"""The live page in one file: it loads nothing, and its record is the run."""

from __future__ import annotations

import base64
import gzip
import json
import re

import numpy as np
import pytest
import yaml

from snn_control.analysis.stimulus import default_stimulus
from snn_control.controller import Controller, build_program
from snn_control.controller_file import load_spec, parse_spec
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.record.recorded_run import RecordedRun
from snn_control.report.page import Page
from snn_control.resources import shipped
from snn_control.watch import page_file, protocol
from snn_control.watch.record_run import LEAST_FRAMES, RecordRun
from tests.watch.browser import opened, until

LEARNS = """
version: 1
period: 0.005
inputs:
  x: {kind: value, size: 2, range: [-1, 1], encoder: {type: population, neurons: 12, neuron: {type: lif}}}
  wrong: {kind: value, size: 3}
  stop: {kind: value, size: 1, stop_when: nonzero, stale: 0.5}
network:
  populations: {a: {size: 3, neuron: {type: li, tau_mem: 0.02}}}
  projections:
  - {pre: x, post: a, weights: 0.1, learning: {type: pes, error: wrong, learning_rate: 0.01}}
outputs: {u: {size: 3, limits: [-1, 1], decoder: [{type: membrane, from: a, weights: 1.0}]}}
"""


def frames_of(record):
    return [protocol.decode(frame) for frame in page_file._frames(gzip.decompress(base64.b64decode(record)))]


def run_of(spec, seconds):
    return RecordedRun({}, default_stimulus(spec, seconds).log, spec)


@pytest.fixture(scope="module")
def learns():
    return parse_spec(yaml.safe_load(LEARNS))


def test_the_page_in_a_file_loads_nothing():
    parts = page_file.page_parts()
    assert not re.search(r"^\s*(import|export)\b", parts.script, re.MULTILINE)
    assert parts.script.count("modules.canvas = ") == 1
    assert parts.script.index("modules.canvas =") < parts.script.index("modules.raster =")
    for text in (parts.buttons, parts.panels, parts.over, parts.style):
        assert not re.search(r"\b(src|href)=|url\(|@import", text)
    assert 'data-panel="raster"' in parts.panels
    assert 'id="theme"' in parts.buttons


def test_what_a_file_plays_is_the_run_of_the_stimulus():
    spec = load_spec(shipped("cartpole"))
    stimulus, program = default_stimulus(spec, 8.0), build_program(spec)
    found = page_file.embedded(RecordedRun({}, stimulus.log, spec), "</script>", more=1)
    scene, frames = json.loads(found.scene), frames_of(found.record)
    assert "<" not in found.scene
    assert (scene["title"], scene["more"], scene["kind"], scene["note"]) == ("</script>", 1, "record", "")
    assert len(frames) >= LEAST_FRAMES
    controller = Controller(program)
    recorder = ActivityRecorder(controller.bound)
    controller.observers += (recorder,)
    for observation in stimulus.log.observations():
        controller.step(observation)
    recorded = recorder.arrays()
    assert len(recorded["spike_step"]) > 1000
    for key in ("command", "spike_neuron", "spike_population", "fault"):
        np.testing.assert_array_equal(
            np.concatenate([a[key] for _, a in frames]), recorded[key].astype(frames[0][1][key].dtype)
        )
    steps = np.concatenate([a["first_step"][0] + a["spike_step"] for _, a in frames])
    np.testing.assert_array_equal(steps, recorded["spike_step"])
    assert found == page_file.embedded(RecordedRun({}, stimulus.log, spec), "</script>", more=1)


def test_of_a_large_run_a_file_has_the_newest_part_and_all_weights(learns, monkeypatch):
    whole = page_file.embedded(run_of(learns, 4.0), "")
    monkeypatch.setattr(page_file, "MOST", len(whole.record) // 3)
    part = page_file.embedded(run_of(learns, 4.0), "")
    assert len(whole.record) // 6 < len(part.record) <= len(whole.record) // 3
    (first, arrays), *_ = kept = frames_of(part.record)
    all_of_it = frames_of(whole.record)
    assert [header["t"] for header, _ in kept] == [header["t"] for header, _ in all_of_it][-len(kept) :]
    scene = json.loads(part.scene)
    assert scene["from"] == pytest.approx(first["t"] - first["ticks"] * 0.005)
    assert scene["note"] == f"this page holds the last {4 - scene['from']:.1f} s of 4.0 s"
    newest = [one["weights.0"] for header, one in all_of_it if header["t"] <= first["t"] and "weights.0" in one][-1]
    np.testing.assert_array_equal(arrays["weights.0"], newest)
    assert [one["key"] for one in first["weights"]] == ["weights.0"]


def test_membranes_of_large_populations_are_left_out_first(learns):
    run = run_of(learns, 1.0)
    every = RecordRun(run, "")
    few = RecordRun(run, "", membranes=4 * 3 * (len(page_file._frames(every.data)) + 1))
    for source, names in ((every, {"membrane.a", "membrane.x"}), (few, {"membrane.a"})):
        header, arrays = protocol.decode(page_file._frames(source.data)[0])
        assert {name for name in arrays if name.startswith("membrane.")} == names
        assert "sent" not in header


def test_what_teaches_and_what_stops_leads_to_its_target(learns):
    edges = json.loads(page_file.embedded(run_of(learns, 0.1), "").scene)["edges"]
    signals = {(edge["pre"], edge["post"]): edge["signal"] for edge in edges}
    assert signals == {("x", "a"): "", ("wrong", "a"): "error", ("a", "> u"): "", ("stop", "> u"): "stops"}


def test_a_file_plays_in_a_browser_and_is_printed(learns, tmp_path, browser):
    curve = {"steps": [1, 2], "score": [0, 1], "worst": [-1, 0], "spikes": [9, 8]}
    live = page_file.embedded(run_of(learns, 1.0), "run", training=curve)
    spikes = sum(len(arrays["spike_step"]) for _, arrays in frames_of(live.record))
    file = tmp_path / "run.html"
    file.write_text(Page("run", [], [], [], [], live=live).html(), encoding="utf-8")
    with opened(browser, file.as_uri()) as page:
        until(page, f"s.spikes === {spikes} && s.tick === 200")
        assert page.locator("#player output").inner_text() == "1.00 of 1.00 s"
        assert page.locator('[data-panel="look"] h2').inner_text() == "Membranes of a"
        assert page.locator('[data-panel="training"]').is_visible()
        assert page.locator('[data-panel="controls"]').is_hidden()
        page.keyboard.press("Home")  # scrolls the page
        page.locator('[data-panel="raster"] canvas').hover()
        assert page.locator("#player output").inner_text() == "1.00 of 1.00 s"
        page.keyboard.press("Home")
        until(page, "s.tick === 1")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        until(page, "s.tick === 2")
        assert page.pdf().startswith(b"%PDF")
        until(page, "!document.documentElement.classList.contains('printing')")
