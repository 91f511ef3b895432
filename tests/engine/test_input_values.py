"""Events of any dtype and strides, against plain conversions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.engine.input_values import set_input as give_input
from snn_control.engine.input_values import taker
from snn_control.errors import InputError

CAPACITY = 40
TICK, PERIOD = 7, 1_000_003  # of the clock; ns
DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", ">i4", ">f8", ">u2"]


class Slot:
    """The io block of an events input."""

    def __init__(self):
        self.slot = np.full(8, -1, np.int64)
        self.columns = tuple(np.full(CAPACITY, 7, dtype) for dtype in ("i8", "u2", "u2", "u1"))
        self.take = taker(self.slot, self.columns, np.array([TICK, 0]), PERIOD)


def expected(columns):
    """The expected content of the io block, converted by NumPy."""
    t, x, y, p = columns
    n = min(len(x), CAPACITY)
    slot = Slot()
    if t.dtype.kind == "f":
        t = np.rint(t[:n].astype(np.float64) * 1e9).astype(np.int64) + TICK * PERIOD
    slot.columns[0][:n] = t[:n]
    x, y = (c.astype(np.float64) if c.dtype == np.float16 else c for c in (x, y))  # 65535 is no float16
    for column, given_ in ((slot.columns[1], x[:n]), (slot.columns[2], y[:n])):
        column[:n] = np.where((given_ >= 0) & (given_ < 65535), given_, 65535)
    slot.columns[3][:n] = p[:n] > 0
    slot.slot[:4] = 1, 0, n, len(x) - n
    return slot


def column(rng, n, dtype, stride, low, high):
    """``n`` numbers of a dtype, every ``stride``-th of an array; some at the borders of what a camera has."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        values = rng.integers(0, 2, n)
    else:
        values = np.where(rng.random(n) < 0.2, rng.choice([0, 1, -1, 65534, 65535, 65536, 70000], n), 0)
        values = np.where(
            values, values, rng.uniform(low, high, n) if dtype.kind == "f" else rng.integers(low, high, n)
        )
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            values = np.clip(values, max(limits.min, -(2**62)), min(limits.max, 2**62))
    base = np.zeros(max(1, n * abs(stride)), dtype)
    view = base[::stride][:n] if stride > 0 else base[::-1][::-stride][:n]
    view[:] = np.clip(values, -65504, 65504) if dtype == np.float16 else values
    return view


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 2 * CAPACITY),
    dtypes=st.tuples(*[st.sampled_from(DTYPES)] * 4),
    stride=st.sampled_from([1, 1, 2, 4, -1, -3]),
)
def test_every_dtype_and_stride_is_taken_as_numpy_converts_it(seed, n, dtypes, stride):
    rng = np.random.default_rng(seed)
    columns = tuple(
        column(rng, n, dtype, stride, *bounds)
        for dtype, bounds in zip(dtypes, ((0, 30000), (-3, 140), (-3, 140), (-2, 3)))
    )
    got, want = Slot(), expected(columns)
    give_input("here", got.take, None, columns)
    assert got.slot.tolist() == want.slot.tolist()
    for a, b in zip(got.columns, want.columns):
        assert a.tobytes() == b.tobytes(), (a, b)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u2"])
def test_rows_of_one_dtype_are_taken_as_their_columns(dtype):
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 140, (30, 4)).astype(dtype)
    got, want = Slot(), expected(tuple(rows.T))
    give_input("here", got.take, None, rows)
    for a, b in zip((got.slot, *got.columns), (want.slot, *want.columns)):
        assert a.tobytes() == b.tobytes()


def test_what_is_not_a_number_of_the_frame_is_nowhere():
    slot, odd = Slot(), np.array([np.nan, np.inf, -np.inf, -0.5, 65534.9, 1e300, -1e-30])
    slot.take(odd, odd, odd, odd)
    lowest = np.iinfo(np.int64).min
    start = TICK * PERIOD
    assert slot.columns[0][:7].tolist() == [
        lowest, lowest, lowest, start - 500000000, start + 65534900000000, lowest, start
    ]  # fmt: skip
    assert slot.columns[1][:7].tolist() == [65535, 65535, 65535, 65535, 65534, 65535, 65535]
    assert slot.columns[3][:7].tolist() == [0, 1, 0, 0, 1, 1, 0]


def test_what_it_cannot_read_is_left_to_the_caller():
    ok = np.zeros(3)
    for wrong in (
        (), (ok,), (ok, ok, ok), (ok,) * 5, (ok, ok, ok, [0, 0, 0]), (ok, ok, np.zeros(2), ok),
        (ok, np.zeros((3, 1)), ok, ok), (ok, ok, ok, np.ma.array(np.zeros(3))), (ok, ok, ok, np.zeros(3, "c8")),
        (ok, ok, ok, np.zeros(3, object)), (ok, ok, ok, np.zeros(3, "S8")), (ok, None, ok, ok), (1, 2, 3, 4),
        (np.float64(1),) * 4, (np.array(1.0),) * 4, (ok, ok, ok, np.zeros(3, "M8[ns]")),
        (ok, ok, ok, np.zeros(3, [("a", "i8")])),
    ):  # fmt: skip
        slot = Slot()
        assert slot.take(*wrong) is False
        assert slot.slot.tolist() == [-1] * 8
        assert all((c == 7).all() for c in slot.columns)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros((3, 5)), r"here: shape \(3, 5\): must be \(n, 4\) rows of t, x, y, p"),
        (np.zeros(4), r"here: shape \(4,\): must be"),
        (([1], [1], [1, 2], [1]), r"here: shapes \(1,\), \(1,\), \(2,\), \(1,\): t, x, y and p must have one length"),
        ((1, 1, 1, 1), "here: shapes .*: t, x, y and p must have one length"),
        ((["a"], [1], [1], [1]), "here: t, x, y and p must be numbers"),
        ([["a"] * 4], "here: t, x, y and p must be numbers"),
    ],
)
def test_what_nobody_can_read_is_an_error(value, text):
    slot = Slot()
    with pytest.raises(InputError, match=text):
        give_input("here", slot.take, None, value)
    assert slot.slot.tolist() == [-1] * 8
