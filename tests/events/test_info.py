"""`snn_control events info` and `events convert` as a user calls them; the summary and the spool below them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from snn_control.cli import main
from snn_control.cli.events import faults
from snn_control.errors import InputError
from snn_control.events import Events, open_recording
from snn_control.events.codecs import codec
from snn_control.events.columns import Spool
from snn_control.events.packets import PACKET_TYPES
from snn_control.events.summary import summarize
from snn_control.events.writing import packets_of, write_mcap, write_npz, write_raw
from tests.events.recordings import TABLE, packets, same, some_events, told, write_bag, write_db3
from tests.fixtures import fixture

KEYS = "events on off triggers first_t last_t unit digest width height encoding layout counters".split()
COUNTERS = set("unknown_words wraps gaps glitches out_of_frame truncated jumps reordered malformed".split())


def call(capsys, *arguments):
    """Exit code, output and error output of a command."""
    code = main(["events", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def numbers(capsys, *arguments):
    code, out, err = call(capsys, "info", *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 3.0\n% end\n" + codec("evt3").encode(some_events()))
    return path


@pytest.mark.parametrize("name", TABLE)
def test_info_of_a_recorded_file(capsys, name):
    pytest.importorskip("mcap")
    pytest.importorskip("aedat")
    found = numbers(capsys, fixture(f"recordings/{name}"))
    assert list(found) == KEYS
    keys = ("encoding", "unit", "events", "first_t", "last_t", "digest", "width", "height")
    assert tuple(found[key] for key in keys) == TABLE[name]
    assert found["on"] + found["off"] == found["events"]
    assert found["triggers"] == (4157 if name == "ecpy_test_events_1.db3" else 0)
    if name == "ecpy_test_events_2_0.mcap":
        assert (found["off"], found["on"]) == (360223, 211043)
    assert COUNTERS <= set(found["counters"])


def test_info_without_a_size_and_with_one(capsys, raw):
    events = some_events()
    found = numbers(capsys, raw)
    assert (found["width"], found["height"], found["events"]) == (None, None, 1000)
    assert found["digest"] == events.digest()
    found = numbers(capsys, raw, "--width", 100, "--height", 480)
    assert (found["width"], found["height"]) == (100, 480)
    assert found["events"] == np.count_nonzero(events.x < 100)
    assert found["counters"]["out_of_frame"] == np.count_nonzero(events.x >= 100)


def test_info_of_a_recording_without_events(capsys, tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 3.0\n")
    found = numbers(capsys, path)
    assert (found["events"], found["first_t"], found["last_t"]) == (0, None, None)
    assert found["digest"] == Events().digest()
    assert call(capsys, "info", path)[0] == 0


def test_info_of_a_file_that_was_cut(capsys, tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 3.0\n% end\n" + codec("evt3").encode(some_events())[:-1])
    found = numbers(capsys, path)
    assert found["counters"]["truncated"] == 1
    code, out, _ = call(capsys, "info", path)
    assert code == 0
    assert "the file ends in the middle: it was read up to the cut" in " ".join(out.split())


def test_info_for_people_says_what_is_wrong(capsys, tmp_path):
    rows = packets(some_events())
    write_db3(tmp_path / "a.db3", {"/events": (PACKET_TYPES[0], [rows[k] for k in (0, 1, 5, 4)])})
    code, out, _ = call(capsys, "info", tmp_path / "a.db3")
    text = " ".join(out.split())
    assert code == 0
    for part in ("packets 4", "events 400", "3 packets missing", "1 packet repeated", "hottest pixels", "/events"):
        assert part in text


def test_info_of_what_is_no_recording(capsys, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("hello")
    for arguments in ((path,), (tmp_path,), (tmp_path / "none",), (path, "--width", 0), ()):
        code, out, err = call(capsys, "info", *arguments)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
    path.chmod(0)
    code, _, err = call(capsys, "info", path)
    assert code == 2
    assert err.count("\n") == 1


def test_a_library_that_is_missing_is_said_in_one_line(capsys, tmp_path, monkeypatch):
    (tmp_path / "a.aedat4").write_bytes(b"#!AER-DAT4.0\r\n")
    (tmp_path / "a.mcap").write_bytes(b"\x89MCAP0\r\n")
    for name, path in (("aedat", "a.aedat4"), ("mcap", "a.mcap")):
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, name, None)
        code, _, err = call(capsys, "info", tmp_path / path)
        assert code == 2
        assert f"needs {name}: pip install '.[events]'" in err


def test_a_summary_of_chunks_is_that_of_the_whole():
    events = some_events(5000)
    whole, parts = summarize([events], "us"), summarize([events[k : k + 7] for k in range(0, 5000, 7)], "us")
    for name in ("events", "on", "off", "first_t", "last_t", "digest", "duration", "mean_rate", "peak_rate"):
        assert getattr(whole, name) == getattr(parts, name), name
    assert whole.hottest(3) == parts.hottest(3)
    assert whole.digest == events.digest()
    assert whole.duration == pytest.approx((events.t[-1] - events.t[0]) * 1e-6)
    windows = np.bincount(events.t // 10_000)
    assert whole.peak_rate == windows.max() / 0.01
    x, y, n = whole.hottest(1)[0]
    assert n == np.count_nonzero((events.x == x) & (events.y == y)) >= 2


def test_pixels_of_a_frame_too_large_are_not_counted():
    corner = np.array([65535], np.uint16)
    summary = summarize([Events(np.array([1]), corner, corner, np.array([1], np.uint8))], "us")
    assert (summary.events, summary.hottest(5)) == (1, [])


def test_a_spool_beyond_its_memory(monkeypatch):
    monkeypatch.setattr("snn_control.events.columns.IN_MEMORY", 1000)
    events = some_events(10_000)
    chunks = [events[k : k + 999] for k in range(0, 10_000, 999)]
    with Spool() as spool:
        for chunk in chunks:
            spool.add(chunk)
        assert b"".join(spool.blocks("x")) == events.x.tobytes()
        assert b"".join(spool.blocks("t")) == events.t.tobytes()
        assert spool.count == 10_000
    assert summarize(chunks, "us").digest == events.digest()


# --- convert -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["raw", "mcap", "npz"])
def test_a_recording_comes_back_from_every_kind_of_file(capsys, tmp_path, raw, suffix):
    pytest.importorskip("mcap")
    out = tmp_path / f"out.{suffix}"
    code, text, _ = call(capsys, "convert", raw, out, "--width", 640, "--height", 480)
    assert code == 0
    assert "1,000 events" in text
    before, after = numbers(capsys, raw), numbers(capsys, out)
    for key in ("events", "on", "first_t", "last_t", "unit", "digest"):
        assert before[key] == after[key], key
    assert (after["width"], after["height"]) == (640, 480)
    assert not any(after["counters"].values())
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["a.raw", out.name])


def test_a_part_of_a_recording(capsys, tmp_path, raw):
    events, out = some_events(), tmp_path / "out.npz"
    assert call(capsys, "convert", raw, out, "--from", 0.005, "--to", 0.01)[0] == 0
    after = events.t - events.t[0]
    assert same(open_recording(out).read(), events[(after >= 5000) & (after < 10_000)])
    before = out.read_bytes()
    for part in (("--from", 1000), ("--from", 1, "--to", 0.5), ("--to", 0)):
        for suffix in ("npz", "mcap", "raw"):
            code, _, err = call(capsys, "convert", raw, tmp_path / f"none.{suffix}", *part)
            assert (code, err.count("\n")) == (2, 1)
        assert call(capsys, "convert", raw, out, *part, "--force")[0] == 2
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.raw", "out.npz"]


def test_a_file_is_replaced_only_with_force_and_never_by_half(capsys, tmp_path, raw):
    out = tmp_path / "out.raw"
    out.write_bytes(b"mine")
    code, _, err = call(capsys, "convert", raw, out)
    assert (code, out.read_bytes()) == (2, b"mine")
    assert "exists already; choose another name, or give --force" in err
    code, _, err = call(capsys, "convert", raw, tmp_path / "out.dat")
    assert code == 2
    assert "must end with .raw, .mcap, .h5, .hdf5, .npz, .txt or .csv" in err
    write_npz(
        tmp_path / "back.npz",
        lambda: [Events(np.array([9, 3]), *[np.zeros(2, d) for d in ("u2", "u2", "u1")])],
        "us",
        2,
        2,
    )
    code, _, err = call(capsys, "convert", tmp_path / "back.npz", out, "--force")  # EVT3 goes forward only
    assert (code, out.read_bytes()) == (2, b"mine")
    assert "order" in err
    assert "give --round, or write .mcap or .npz, which carry every recording" in err
    assert call(capsys, "convert", raw, out, "--force")[0] == 0
    assert len(open_recording(out).read()) == 1000


def test_convert_says_what_it_leaves_out(capsys, tmp_path):
    pytest.importorskip("mcap")
    out = tmp_path / "a.mcap"
    code, text, _ = call(capsys, "convert", fixture("recordings/ecpy_test_events_1.db3"), out)
    assert code == 0
    assert "343,474 events, evt3" in text
    assert "not in it: 4,157 external triggers" in text
    found = numbers(capsys, out)
    assert (found["digest"], found["triggers"]) == (TABLE["ecpy_test_events_1.db3"][5], 0)
    assert not any(found["counters"].values())


def test_whatever_is_wrong_is_said_by_every_command(capsys, tmp_path):
    """A cut file with events out of the frame: each command says both on the error stream, info in its table."""
    pytest.importorskip("matplotlib")
    cut = tmp_path / "cut.raw"
    cut.write_bytes(b"% evt 3.0\n% end\n" + codec("evt3").encode(some_events())[:-1])
    size = ("--width", 64, "--height", 48)
    outside = numbers(capsys, cut, *size)["counters"]["out_of_frame"]
    assert outside > 100
    commands = {
        "convert": (tmp_path / "out.npz", *size), "hot-pixels": size, "view": ("--out", tmp_path / "a.png", *size),
        "replay": ("--controller", "motion", "--out", tmp_path / "run", *size),
    }  # fmt: skip
    for command, more in commands.items():
        code, _, err = call(capsys, command, cut, *more)
        assert code == 0, err
        for line in ("the file ends in the middle", f"{outside:,} events outside the frame, and left out"):
            assert f"warning: {cut}: {line}" in err, command


def test_a_picture_of_a_sensor_of_unknown_size_says_that_it_is_guessed(capsys, tmp_path, raw):
    pytest.importorskip("matplotlib")
    code, out, err = call(capsys, "view", raw, "--out", tmp_path / "a.png")
    assert (code, "sensor 640 x 480" in out) == (0, True)
    assert "note: sensor 640x480: guessed from the coordinates" in err


def test_faults_in_one_and_in_many():
    assert faults({"gaps": 1, "malformed": 2, "wraps": 3, "triggers": 4, "unknown_words": 0}) == [
        "1 packet missing, according to their sequence numbers",
        "2 messages or chunks not valid, and skipped",
    ]
    assert faults({"truncated": 1, "out_of_frame": 12345, "lost": 1})[1:] == [
        "12,345 events outside the frame, and left out", "1 lost"]  # fmt: skip


@pytest.mark.parametrize("command", ["info", "view", "replay", "hot-pixels", "convert"])
def test_half_a_size_is_refused(capsys, tmp_path, raw, command):
    more = {"convert": [tmp_path / "b.npz"], "replay": ["--controller", "motion"]}.get(command, [])
    for side, other in (("--width", "--height"), ("--height", "--width")):
        code, _, err = call(capsys, command, raw, *more, side, 64)
        assert (code, err) == (2, f"snn_control: {side} = 64: says nothing without {other}; give both\n")


def test_convert_says_that_nobody_knows_the_size(capsys, tmp_path, raw):
    assert "not in it: the size of the sensor" in call(capsys, "convert", raw, tmp_path / "a2.raw")[1]
    sized = call(capsys, "convert", raw, tmp_path / "a3.raw", "--width", 640, "--height", 480)[1]
    assert "not in it" not in sized


def test_times_are_rounded_and_sorted_where_it_is_asked(capsys, tmp_path):
    t = np.array([1_000_400, 1_001_600, 1_000_700, 5_000_000])  # ns
    x = np.arange(4, dtype=np.uint16)
    write_npz(tmp_path / "ns.npz", lambda: [Events(t, x, x, np.zeros(4, np.uint8), "ns")], "ns", 64, 48)
    out = tmp_path / "out.raw"
    code, _, err = call(capsys, "convert", tmp_path / "ns.npz", out)
    assert (code, out.exists()) == (2, False)
    assert "events.t = 1000400 ns: RAW carries whole us; round the times; give --round, or write .mcap or .npz" in err
    code, text, _ = call(capsys, "convert", tmp_path / "ns.npz", out, "--round")
    assert code == 0
    assert "times in whole us, put in order" in text
    read = open_recording(out).read()
    assert (read.t.tolist(), read.x.tolist(), read.unit) == ([1000, 1001, 1002, 5000], [0, 2, 1, 3], "us")
    code, text, _ = call(capsys, "convert", tmp_path / "ns.npz", tmp_path / "whole.npz", "--round", "--from", 0.001)
    assert code == 0
    assert "put in order" not in text
    assert open_recording(tmp_path / "whole.npz").read().t.tolist() == [5000]


def test_the_busiest_moment_is_not_below_the_mean(capsys, tmp_path):
    for lasts, shown in ((8_800, False), (14_000, True)):
        t = 6_000 + np.arange(0, lasts, 10)
        x = np.zeros(len(t), np.uint16)
        events = Events(t, x, x, np.zeros(len(t), np.uint8), "us", 4, 4)
        summary = summarize([events], "us")
        assert summary.peak_rate >= summary.mean_rate == pytest.approx(1e5, rel=0.01)
        write_npz(tmp_path / "short.npz", lambda events=events: [events], "us", 4, 4)
        assert ("events/s in the busiest 10 ms" in call(capsys, "info", tmp_path / "short.npz")[1]) == shown


def test_a_subcommand_or_a_topic_that_is_nearly_right(capsys, tmp_path):
    code, _, err = call(capsys, "hot_pixels", "a.raw")
    assert (code, "did you mean 'hot-pixels'?" in err) == (2, True)
    write_db3(tmp_path / "a.db3", {"/cam/events": (PACKET_TYPES[0], packets(some_events()))})
    assert numbers(capsys, tmp_path / "a.db3", "--topic", "cam/events")["events"] == 1000


def test_what_cannot_be_written_is_named_as_it_was_given(capsys, tmp_path, raw):
    code, _, err = call(capsys, "convert", raw, tmp_path / "none" / "b.npz")
    assert (code, err) == (2, f"snn_control: {tmp_path / 'none' / 'b.npz'}: No such file or directory\n")


@pytest.mark.parametrize("encoding", ["evt3", "evt2"])
def test_raw_of_times_that_the_clock_cannot_say(tmp_path, encoding):
    """Whole periods of the clock are removed from times, and pauses longer than a period are preserved."""
    period = {"evt3": 1 << 24, "evt2": 1 << 34}[encoding]
    t = 7 * period + np.array([5, 5, 9, 20, 100_000_000, 100_000_001, 200_000_000])
    events = Events(t, *(np.arange(len(t)).astype(d) for d in ("u2", "u2")), np.zeros(len(t), np.uint8), "us", 64, 48)
    path = tmp_path / "a.raw"
    count, shift = write_raw(path, lambda: [events[:5], events[5:6], events[6:]], 64, 48, encoding)
    assert (count, shift) == (len(t), 7 * period)
    recording = open_recording(path)
    assert (recording.encoding, recording.width, recording.height) == (encoding, 64, 48)
    assert recording.read().t.tolist() == (t - shift).tolist()
    assert set(told(recording)) <= {"wraps"}


def test_an_mcap_falls_back_to_mono_where_evt3_cannot_carry_it(tmp_path):
    pytest.importorskip("mcap")
    path = tmp_path / "a.mcap"
    plain = some_events(500)
    late = Events(plain.t + (1 << 30), plain.x, plain.y, plain.p, "us")
    fine = Events(plain.t * 1000, plain.x, plain.y, plain.p, "ns")  # the unit stays
    swapped = Events(plain.t[::-1].copy(), plain.x, plain.y, plain.p, "us")
    for events in (late, fine, swapped):
        assert write_mcap(path, lambda events=events: [events], None, None) == (500, "mono")
        recording = open_recording(path)
        read = recording.read()
        assert (recording.unit, recording.width) == ("ns", None)
        assert np.array_equal(read.t, events.ns)
        assert np.array_equal(read.x, events.x)
    before = Events(plain.t - 1000, plain.x, plain.y, plain.p, "us")
    with pytest.raises(InputError, match="out of the range of stamps"):
        write_mcap(path, lambda: [before], None, None)
    assert write_mcap(path, lambda: [plain], 640, 480) == (500, "evt3")
    pauses = Events(plain.t * 10_000, plain.x, plain.y, plain.p, "us")  # up to half a second from one to the next
    assert write_mcap(path, lambda: [pauses[:100], pauses[100:]], 640, 480)[1] == "evt3"
    assert same(open_recording(path).read(), pauses)


def test_packets_are_no_longer_than_asked(tmp_path):
    events = some_events(1000)
    parts = list(packets_of([events[:500], events[500:]], 1_000_000))
    assert same(Events.concatenate(parts), events)
    assert max(part.t[-1] - part.t[0] for part in parts) < 1000
    assert len(parts) >= (events.t[-1] - events.t[0]) / 1000


def test_the_schema_written_is_that_of_the_message(tmp_path):
    reader = pytest.importorskip("mcap.reader")
    path = tmp_path / "a.mcap"
    write_mcap(path, lambda: [some_events(300)], 640, 480)
    with open(path, "rb") as file:
        bag = reader.make_reader(file, validate_crcs=True)
        schema, channel, message = next(bag.iter_messages())
        assert bag.get_header().profile == "ros2"
    assert (schema.name, schema.encoding, channel.message_encoding) == (PACKET_TYPES[0], "ros2msg", "cdr")
    assert b"MSG: std_msgs/Header" in schema.data
    assert message.log_time == message.publish_time


def test_one_topic_of_a_bag_is_converted(capsys, tmp_path):
    topics = {f"/{side}": (PACKET_TYPES[0], packets(some_events(seed=k))) for k, side in enumerate(("left", "right"))}
    write_bag(tmp_path / "a.mcap", topics)
    code, _, err = call(capsys, "convert", tmp_path / "a.mcap", tmp_path / "b.npz")
    assert code == 2
    assert "--topic" in err
    assert call(capsys, "convert", tmp_path / "a.mcap", tmp_path / "b.npz", "--topic", "/right")[0] == 0
    assert same(open_recording(tmp_path / "b.npz").read(), some_events(seed=1))
