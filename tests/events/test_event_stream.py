"""Event Stream files (.es)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.events import open_recording
from snn_control.events.files import event_stream as module
from tests.events.other_files import event_stream
from tests.events.recordings import same, some_events, told


@pytest.mark.parametrize("atis", [False, True], ids=["dvs", "atis"])
@pytest.mark.parametrize("step", [1, 50, 5000])
def test_events_come_back_over_blocks(tmp_path, monkeypatch, atis, step):
    monkeypatch.setattr(module, "BLOCK", 1001)  # bytes, so that events lie across blocks
    events, path = some_events(3000, step=step + 1), tmp_path / "a.bin"
    path.write_bytes(event_stream(events, atis))
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert (recording.encoding, recording.unit, recording.width, recording.height) == ("es", "us", 640, 480)
    assert ("ATIS" in recording.layout) == atis
    assert told(recording) == {}
    assert same(recording.read(), events)


def test_a_cut_and_a_frame(tmp_path):
    events, path = some_events(100), tmp_path / "a.es"
    path.write_bytes(event_stream(events)[:-3])
    recording = open_recording(path, width=320, height=480)
    read = recording.read()
    assert same(read, events[:99][events.x[:99] < 320])
    assert told(recording) == {"truncated": 1, "partial_bytes": 2, "out_of_frame": 99 - len(read)}


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (b"Event Stream\x02\x00\x00\x00", "of generic events; DVS and ATIS are read"),
        (b"Event Stream\x02\x00\x00\x04\x00\x01\x00\x01", "of colour events"),
        (b"Event Stream\x02\x00\x00\x09\x00\x01\x00\x01", r"of unknown \(type 9\) events"),
        (b"Event Stream\x01\x02\x00\x01\x00\x01\x00\x01", "of version 1.2.0; version 2 is read"),
        (b"Event Stream\x02\x00\x00\x01\x00\x01", "ends at byte 18, within the header"),
        (b"Event Stream\x02", "ends at byte 13, within the header"),
    ],
)
def test_others_are_refused_by_name(tmp_path, header, rule):
    path = tmp_path / "a.es"
    path.write_bytes(header)
    with pytest.raises(DescriptionError, match=rule):
        open_recording(path)


# --- other programs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("atis", [False, True], ids=["dvs", "atis"])
def test_faery_reads_the_same(tmp_path, atis):
    faery = pytest.importorskip("faery", reason="compares with faery: pip install '.[decoders]'")
    path = tmp_path / "a.es"
    path.write_bytes(event_stream(some_events(20_000, step=300), atis))
    ours, theirs = open_recording(path).read(), faery.events_stream_from_file(path).to_array()
    assert all(np.array_equal(theirs[name], getattr(ours, name)) for name in "txyp")


def test_a_file_that_faery_writes(tmp_path):
    faery = pytest.importorskip("faery", reason="compares with faery: pip install '.[decoders]'")
    events, path = some_events(20_000, step=300), tmp_path / "a.es"
    rows = np.zeros(len(events), faery.EVENTS_DTYPE)
    for name in "txyp":
        rows[name] = getattr(events, name)
    faery.events_stream_from_array(rows, dimensions=(640, 480)).to_file(path)
    assert same(open_recording(path).read(), replace(events, t=events.t - events.t[0]))


def test_without_a_height_the_rows_are_not_known(tmp_path):
    """They count from below, so they need the height: of the header or of the caller."""
    events, path = some_events(3000), tmp_path / "a.es"
    data = bytearray(event_stream(events))
    data[16:20] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(DescriptionError, match="states a height of 0 pixels, but its rows count from below; give --w"):
        open_recording(path)
    assert same(open_recording(path, width=640, height=480).read(), events)
