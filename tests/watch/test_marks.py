"""Marks on the time axis: every change of the control words, however the ticks are divided into frames."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snn_control.engine.control_words import FORGET, HELD
from snn_control.record.input_log import InputLog
from snn_control.watch.marks import Marks

TUNABLE = ("network.bias", "outputs.gain")
#: driver, elapsed, release, restart, switches of two rules, number of changes of the tunable numbers, these numbers
ROW = st.tuples(
    st.integers(0, 7), st.integers(0, 3000),
    st.integers(0, 2).flatmap(lambda n: st.sampled_from([n, n | HELD])),
    st.integers(0, 2).flatmap(lambda n: st.sampled_from([n, n + FORGET])),
    st.integers(0, 1), st.integers(0, 1), st.integers(0, 3), st.sampled_from([0.0, 0.5]), st.sampled_from([1.0, 1.5]),
)  # fmt: skip


def log_of(rows, first_tick):
    control = np.array([row[:7] for row in rows], np.int64).reshape(-1, 7)
    tuned = np.array([row[7:] for row in rows], np.float64).reshape(-1, 2).view(np.int64)
    log = InputLog.of(0.02, len(rows), {}, {})
    return replace(log, control=np.hstack([control, tuned]), first_tick=first_tick, tunable=TUNABLE)


def expected(old, new):
    if new[2] >= HELD > old[2]:
        yield "stop", ""
    if new[2] % HELD != old[2] % HELD:
        yield "release", ""
    if new[3] != old[3]:
        yield "restart", "and forget" if new[3] // FORGET != old[3] // FORGET else ""
    if new[4:6] != old[4:6]:
        yield "learning", "on" if new[4:6] == (1, 1) else "off"
    for name, before, now in zip(TUNABLE, old[7:], new[7:], strict=True):
        if before != now:
            yield "tune", f"{name} = {now:g}"


@given(st.lists(ROW, min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=4), st.integers(0, 1000))
def test_each_change_is_a_mark_at_its_tick(rows, ends, first_tick):
    marks, found = Marks(TUNABLE), []
    ends = sorted({*(end for end in ends if end < len(rows)), len(rows)})
    for begin, end in zip([0, *ends], ends):  # frames, of which some have no tick
        found += marks.of(log_of(rows[begin:end], first_tick + begin))
    wanted = [(first_tick + k + 1, *one) for k in range(len(rows) - 1) for one in expected(rows[k], rows[k + 1])]
    assert [(round(mark["t"] / 0.02), mark["kind"], mark["text"]) for mark in found] == wanted


def test_after_a_restart_the_first_tick_has_no_marks():
    marks = Marks(TUNABLE)
    still, stopped = (0, 0, 0, 0, 1, 1, 0, 0.0, 1.0), (0, 0, HELD, 0, 1, 1, 0, 0.0, 1.0)
    assert marks.of(log_of([still], 0)) == []
    assert [mark["kind"] for mark in marks.of(log_of([stopped], 1))] == ["stop"]
    marks.restart()
    assert marks.of(log_of([still], 0)) == []


def test_a_log_without_control_words_has_no_marks():
    assert Marks(()).of(InputLog.of(0.02, 3, {}, {})) == []
