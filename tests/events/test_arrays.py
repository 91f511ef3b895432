"""NumPy's files of events: .npy, and .npz of other programs."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.events import open_recording
from snn_control.events.files import npz as module
from tests.events.recordings import same, some_events, told

EVENTS = some_events(3000)
TONIC = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
FAERY = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), (("p", "on"), "?")])
WIDE = np.dtype([("timestamp", "<f8"), ("x", "<f4"), ("y", "<f4"), ("polarity", "i1"), ("other", "<f8", 3)])


def records(dtype, scale=1):
    rows = np.zeros(len(EVENTS), dtype)
    fields = [name for name in dtype.names if name != "other"]
    for name in fields:
        column = name[0].replace("o", "p")
        rows[name] = getattr(EVENTS, column) * (scale if column == "t" else 1)
    return rows


def table(order, kind):
    return np.stack([getattr(EVENTS, column).astype(kind) for column in order], axis=1)


ARRAYS = {
    "Tonic's records": (records(TONIC), None, "records, times in us"),
    "faery's records": (records(FAERY), None, "records, times in us"),
    "records in seconds": (records(WIDE, 1e-6), None, "records, times in s"),
    "a table": (table("txyp", np.int64), None, "table t x y p"),
    "a table of floats": (table("xytp", np.float64), None, "table x y t p"),
    "a table in ms": (table("xypt", np.float64) * [1, 1, 1, 1e-3], "x,y,p,t[ms]", "table x y p t[ms], times in ms"),
}


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_other_programs(tmp_path, monkeypatch, name, suffix):
    monkeypatch.setattr(module, "STEP", 1000)
    rows, columns, found = ARRAYS[name]
    path = tmp_path / f"a.{suffix}"
    np.save(path, rows) if suffix == "npy" else np.savez_compressed(path, events=rows)
    path.rename(tmp_path / "a")  # the contents decide
    recording = open_recording(tmp_path / "a", columns=columns)
    assert same(recording.read(), EVENTS)
    assert (recording.encoding, recording.unit) == (suffix, "us")
    assert found in recording.layout
    assert told(recording) == {}
    assert same(recording.read(), EVENTS)


def test_columns_of_other_names_and_units(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, xs=EVENTS.x, ys=EVENTS.y, ts=EVENTS.t * 1e-6, ps=EVENTS.p * 2.0 - 1)
    assert same(open_recording(path).read(), EVENTS)
    np.savez(path, x=EVENTS.x, y=EVENTS.y, t=EVENTS.t * 1000, p=EVENTS.p, frames=np.zeros((3, 4, 4)))
    recording = open_recording(path, columns="t[ns],x,y,p")
    assert recording.unit == "ns"
    assert np.array_equal(recording.read().ns, EVENTS.ns)


def test_several_arrays(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, left=records(TONIC), right=records(TONIC)[:7])
    with pytest.raises(DescriptionError, match=r"several arrays, .*: left, right; name one with --stream"):
        open_recording(path)
    assert len(open_recording(path, topic="right").read()) == 7


def test_cut_and_hostile_npy(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, records(TONIC))
    raw = path.read_bytes()
    path.write_bytes(raw[:-40])
    recording = open_recording(path)
    assert same(recording.read(), EVENTS[:-4])
    assert told(recording) == {"truncated": 1}
    path.write_bytes(raw[:40])
    with pytest.raises(DescriptionError, match="has a damaged header"):
        open_recording(path)
    path.write_bytes(raw.replace(b"(3000,)", b"(9e3,) "))
    with pytest.raises(DescriptionError, match="has a damaged header"):
        open_recording(path)
    for wrong, rule in (
        (np.array([{}]), "Python objects"),
        (np.asfortranarray(table("txyp", int)), "columns one after another"),
        (np.zeros(5), r"must be records \(n,\) or numbers \(n, 4\)"),
        (np.zeros((5, 3)), "whose order of columns cannot be told; give --columns"),
        (np.zeros(5, [("a", "i4"), ("b", "i4")]), "an array with fields a, b; needed are t, x, y, p"),
    ):
        np.save(path, wrong, allow_pickle=True)
        with pytest.raises(DescriptionError, match=rule):
            open_recording(path)


def test_values_that_no_camera_has_are_left_out(tmp_path):
    rows = table("txyp", np.float64)[:100]
    rows[3, 0], rows[4, 0], rows[5, 1], rows[6, 2], rows[7, 0] = np.nan, np.inf, -1, 1e9, -1e300
    np.save(tmp_path / "a.npy", rows)
    recording = open_recording(tmp_path / "a.npy")
    assert same(recording.read(), EVENTS[np.r_[:3, 8:100]])
    assert told(recording) == {"malformed": 5}


def test_an_empty_array(tmp_path):
    for k, rows in enumerate((records(TONIC)[:0], table("txyp", int)[:0])):
        np.save(tmp_path / f"{k}.npy", rows)
        assert len(open_recording(tmp_path / f"{k}.npy").read()) == 0
