"""Text files of events: the order of their columns, their numbers, and what is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control.errors import DescriptionError
from snn_control.events import Events, open_recording
from snn_control.events.files import text as module
from snn_control.events.files.fields import Order
from snn_control.events.writing_text import write_text
from tests.events.recordings import same, some_events, told

EVENTS = some_events(2000)
ROWS = list(zip(*(getattr(EVENTS, name).tolist() for name in "txyp")))

#: how other programs write text -> head, a row as text, what is found, and the size
FORMS = {
    "Event Camera Dataset": ("", lambda t, x, y, p: f"{t / 1e6:.9f} {x} {y} {p}", "t x y p, times in s", None),
    "E2VID": ("640 480\n", lambda t, x, y, p: f"{t / 1e6:.9f} {x} {y} {p}", "t x y p, times in s", (640, 480)),
    "v2e": ("# time (float s), x, y, polarity\n", lambda t, x, y, p: f"{t / 1e6:.6f} {x} {y} {p}", "times in s", None),
    "Metavision": (
        "%geometry:640,480\n", lambda t, x, y, p: f"{x},{y},{p},{t}", "x y p t, times in us", (640, 480),
    ),
    "faery": ("t,x,y,on\n", lambda t, x, y, p: f"{t},{x},{y},{p}", "t x y p, times in us", None),
    "signs": ("", lambda t, x, y, p: f"{x}\t{y}\t{t}\t{2 * p - 1}", "x y t p, times in us", None),
    "windows": ("x;y;p;t [us]\r\n", lambda t, x, y, p: f"{x}; {y}; {p}; {t}\r", "x y p t, times in us", None),
    "savetxt": ("", lambda t, x, y, p: " ".join(f"{v:.18e}" for v in (t, x, y, p)), "t x y p, times in us", None),
    "savetxt, seconds": (
        "", lambda t, x, y, p: " ".join(f"{v:.18e}" for v in (t * 1e-6, x, y, p)), "t x y p, times in s", None,
    ),
    "pandas": ('"","x","y","pol","ts"\n', lambda t, x, y, p: f"7,{x},{y},{bool(p)},{t}", "- x y p t", None),
    "milliseconds": ("timestamp_ms x y p\n", lambda t, x, y, p: f"{t / 1e3:.3f} {x} {y} {p}", "times in ms", None),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_text_of_other_programs(tmp_path, monkeypatch, name):
    monkeypatch.setattr(module, "BLOCK", 1000)  # lines lie across blocks
    head, row, found, size = FORMS[name]
    path = tmp_path / "a.bin"
    path.write_text(head + "".join(row(*values) + "\n" for values in ROWS), newline="")
    recording = open_recording(path)
    assert same(recording.read(), EVENTS)
    assert (recording.encoding, recording.unit) == ("text", "us")
    assert found in recording.layout
    assert (recording.width, recording.height) == (size or (None, None))
    assert told(recording) == {}


def test_nanoseconds_are_kept_where_they_are_seen(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0.000001001 3 4 1\n1504645177.423970001 5 6 0\n")
    recording = open_recording(path)
    assert (recording.read().t.tolist(), recording.unit) == ([1001, 1504645177423970001], "ns")
    lines = "".join(f"{k}.5 1 2 {k % 2}\n" for k in range(100_000))
    path.write_text(lines + "100000.0000004 1 2 1\n100001.0000006 1 2 1\n")
    recording = open_recording(path)
    assert (recording.read().t[-2:].tolist(), recording.unit) == ([100000 * 10**6, 100001 * 10**6 + 1], "us")
    assert told(recording) == {"rounded": 2}


def test_an_order_that_is_given(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{y} {x} 9 {p} {t}\n" for t, x, y, p in ROWS))
    with pytest.raises(DescriptionError, match="is a text whose order of columns cannot be told; give --columns"):
        open_recording(path)
    recording = open_recording(path, columns="y,x,-,p,t[ns]")
    assert np.array_equal(recording.read().ns, EVENTS.t)
    assert np.array_equal(recording.read().y, EVENTS.y)
    for wrong in ("txy", "txyq", "txypp", "t[us],x,y[us],p", "t[h],x,y,p"):
        with pytest.raises(DescriptionError, match=r"--columns = .*: must have t, x, y and p once each"):
            open_recording(path, columns=wrong)
    raw = tmp_path / "a.raw"
    raw.write_bytes(b"% evt 3.0\n")
    with pytest.raises(DescriptionError, match="states the order of its columns; leave it out"):
        open_recording(raw, columns="txyp")
    assert str(Order.parse("timestamp [ms], x, y, polarity")) == "t[ms] x y p"


def test_lines_that_are_no_events_are_counted(tmp_path):
    path = tmp_path / "a.txt"
    good = [f"{t} 2 3 {t % 2}" for t in range(100)]
    lines = ["", "# comment", "2 2 3", "3 2 3 x", "4 70000 3 1", "5 -1 3 1", "nan 2 3 1", "700 2 3 0  ", "8 9 1"]
    path.write_text("\n".join([*good, *lines]))
    recording = open_recording(path)
    assert recording.read().t.tolist() == [*range(100), 700]
    assert told(recording) == {"malformed": 5, "truncated": 1}


def test_a_line_without_end_takes_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1 << 16)
    path = tmp_path / "a.txt"
    path.write_text("1 2 3 1\n" + "5" * (1 << 20) + "\n2 2 3 1\n" + "7 " * (1 << 19))
    recording = open_recording(path)
    assert recording.read().t.tolist() == [1, 2]
    assert set(told(recording)) == {"malformed", "truncated"}


@pytest.mark.parametrize("text", ["hello world\n", "1 2\n", "# no\n", "a,b,c,d\n1,2,3,4\n", "1 2 3 9\n2 3 4 8\n"])
def test_other_texts_are_refused(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(DescriptionError, match=r"is a text (without a line of four numbers|whose order of columns)"):
        open_recording(path)


@pytest.mark.parametrize("line", ["-640 480", "640 4.5", "1e999 5", "nan 5", "70000 1"])
def test_a_size_that_no_sensor_has_is_refused(tmp_path, line):
    path = tmp_path / "a.txt"
    path.write_text(f"{line}\n0.0 1 1 1\n0.1 2 2 0\n")
    with pytest.raises(DescriptionError, match=f"begins with the sensor's size '?{line}'?; must be two whole numbers"):
        open_recording(path)


@given(
    st.lists(st.tuples(st.integers(-(10**12), 10**15), *[st.integers(0, 65535)] * 2, st.integers(0, 1)), max_size=40),
    st.sampled_from(["us", "ns"]), st.sampled_from([".csv", ".txt"]),
)  # fmt: skip
def test_what_is_written_comes_back(tmp_path_factory, rows, unit, suffix):
    path = tmp_path_factory.mktemp("text") / f"a{suffix}"
    columns = zip(*rows) if rows else [()] * 4
    t, x, y, p = (np.array(column, kind) for column, kind in zip(columns, (np.int64, np.uint16, np.uint16, np.uint8)))
    events = Events(t, x, y, p, unit, 65535, 200)
    assert write_text(path, lambda: [events], unit, 65535, 200) == len(rows)
    recording = open_recording(path, width=65535, height=200) if rows else open_recording(path)
    read = recording.read()
    kept = events[y < 200]
    assert np.array_equal(read.ns, kept.ns[kept.x < 65535])
    assert (open_recording(path).width, open_recording(path).height) == (65535, 200)
    if rows:
        numbers = np.loadtxt(path, delimiter="," if suffix == ".csv" else None, skiprows=2, ndmin=2)
        assert numbers[:, 1:].tolist() == [list(row[1:]) for row in rows]


@given(st.text("0123456789+-.eE ,\nTFx", max_size=200))
def test_no_text_raises_another_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text(f"0 1 2 1\n{text}")
    recording = open_recording(path)
    assert len(recording.read()) >= 1 or recording.counters["malformed"]
