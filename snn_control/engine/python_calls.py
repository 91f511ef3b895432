"""Builtins: compiled functions that Python calls faster than numba functions, because they need no argument dispatch.

A builtin is made from a C function by CPython's PyCFunction_NewEx, which also binds an object as ``self``. Here,
``self`` is an int64 array with memory addresses. Its attribute `keep` refers to the objects that own this memory, so
that the memory lives as long as the builtin. A builtin reads array arguments through the fixed part of their C structs
(PyArrayObject, PyArray_Descr), which NumPy does not change. It rejects objects of other types. A builtin holds the
interpreter lock while it runs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, register_jitable

from ..errors import InputError
from .memory import f32, f64, i64, load_i32, load_i64, load_u8
from .slots import AGE, FRESH, SLOT_WORDS, clear_marks, count_age
from .tick import tick

__all__ = [
    "METH_FASTCALL", "builtin", "is_true", "is_vector", "nothing_came", "stepper", "ticker", "type_number",
    "value_taker", "words_of",
]  # fmt: skip

METH_NOARGS, METH_O, METH_FASTCALL = 0x4, 0x8, 0x80
HEAD = object.__basicsize__  # bytes of PyObject_HEAD, whose last word is the type
TYPE, DATA, DIMENSIONS, SHAPE, STRIDES, DESCR, FLAGS = HEAD - 8, *(HEAD + k for k in (0, 8, 16, 24, 40, 48))
BYTE_ORDER, NUMBER = HEAD + 10, HEAD + 12  # in a PyArray_Descr
C_CONTIGUOUS_AND_ALIGNED, NATIVE, FLOAT, DOUBLE = 0x101, ord("="), 11, 12


def _result(make: Callable, *arguments: Any) -> tuple:
    """Return the numba signature and the code generator of an intrinsic that returns a new Python reference.

    make : function of numba's Python API that creates the reference
    arguments : numba's types of the intrinsic's arguments
    """

    def gen(context, builder, sig, args):
        api = context.get_python_api(builder)
        return builder.ptrtoint(make(api, builder, *args), context.get_value_type(types.int64))

    return types.int64(*arguments), gen


@intrinsic
def none(typingctx):
    """Return a reference to None, as the result of a builtin."""
    return _result(lambda api, builder: api.make_none())


@intrinsic
def is_true(typingctx, value):
    """Return a reference to True or False, as the result of a builtin."""
    return _result(lambda api, builder, value: api.bool_from_bool(value), types.boolean)


@intrinsic
def refuse(typingctx, exception, text):
    """Set a Python exception and return 0, which the builtin must then return as its result.

    exception, text : addresses of the exception's class, and of the message, which ends with a zero byte
    """

    def gen(context, builder, sig, args):
        api = context.get_python_api(builder)
        api.err_set_string(builder.inttoptr(args[0], api.pyobj), builder.inttoptr(args[1], api.cstring))
        return context.get_constant(types.int64, 0)

    return types.int64(types.int64, types.int64), gen


@register_jitable(forceinline=True)
def words_of(owner):
    return load_i64(owner + DATA)


@register_jitable(forceinline=True)
def is_vector(thing, array_type):
    """Return whether a Python object is a plain ndarray with one dimension and native byte order.

    thing, array_type : addresses of the object and of the class ndarray
    """
    if load_i64(thing + TYPE) != array_type or load_i32(thing + DIMENSIONS) != 1:
        return False
    return load_u8(load_i64(thing + DESCR) + BYTE_ORDER) in (NATIVE, 124)  # "|": of one byte


@register_jitable(forceinline=True)
def type_number(array):
    """Return NumPy's type number of the ndarray at an address."""
    return load_i32(load_i64(array + DESCR) + NUMBER)


class _Words(np.ndarray):
    keep: tuple[Any, ...] = ()


class _Method(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)
    ]  # fmt: skip


_methods: dict[Callable, _Method] = {}  # builtins point to these, so they must never be freed
_new = ctypes.pythonapi.PyCFunction_NewEx
_new.restype, _new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]


def builtin(function: Callable, kind: int, words: np.ndarray, *keep: Any) -> Callable:
    """Compile a function and make a builtin that calls it.

    function : function (self, argument), or function (self, arguments, count) for METH_FASTCALL; all are int64
        addresses, except for the count
    kind : CPython's calling convention: METH_NOARGS, METH_O or METH_FASTCALL
    words : int64 array that becomes ``self``; the array becomes read-only
    keep : objects that must live as long as the builtin
    """
    from .compile import compile_callback  # imported here so that the digest of compiled code does not depend on it

    method = _methods.get(function)
    if method is None:
        signature = f"int64({', '.join(['int64'] * (3 if kind == METH_FASTCALL else 2))})"
        name, doc = function.__name__.encode(), (function.__doc__ or "").encode()
        # the first thread wins: the methods of others are dropped before anything points to them
        method = _methods.setdefault(function, _Method(name, compile_callback(function, signature), kind, doc))
    owner = words.reshape(-1).view(_Words)
    owner.setflags(write=False)
    owner.keep = keep
    return _new(ctypes.addressof(method), owner, None)


def call_tick(owner, _):
    """Run one tick of a bound Program on the contents of its io block.

    owner : address of ``self``, the table of addresses
    """
    tick(words_of(owner))
    return none()


def ticker(table: np.ndarray, *keep: Any) -> Callable[[], None]:
    """Return the builtin ``tick()``, which runs one tick of a bound Program.

    table : the Program's table of addresses
    keep : objects that own the memory at these addresses
    """
    return builtin(call_tick, METH_NOARGS, table, *keep)


@register_jitable(forceinline=True)
def nothing_came(address, period):
    """Record in an input's header that no sample arrived in this tick, and add ``period`` [ns] to the input's age.

    address : address of the input's header
    """
    slot = i64(address, SLOT_WORDS)
    clear_marks(slot)
    count_age(slot, period, 0)


@register_jitable(forceinline=True)
def take_sample(x, address, to, n, array_type):
    """Copy the sample ``x`` into a value input, if ``x`` is a C-contiguous (n,) array of float32 or float64.

    x : address of the Python object
    address, to : addresses of the input's header, and of its ``n`` float64 numbers
    array_type : address of the class ndarray

    Return whether the sample was copied.
    """
    number = 0
    if is_vector(x, array_type) and load_i64(load_i64(x + SHAPE)) == n:
        if load_i32(x + FLAGS) & C_CONTIGUOUS_AND_ALIGNED == C_CONTIGUOUS_AND_ALIGNED:
            number = type_number(x)
    data = f64(to, n)
    if number == FLOAT:
        single = f32(load_i64(x + DATA), n)
        for i in range(n):
            data[i] = single[i]
    elif number == DOUBLE:
        double = f64(load_i64(x + DATA), n)
        for i in range(n):
            data[i] = double[i]
    else:
        return False
    slot = i64(address, SLOT_WORDS)
    slot[FRESH], slot[AGE] = 1, 0
    return True


def take_value(owner, x):
    """Write ``x``, a sample or None, to a value input: the compiled function of the builtin that `value_taker` returns.

    Return whether ``x`` was accepted.
    """
    o = i64(words_of(owner), 6)
    if x == o[4]:
        nothing_came(o[0], o[5])
        return is_true(True)
    return is_true(take_sample(x, o[0], o[1], o[2], o[3]))


def value_taker(slot: np.ndarray, data: np.ndarray, period_ns: int, *keep: Any) -> Callable[[Any], bool]:
    """Return the builtin ``take(x)``, which writes the sample of this tick to a value input.

    ``take`` accepts a C-contiguous (n,) array of float32 or float64, or None if no sample arrived, and then returns
    True. For all other arguments, it returns False and changes nothing.

    slot, data : the input's header (`snn_control.engine.slots`), int64, and its numbers, (n,) float64
    keep : objects that must live as long as ``take``
    """
    words = [slot.ctypes.data, data.ctypes.data, data.size, id(np.ndarray), id(None), period_ns]
    return builtin(take_value, METH_O, np.array(words, np.int64), slot, data, *keep)


def call_step(owner, x):
    """Write the sample ``x`` to a value input and run one tick: the compiled function of the builtin of `stepper`."""
    o = i64(words_of(owner), 7)
    if not take_sample(x, o[1], o[2], o[3], o[4]):
        return refuse(o[5], o[6])
    tick(o[0])
    return none()


def stepper(
    table: np.ndarray, name: str, slot: np.ndarray, data: np.ndarray, *keep: Any
) -> Callable[[np.ndarray], None]:
    """Return the builtin ``step(x)``, which writes the sample ``x`` to a value input and runs one tick.

    ``x`` is a C-contiguous (n,) array of float32 or float64. ``step`` raises InputError for all other arguments.

    table : table of addresses of the bound Program
    name : name of the input, for the error
    slot, data : the input's header and numbers, as in `value_taker`
    keep : objects that must live as long as ``step``
    """
    text = f"input '{name}': must be a C-contiguous ({data.size},) array of float32 or float64".encode()
    at = ctypes.create_string_buffer(text)
    words = [table.ctypes.data, slot.ctypes.data, data.ctypes.data, data.size]
    words += [id(np.ndarray), id(InputError), ctypes.addressof(at)]
    return builtin(call_step, METH_O, np.array(words, np.int64), table, slot, data, at, *keep)
