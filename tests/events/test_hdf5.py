"""HDF5: the layouts of data sets, simulators and Metavision, the filters, damage."""

from __future__ import annotations

import resource
from dataclasses import replace

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.events import Events, open_recording
from snn_control.events.files import hdf5 as module
from tests.events.ecf_encoder import RECORD, write_metavision
from tests.events.other_files import write_dsec, write_mvsec
from tests.events.recordings import same, some_events, told

h5py = pytest.importorskip("h5py", reason="needs h5py: pip install '.[hdf5]'")
EVENTS = some_events(30_000)
OFFSET = 49_000_000_000


def plugin():
    return pytest.importorskip("hdf5plugin", reason="needs hdf5plugin: pip install '.[hdf5]'")


def after(events, offset=OFFSET):
    return replace(events, t=events.t + offset)


# --- layouts -----------------------------------------------------------------------------------------


def test_dsec_as_it_is_published(tmp_path, monkeypatch):
    """Blosc with Zstandard and bits shuffled; the time counts from t_offset."""
    monkeypatch.setattr(module, "STEP", 5000)
    blosc = plugin().Blosc(cname="zstd", clevel=1, shuffle=2)
    path = tmp_path / "a.bin"
    write_dsec(path, EVENTS, chunks=(1009,), **blosc)
    recording = open_recording(path)
    assert same(recording.read(), after(EVENTS))
    assert (recording.encoding, recording.unit, recording.topic) == ("hdf5", "us", "events")
    assert recording.layout == "HDF5, columns, times in us"
    assert (recording.width, recording.height, told(recording)) == (None, None, {})
    assert same(Events.concatenate(recording.chunks()), after(EVENTS))


@pytest.mark.parametrize("how", [{}, {"chunks": (1000, 4)}, {"chunks": (1000, 3), "compression": "gzip"}], ids=str)
def test_mvsec(tmp_path, how):
    path, right = tmp_path / "a.hdf5", some_events(2000, 2)
    write_mvsec(path, after(EVENTS, 1_504_645_177_423_970), right, **how)
    with pytest.raises(DescriptionError, match=r"davis/left/events, davis/right/events; choose one with --stream"):
        open_recording(path)
    recording = open_recording(path, topic="left")
    assert same(recording.read(), after(EVENTS, 1_504_645_177_423_970))
    assert recording.layout == "HDF5, table x y t p, times in s"
    assert recording.topic == "davis/left/events"
    assert same(open_recording(path, topic="davis/right/events").read(), right)
    for wrong, rule in (("davis", "several such streams"), ("middle", "no such stream of events: davis/left")):
        with pytest.raises(DescriptionError, match=rule):
            open_recording(path, topic=wrong)


def test_v2e_m3ed_esim_and_others(tmp_path):
    path = tmp_path / "v2e.h5"
    columns = {name: getattr(EVENTS, name) for name in "txyp"}
    with h5py.File(path, "w") as file:
        file["events"] = np.stack([columns[name].astype("u4") for name in "txyp"], axis=1)
    assert same(open_recording(path).read(), EVENTS)
    path = tmp_path / "m3ed.h5"
    with h5py.File(path, "w") as file:
        for side in ("left", "right"):
            group = file.create_group(f"prophesee/{side}")
            for name, column in columns.items():
                group[name] = column[: None if side == "left" else 5]
            group["ms_map_idx"] = np.arange(5)
            group["calib/resolution"] = [1280, 720]
        file["ovc/ts"] = np.arange(4)
    recording = open_recording(path, topic="left")
    assert same(recording.read(), EVENTS)
    assert (recording.width, recording.height) == (1280, 720)
    assert len(open_recording(path, topic="right").read()) == 5
    path = tmp_path / "esim.h5"  # and those of E2VID's tools
    with h5py.File(path, "w") as file:
        for name, column in (("xs", EVENTS.x), ("ys", EVENTS.y), ("ts", EVENTS.t * 1e-6), ("ps", EVENTS.p > 0)):
            file[f"events/{name}"] = column
        file["images/image000"] = np.zeros((4, 5), "u1")
        file.attrs["sensor_resolution"] = np.array([480, 640])
    recording = open_recording(path)
    assert same(recording.read(), EVENTS)
    assert (recording.width, recording.height, recording.layout) == (640, 480, "HDF5, columns, times in s")


@pytest.mark.parametrize("how", [{}, {"chunks": (1000,), "compression": "lzf"}], ids=str)
def test_records_of_tonic(tmp_path, how):
    rows = np.zeros(len(EVENTS), [("x", "<i2"), ("y", "<i2"), ("t", ">i8"), ("p", "?")])
    for name in "txyp":
        rows[name] = getattr(EVENTS, name)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data/0", data=rows, **how)
        file["target/0"] = 3
    recording = open_recording(tmp_path / "a.h5")
    assert same(recording.read(), EVENTS)
    assert (recording.layout, recording.topic) == ("HDF5, records, times in us", "data/0")


@pytest.mark.parametrize("size", [7, 1000, 16384])
def test_metavision(tmp_path, size):
    t = np.concatenate([EVENTS.t, EVENTS.t[-1] + np.cumsum(np.tile([0, 0, 14, 15, 16, 10**6, 2**40], 30))])
    n = len(t)
    rows = np.arange(n) // 40 % 480
    columns = np.where(np.arange(n) % 3, np.arange(n) % 640, 7 * np.arange(n) % 640)
    signs = np.arange(n) // 130 % 2
    events = Events(t, columns.astype(np.uint16), rows.astype(np.uint16), signs.astype(np.uint8), "us", 640, 480)
    write_metavision(tmp_path / "a.hdf5", events, size)
    recording = open_recording(tmp_path / "a.hdf5")
    assert same(recording.read(), events)
    assert (recording.layout, recording.topic) == ("HDF5, records, ECF, times in us", "CD/events")
    assert (recording.width, recording.height) == (640, 480)
    assert recording.triggers.tolist() == [[5, 3, 1], [9, 3, 0]]
    assert told(recording) == {"triggers": 2}


# --- filters -----------------------------------------------------------------------------------------

FILTERS = {
    "gzip": lambda: {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": lambda: {"compression": "lzf", "shuffle": True},
    "LZ4": lambda: {**plugin().LZ4()},
    "Zstandard": lambda: {**plugin().Zstd()},
    "bitshuffle": lambda: {**plugin().Bitshuffle()},
    "Blosc, its own codec": lambda: {**plugin().Blosc(cname="blosclz", clevel=5, shuffle=1)},
    "Blosc, LZ4": lambda: {**plugin().Blosc(cname="lz4", clevel=5, shuffle=0)},
    "Blosc, zlib": lambda: {**plugin().Blosc(cname="zlib", clevel=5, shuffle=2)},
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_of_the_library(tmp_path, name):
    path = tmp_path / "a.h5"
    write_dsec(path, EVENTS, chunks=(1003,), **FILTERS[name]())
    recording = open_recording(path)
    assert same(recording.read(), after(EVENTS))
    assert told(recording) == {}


def test_a_filter_that_is_not_known_and_others_that_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    write_dsec(path, EVENTS[:100], chunks=(10,), scaleoffset=0)
    with pytest.raises(DescriptionError, match=r"compressed with the HDF5 filters 6, which are not read"):
        open_recording(path)
    with h5py.File(path, "w") as file:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (9,), "u2", external=[("/etc/hostname", 0, 18)])
    with pytest.raises(DescriptionError, match="in other files, which are not read"):
        open_recording(path)
    with h5py.File(path, "w") as file:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (10,), "u2", chunks=(1 << 26,), maxshape=(None,))
    with pytest.raises(DescriptionError, match=r"chunks of together 536,870,912 bytes in events; at most 16,777"):
        open_recording(path)
    with h5py.File(path, "w") as file:
        file["poses"] = np.zeros((9, 6))
    with pytest.raises(DescriptionError, match="is an HDF5 file without events"):
        open_recording(path)


# --- damage ------------------------------------------------------------------------------------------


def test_a_file_that_was_cut_is_read_up_to_the_first_missing_chunk(tmp_path):
    new = {"chunks": (1000,), "maxshape": (None,), **plugin().Blosc(cname="zstd", clevel=1, shuffle=2)}
    path, kinds = tmp_path / "a.h5", dict(zip("txyp", ("u4", "u2", "u2", "u1")))
    with h5py.File(path, "w") as file:  # as a program writes while it records: all columns grow together
        columns = {name: file.create_dataset(f"events/{name}", (30_000,), kind, **new) for name, kind in kinds.items()}
        for k in range(0, 30_000, 1000):
            for name, column in columns.items():
                column[k : k + 1000] = getattr(EVENTS, name)[k : k + 1000]
            file.flush()
    raw = path.read_bytes()
    path.write_bytes(raw[: int(0.6 * len(raw))])
    recording = open_recording(path)
    read = recording.read()
    assert 10_000 < len(read) < 20_000
    assert same(read, EVENTS[: len(read)])
    assert told(recording) == {"truncated": 1}
    path.write_bytes(raw[:1000])
    with pytest.raises(DescriptionError, match=r"is a damaged HDF5 file: .*truncated file"):
        open_recording(path)


@pytest.mark.parametrize("kind", ["blosc", "gzip", "ecf"])
def test_a_damaged_chunk_ends_the_events(tmp_path, kind):
    path = tmp_path / "a.h5"
    if kind == "ecf":
        write_metavision(path, EVENTS, 1000)
    else:
        how = {"compression": "gzip"} if kind == "gzip" else {**plugin().Blosc(cname="zstd", shuffle=2)}
        write_dsec(path, EVENTS, 0, chunks=(1000,), **how)
    with h5py.File(path) as file:
        place = file["CD/events" if kind == "ecf" else "events/x"].id.get_chunk_info_by_coord((17_000,))
    data = bytearray(path.read_bytes())
    data[place.byte_offset : place.byte_offset + 20] = b"\xff" * 20
    path.write_bytes(data)
    recording = open_recording(path)
    assert same(recording.read(), EVENTS[:17_000])
    assert {key: n for key, n in told(recording).items() if key != "triggers"} == {"malformed": 1, "truncated": 1}


def test_a_promise_of_rows_that_are_not_there(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name in "txyp":
            column = file.create_dataset(f"events/{name}", (10**15,), "u4", chunks=(1000,))
            column[:2000] = np.arange(2000) % 2
    recording = open_recording(path)
    assert len(recording.read()) == 2000
    assert told(recording) == {"truncated": 1}


@pytest.mark.parametrize("name", ["gzip", "Blosc", "Zstd", "LZ4", "Bitshuffle", "lzf", "ecf"])
def test_chunks_that_unpack_to_more_than_they_should_are_damaged(tmp_path, name):
    import zlib

    path = tmp_path / "a.h5"
    how = {"compression": name} if name in ("gzip", "lzf") else {}
    if name in ("Blosc", "Zstd", "LZ4", "Bitshuffle"):
        how = dict(getattr(plugin(), name)())
    if name not in ("gzip", "ecf"):
        with h5py.File(path, "w") as file:
            big = file.create_dataset("big", data=np.zeros(1 << 28, "u1"), chunks=(1 << 28,), **how)
            bomb = big.id.read_direct_chunk((0,))[1]
    elif name == "gzip":
        packer = zlib.compressobj()
        bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    else:
        bomb = (0xFFFFFFFC).to_bytes(4, "little") + bytes(8) + b"\x0f\xff\xff" * 100
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with h5py.File(path, "w") as file:
        if name == "ecf":
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((1000,))
            plist.set_filter(0x8ECF, h5py.h5z.FLAG_OPTIONAL, ())
            group, space = file.create_group("CD"), h5py.h5s.create_simple((1000,))
            h5py.h5d.create(group.id, b"events", h5py.h5t.py_create(RECORD), space, plist).write_direct_chunk(
                (0,), bomb
            )
        else:
            for column in "txyp":
                dataset = file.create_dataset(f"events/{column}", (1000,), "u4", chunks=(1000,), **how)
                dataset.id.write_direct_chunk((0,), bomb)
    recording = open_recording(path)
    assert len(recording.read()) == 0
    assert told(recording) == {"malformed": 1, "truncated": 1}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 16  # KiB


def test_without_the_library(tmp_path, monkeypatch, capsys):
    import sys

    from snn_control.cli import main

    write_dsec(tmp_path / "a.h5", EVENTS[:10])
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert main(["events", "info", str(tmp_path / "a.h5")]) == 2
    assert "HDF5 needs h5py: pip install '.[hdf5]'" in capsys.readouterr().err


@pytest.mark.parametrize("chunks", [(1 << 22, 4), (1, 1 << 24)], ids=str)
def test_chunks_of_a_table_count_with_their_width(tmp_path, chunks):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("events", (800, 4), "u4", chunks=chunks, maxshape=(None, None))
    with pytest.raises(DescriptionError, match=r"has chunks of together 67,108,864 bytes in events; at most 16,777"):
        open_recording(tmp_path / "a.h5")


def test_triggers_in_a_chunk_that_is_too_large_are_counted_as_damage(tmp_path):
    path = tmp_path / "a.h5"
    write_metavision(path, EVENTS, 1000)
    with h5py.File(path, "r+") as file:
        kind = file["EXT_TRIGGER/events"].dtype
        del file["EXT_TRIGGER/events"]
        file.create_dataset("EXT_TRIGGER/events", (1 << 28,), kind, chunks=(1 << 25,), compression="gzip")[:3] = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    recording = open_recording(path)
    assert same(recording.read(), EVENTS)
    assert told(recording) == {"malformed": 1}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 16  # KiB


def test_other_files_are_not_read(tmp_path):
    """Neither through external links, nor through datasets that are stored in other files."""
    path = tmp_path / "a.h5"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["t_offset"], file["width"], file["height"] = 5_000_000, 12, 34
        file["calib/resolution"] = [12, 34]
        file["rows"] = np.zeros(3, [("t", "i8"), ("id", "i2"), ("p", "i2")])
    write_dsec(path, EVENTS, 0)
    with h5py.File(path, "r+") as file:
        del file["t_offset"]
        for name in ("t_offset", "width", "height"):
            file[name] = h5py.ExternalLink("other.h5", name)
        file["events/width"] = h5py.SoftLink("/width")
        file["events/height"] = h5py.SoftLink("/height")
        file["calib"] = h5py.ExternalLink("other.h5", "calib")
    recording = open_recording(path)
    assert same(recording.read(), EVENTS)
    assert (recording.width, recording.height) == (None, None)
    path = tmp_path / "b.h5"
    write_dsec(path, EVENTS, 0)
    with h5py.File(path, "r+") as file:
        del file["t_offset"]
        layout = h5py.VirtualLayout((1,), "i8")
        layout[:] = h5py.VirtualSource("other.h5", "t_offset", (1,))
        file.create_virtual_dataset("t_offset", layout)
        for name in ("width", "height"):
            file.create_dataset(name, (1,), "u1", external=[(str(tmp_path / "other.h5"), 0, 1)])
    recording = open_recording(path)
    assert same(recording.read(), EVENTS)
    assert (recording.width, recording.height) == (None, None)
    path = tmp_path / "c.h5"
    write_metavision(path, EVENTS, 1000)
    with h5py.File(path, "r+") as file:
        del file["EXT_TRIGGER"]
        file["EXT_TRIGGER/events"] = h5py.ExternalLink("other.h5", "rows")
    recording = open_recording(path)
    recording.read()
    assert told(recording) == {}


@pytest.mark.parametrize("offset", [2**63 - 5000, 2**62, -(2**62), 2**64 - 1], ids=str)
def test_an_offset_beyond_what_a_time_can_be(tmp_path, offset):
    write_dsec(tmp_path / "a.h5", EVENTS[:10])
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["t_offset"]
        file["t_offset"] = np.uint64(offset) if offset > 2**63 else np.int64(offset)
    with pytest.raises(DescriptionError, match=r"has the time offset /t_offset = -?[\d,]+ us, over 146 years"):
        open_recording(tmp_path / "a.h5")


def test_times_are_limited_after_the_offset(tmp_path):
    from snn_control.events.columns import FURTHEST

    most = FURTHEST // 1000
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, column in (("t", np.array([-1, 0, 1, most], np.int64)), *((c, np.zeros(4, "u2")) for c in "xyp")):
            file[f"events/{name}"] = column
        file["t_offset"] = most
    recording = open_recording(tmp_path / "a.h5")
    assert recording.read().t.tolist() == [most - 1, most]
    assert told(recording) == {"malformed": 2}
