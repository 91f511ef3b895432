"""`snn_control events convert` between all kinds of files: every event is kept, or the command says what is not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from snn_control.cli import main
from snn_control.errors import InputError
from snn_control.events import Events, open_recording
from snn_control.events.writing import SUFFIXES, write_npz
from snn_control.events.writing_hdf5 import write_hdf5
from tests.events.ecf_encoder import write_metavision
from tests.events.other_files import aedat2, aedat3, bag1_of_events, event_stream, write_dsec, write_mvsec
from tests.events.recordings import same, some_events, told

pytest.importorskip("h5py", reason="needs h5py: pip install '.[hdf5]'")
pytest.importorskip("hdf5plugin", reason="needs hdf5plugin: pip install '.[hdf5]'")
pytest.importorskip("mcap", reason="needs mcap: pip install '.[events]'")

SMALL = replace(some_events(2000), x=some_events(2000).x % 240, y=some_events(2000).y % 180, width=240, height=180)


def call(capsys, *arguments):
    code = main(["events", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def numbers(capsys, *arguments):
    code, out, err = call(capsys, "info", *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


#: formats of other programs -> a function that writes SMALL, and options
SOURCES = {
    "es": lambda path: path.write_bytes(event_stream(SMALL)),
    "aedat2": lambda path: path.write_bytes(aedat2(SMALL, "DAVIS240C")),
    "aedat3": lambda path: path.write_bytes(aedat3(SMALL)),
    "metavision": lambda path: write_metavision(path, SMALL, 500),
    "dsec": lambda path: write_dsec(path, SMALL, 0),
    "mvsec": lambda path: write_mvsec(path, SMALL, SMALL[:5]),
    "ros1": lambda path: path.write_bytes(bag1_of_events(SMALL)),
}
OPTIONS = {"mvsec": ["--stream", "left"]}


@pytest.mark.parametrize("name", SOURCES)
def test_from_every_format_through_every_kind_and_back(capsys, tmp_path, name):
    """RAW -> MCAP -> HDF5 -> npz -> text -> csv -> RAW: each has all events of the first."""
    path = tmp_path / "source"
    SOURCES[name](path)
    options = [*OPTIONS.get(name, []), "--width", 240, "--height", 180]
    for k, suffix in enumerate([".raw", ".mcap", ".h5", ".npz", ".txt", ".csv", ".raw"]):
        out = tmp_path / f"{k}{suffix}"
        code, text, err = call(capsys, "convert", path, out, *(options if k == 0 else []))
        assert (code, err) == (0, ""), suffix
        assert "2,000 events" in text
        assert ("not in it: 2 external triggers" in text) == (name == "metavision" and k == 0)
        path = out
        recording = open_recording(path)
        assert same(replace(recording.read(), t=recording.read().ns // 1000), SMALL), suffix
        assert (recording.width, recording.height, told(recording)) == (240, 180, {}), suffix
        found = numbers(capsys, path)
        assert found["events"] == 2000
        assert (found["layout"] is None) == (suffix in (".raw", ".mcap"))


def test_the_layout_of_dsec_is_that_of_its_tools(tmp_path):
    """What the reader of the data set relies on: t_offset, and ms_to_idx in its definition."""
    import h5py

    gap = np.where(np.arange(3000) > 1500, 3_000_000, 0)  # us
    events = replace(some_events(3000), t=some_events(3000).t + 77_777 + gap)
    path = tmp_path / "a.h5"
    assert write_hdf5(path, lambda: [events[:700], events[700:701], events[701:]], 640, 480) == 3000
    with h5py.File(path) as file:
        t, index, offset = file["events/t"][:], file["ms_to_idx"][:], int(file["t_offset"][()])
        assert {name: file[f"events/{name}"].dtype.str for name in "txyp"} == {
            "t": "<u4", "x": "<u2", "y": "<u2", "p": "|u1",
        }  # fmt: skip
        assert file["events/t"].id.get_create_plist().get_filter(0)[0] == 32001
    assert np.array_equal(t + offset, events.t)
    assert len(index) == t[-1] // 1000 + 1
    assert np.array_equal(index, np.searchsorted(t, 1000 * np.arange(len(index))))


def test_long_recordings_and_what_the_layout_of_dsec_cannot_keep(tmp_path, capsys):
    events = Events(np.array([-5, 10, 1 << 33]), *np.ones((2, 3), np.uint16), np.ones(3, np.uint8), "us")
    path = tmp_path / "a.h5"
    assert write_hdf5(path, lambda: [events], None, None) == 3
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert recording.width is None
    for wrong, rule in (
        (replace(events, t=events.t[::-1].copy()), "needs times in order"),
        (replace(events, t=events.t + 1, unit="ns"), "carries whole us"),
        (replace(events, t=events.t << 20), "has an entry for each ms"),
    ):
        with pytest.raises(InputError, match=rule):
            write_hdf5(path, lambda: [wrong], None, None)  # noqa: B023
    assert same(open_recording(path).read(), events)  # as it was
    write_npz(tmp_path / "ns.npz", lambda: [replace(some_events(100), unit="ns")], "ns", 640, 480)
    code, _, err = call(capsys, "convert", tmp_path / "ns.npz", tmp_path / "b.h5")
    assert code == 2
    assert "give --round, or write .mcap or .npz, which carry every recording" in err
    assert call(capsys, "convert", tmp_path / "ns.npz", tmp_path / "b.h5", "--round")[0] == 0


def test_a_recording_without_events(capsys, tmp_path):
    (tmp_path / "a.raw").write_bytes(b"% evt 3.0\n% geometry 640x480\n% end\n")
    for suffix in SUFFIXES:
        out = tmp_path / f"b{suffix}"
        assert call(capsys, "convert", tmp_path / "a.raw", out)[0] == 0, suffix
        if suffix != ".mcap":  # which then has no message that states a size
            assert len(open_recording(out).read()) == 0, suffix


def test_an_unknown_kind_is_refused(capsys, tmp_path):
    (tmp_path / "a.raw").write_bytes(b"% evt 3.0\n")
    code, _, err = call(capsys, "convert", tmp_path / "a.raw", tmp_path / "a.dat")
    assert code == 2
    assert "must end with .raw, .mcap, .h5, .hdf5, .npz, .txt or .csv" in err


def test_columns_and_streams_in_the_other_commands(capsys, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{y},{x},{p},{t}\n" for t, x, y, p in zip(SMALL.t, SMALL.x, SMALL.y, SMALL.p)))
    found = numbers(capsys, path, "--columns", "y,x,p,t")
    assert (found["digest"], found["layout"]) == (SMALL.digest(), "text, y x p t, times in us")
    code, out, _ = call(capsys, "info", path, "--columns", "y,x,p,t[ns]")
    assert code == 0
    assert "text, y x p t[ns], times in ns" in out
    environment = pytest.importorskip("sim_worlds.replay").EventReplayEnv(path=str(path), columns="y,x,p,t")
    observation, _ = environment.reset()
    assert int(observation["camera_count"][0]) == np.count_nonzero(SMALL.t - SMALL.t[0] < 1000)
