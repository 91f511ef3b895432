"""The frames of a watched run: whatever is encoded is decoded, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from snn_control.errors import InputError
from snn_control.watch.protocol import DTYPES, decode, encode

ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=3, max_side=5))),
    max_size=5,
)


@given(ARRAYS, st.dictionaries(st.text(max_size=5).filter(lambda key: key != "arrays"), st.integers() | st.text()))
def test_a_frame_is_decoded_to_what_was_encoded(given_arrays, header):
    frame = encode(header, given_arrays)
    assert len(frame) % 8 == 0
    found, decoded = decode(frame)
    assert found == header
    assert list(decoded) == list(given_arrays)
    for name, array in given_arrays.items():
        assert decoded[name].dtype == array.dtype
        assert decoded[name].tobytes() == array.tobytes()


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data):
    with pytest.raises(InputError):
        decode(data)


@pytest.mark.parametrize("header", [b'"abc"', b"3", b"[" * 20_000])
def test_a_header_that_is_no_object_is_refused(header):
    with pytest.raises(InputError, match="is not of snn_control"):
        decode(len(header).to_bytes(4, "little") + header)


def test_a_frame_that_was_cut_is_refused():
    frame = encode({"tick": 1}, {"x": np.arange(4, dtype="<f8")})
    for size in range(len(frame)):
        with pytest.raises(InputError):
            decode(frame[:size])
