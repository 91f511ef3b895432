"""Read the normalisation of a policy's observations from a ``vecnormalize.pkl`` of stable-baselines3.

The file is a pickle, which is read as plain data: nothing in it is imported or executed.
"""

from __future__ import annotations

import io
import math
import os
from typing import Any

import numpy as np

from ...files import MOST_TEXT, open_file
from .perceptron import Normalization
from .pickle_data import ENCODE, NO_BYTES, Inert, as_bytes, read_pickle

__all__ = ["read_vec_normalize"]

CLASS = "stable_baselines3.common.vec_env.vec_normalize VecNormalize"
STATISTICS = "stable_baselines3.common.running_mean_std RunningMeanStd"
DTYPE, RECONSTRUCT, FROM_BUFFER, SCALAR = "numpy dtype", "_reconstruct", "_frombuffer", "scalar"
SPACES = ("box Box", "discrete Discrete", "multi_discrete MultiDiscrete", "multi_binary MultiBinary", "dict Dict",
          "tuple Tuple")  # fmt: skip
TYPES = ("bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
         "float32", "float64")  # fmt: skip
RANDOM = (
    "_pickle __generator_ctor", "_pickle __bit_generator_ctor", "_pickle __randomstate_ctor", "_pcg64 PCG64",
    "_pcg64 PCG64DXSM", "_mt19937 MT19937", "_philox Philox", "_sfc64 SFC64", "_generator Generator",
    "mtrand RandomState", "bit_generator SeedSequence", "bit_generator __pyx_unpickle_SeedSequence",
    "_bit_generator SeedSequence",
)  # fmt: skip
KNOWN = frozenset({
    CLASS, STATISTICS, DTYPE, ENCODE, NO_BYTES, "numpy ndarray", "collections OrderedDict",
    "gym.utils.seeding RandomNumberGenerator", "gym.utils.seeding RandomNumberGenerator._generator_ctor",
    *(f"{gym}.spaces.{space}" for gym in ("gym", "gymnasium") for space in SPACES),
    *(f"numpy.{core}.multiarray {name}" for core in ("core", "_core") for name in (RECONSTRUCT, SCALAR)),
    *(f"numpy.{core}.numeric {FROM_BUFFER}" for core in ("core", "_core")),
    *(f"numpy {name}" for name in TYPES),
    *(f"numpy.random.{name}" for name in RANDOM),
})  # fmt: skip
CODES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
MOST_AXES = 8


def read_vec_normalize(path: str | os.PathLike) -> Normalization | None:
    """Return the normalisation of observations; None if the file switches it off (``norm_obs``).

    Raises OSError if the file cannot be read, and any other exception if its content is invalid.
    """
    with open_file(path) as file:
        raw = file.read(MOST_TEXT + 1)
    if len(raw) > MOST_TEXT:
        raise ValueError(f"it has more than {MOST_TEXT:,} bytes")
    whole = _attributes(read_pickle(io.BytesIO(raw), KNOWN, "observation statistics"), CLASS)
    if whole.get("norm_obs", True) is False:
        return None
    statistics = whole.get("obs_rms")
    if type(statistics) is dict or type(whole.get("norm_obs_keys")) is list:
        raise ValueError("its observations are a dictionary: must be an array; train with FlattenObservation")
    numbers = _attributes(statistics, STATISTICS)
    mean, variance = _array(numbers.get("mean")), _array(numbers.get("var"))
    epsilon, clip = _number(whole.get("epsilon")), _number(whole.get("clip_obs"))
    if mean.shape != variance.shape or not mean.size:
        raise ValueError(f"its mean has the shape {mean.shape}, its variance {variance.shape}")
    with np.errstate(all="ignore"):
        std = np.sqrt(variance + epsilon)
    if not (np.isfinite([mean, std]).all() and (std > 0).all() and epsilon >= 0 and clip > 0):
        raise ValueError("its mean, variance, epsilon or clip_obs is not a number in its range")
    return Normalization(mean.ravel(), std.ravel(), clip)


def _attributes(value: Any, name: str) -> dict[str, Any]:
    if type(value) is not Inert or value.name != name or type(value.state) is not dict:
        raise ValueError(f"it has no {name.rpartition(' ')[2]}")
    return value.state


def _array(value: Any) -> np.ndarray:
    """Return a NumPy array in the pickle as float64. Raises ValueError if ``value`` does not describe an array."""
    kind = value.name.rpartition(" ")[2] if type(value) is Inert else ""
    if kind == RECONSTRUCT and type(value.state) is tuple and len(value.state) == 5:
        _, shape, dtype, transposed, data = value.state
        order = "F" if transposed is True else "C"
    elif kind == FROM_BUFFER and type(value.arguments) is tuple and len(value.arguments) == 4:
        data, dtype, shape, order = value.arguments
    elif kind == SCALAR and type(value.arguments) is tuple and len(value.arguments) == 2:
        (dtype, data), shape, order = value.arguments, (), "C"
    else:
        raise ValueError("its mean and variance are not arrays")
    if type(shape) is not tuple or len(shape) > MOST_AXES:
        raise ValueError("an array has no shape")
    if any(type(n) is not int or not 0 <= n <= MOST_TEXT for n in shape) or type(order) is not str:
        raise ValueError("an array has sizes that are not whole numbers >= 0, or are too large")
    found, raw = _dtype(dtype), as_bytes(data)
    if math.prod(shape) * found.itemsize != len(raw):
        raise ValueError(f"an array says that it is {found} of shape {shape}, but has {len(raw)} bytes")
    return np.frombuffer(raw, found).astype(np.float64).reshape(shape, order="F" if order == "F" else "C")


def _dtype(value: Any) -> np.dtype:
    """Return a dtype in the pickle. Raises ValueError unless this is a little-endian type of numbers."""
    arguments = value.arguments if type(value) is Inert and value.name == DTYPE else ()
    code = arguments[0] if type(arguments) is tuple and arguments else None
    if type(code) is not str or code not in CODES:
        raise ValueError("an array does not hold numbers" + (f" but {code[:20]}" if type(code) is str else ""))
    state = value.state
    order = state[1] if type(state) is tuple and len(state) > 1 else "<"
    if type(order) is not str or order not in ("<", "|", "="):
        raise ValueError("its numbers are not little-endian")
    return np.dtype(f"<{code}")


def _number(value: Any) -> float:
    if type(value) is int or type(value) is float:
        return float(value)
    array = _array(value)
    if array.size != 1:
        raise ValueError("its epsilon or clip_obs is not one number")
    return array.item()
