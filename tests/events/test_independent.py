"""Our reader and writers against other implementations, where those are installed (extra `decoders`) and right."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from snn_control.events import Events, open_recording
from snn_control.events.writing import write_mcap, write_raw
from snn_control.events.writing_text import write_text
from tests.events.recordings import packets, same, some_events, write_bag
from tests.fixtures import fixture


def evutils():
    return pytest.importorskip("evutils.io", reason="compares with evutils: pip install '.[decoders]'")


def read_with_evutils(path):
    """All events of a file."""
    with evutils().EventReader(str(path)) as reader:
        events = reader.read_all()
    columns = (np.asarray(getattr(events, c)) for c in "txyp")
    t, x, y, p = columns
    return Events(t.astype(np.int64), x.astype(np.uint16), y.astype(np.uint16), (p > 0).astype(np.uint8))


def test_a_recorded_evt2_file_read_with_evutils():
    path = fixture("recordings/expelliarmus_evt2_sample.raw")
    assert same(open_recording(path).read(), read_with_evutils(path))


@pytest.mark.parametrize("kind", ["evt2", "evt21", "evt3", "dat"])
def test_files_that_evutils_writes(tmp_path, kind):
    module = evutils()
    from evutils.types import EventArray

    events = some_events(50_000)
    path = tmp_path / ("a.dat" if kind == "dat" else "a.raw")
    more = {} if kind == "dat" else {"format": kind}
    with module.EventWriter(str(path), width=640, height=480, **more) as writer:
        writer.write(EventArray(t=events.t, x=events.x, y=events.y, p=events.p))
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert (recording.width, recording.height) == (640, 480)


@pytest.mark.parametrize("encoding", ["evt3", "evt2"])
def test_raw_files_of_ours_read_with_evutils(tmp_path, encoding):
    evutils()
    events, path = some_events(50_000), tmp_path / "a.raw"
    write_raw(path, lambda: [events[:20_000], events[20_000:]], 640, 480, encoding)
    assert same(read_with_evutils(path), events)


def test_a_recorded_aedat4_file_read_with_dv_processing():
    dv = pytest.importorskip("dv_processing", reason="compares with dv-processing: pip install '.[decoders]'")
    path = fixture("recordings/tonic_sample.aedat4")
    reader, parts = dv.io.MonoCameraRecording(str(path)), []
    while (batch := reader.getNextEventBatch()) is not None:
        parts.append(batch.numpy())
    rows, ours = np.concatenate(parts), open_recording(path).read()
    assert len(rows) == len(ours)
    for name, column in zip(("timestamp", "x", "y", "polarity"), (ours.t, ours.x, ours.y, ours.p)):
        assert np.array_equal(rows[name], column), name


def rosbags_messages(path):
    """Log time and bytes of every message of an .mcap file."""
    storage = pytest.importorskip("rosbags.rosbag2.storage_mcap", reason="needs rosbags: pip install '.[decoders]'")
    reader = storage.McapReader(path)
    reader.open()
    try:
        return [(log, bytes(data)) for _, log, data in reader.messages(reader.connections)]
    finally:
        reader.close()


def test_the_messages_of_a_recorded_mcap_read_with_rosbags():
    path = fixture("recordings/ecpy_test_events_2_0.mcap")
    assert [(log, data) for log, _, data in open_recording(path).packets()] == rosbags_messages(path)


@pytest.mark.parametrize("compression", ["zstd", "lz4", ""])
def test_the_messages_of_an_mcap_read_with_rosbags(tmp_path, compression):
    path = tmp_path / "a.mcap"
    rows = packets(some_events(5000))
    write_bag(path, {"/events": ("event_camera_msgs/msg/EventPacket", rows)}, compression, chunk=4096)
    assert [(log, data) for log, _, data in open_recording(path).packets()] == rosbags_messages(path) == rows


def test_a_bag_of_ours_read_with_rosbags(tmp_path):
    path = tmp_path / "a.mcap"
    write_mcap(path, lambda: [some_events(300)], 640, 480)
    ours = [(log, data) for log, _, data in open_recording(path).packets()]
    assert ours == rosbags_messages(path)
    assert len(ours) > 5


def test_the_messages_of_a_recorded_db3_are_those_that_sql_gives():
    path = fixture("recordings/libcaer_rollover_0.db3")
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as bag:
        rows = bag.execute("SELECT timestamp, data FROM messages ORDER BY timestamp").fetchall()
    assert [(log, data) for log, _, data in open_recording(path).packets()] == rows


@pytest.mark.parametrize("kind", ["evt2", "dat"])
def test_files_read_with_expelliarmus(tmp_path, kind):
    """Its EVT3 is left out, because its times of EVT3 are wrong."""
    wizard = pytest.importorskip("expelliarmus", reason="compares with expelliarmus: pip install '.[decoders]'").Wizard
    path = fixture("recordings/expelliarmus_evt2_sample.raw")
    events = open_recording(path).read()
    if kind == "dat":
        rows = wizard(encoding="evt2").read(str(path))
        path = tmp_path / "a.dat"
        wizard(encoding="dat").save(str(path), rows)
        assert same(open_recording(path).read(), events)
    theirs = wizard(encoding=kind).read(str(path))
    assert all(np.array_equal(theirs[name], getattr(events, name)) for name in "txyp")


@pytest.mark.parametrize("suffix", [".csv", ".raw", ".dat"])
def test_files_that_faery_writes(tmp_path, suffix):
    faery = pytest.importorskip("faery", reason="compares with faery: pip install '.[decoders]'")
    events, path = some_events(20_000), tmp_path / f"a{suffix}"
    rows = np.zeros(len(events), faery.EVENTS_DTYPE)
    for name in "txyp":
        rows[name] = getattr(events, name)
    faery.events_stream_from_array(rows, dimensions=(640, 480)).to_file(path, zero_t0=False)
    read = open_recording(path).read()
    assert same(replace(read, t=read.t - read.t[0]), replace(events, t=events.t - events.t[0]))


def test_text_and_csv_of_ours_read_with_faery(tmp_path):
    faery = pytest.importorskip("faery", reason="compares with faery: pip install '.[decoders]'")
    events, path = some_events(20_000), tmp_path / "a.csv"
    write_text(path, lambda: [events], "us", None, None)
    rows = faery.events_stream_from_file(path, dimensions_fallback=(640, 480)).to_array()
    assert all(np.array_equal(rows[name], getattr(events, name)) for name in "txyp")
