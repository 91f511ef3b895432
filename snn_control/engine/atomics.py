"""Atomic access to int64 words of memory that a compiled thread shares with Python.

Without these functions, a compiled ``while`` loop may read a word only once, before the loop. On ARM, other threads may
also see writes out of order. Compiled code writes a shared word with ``store_release`` and reads it with
``load_acquire``. ``fence`` orders all memory accesses before and after the call. Python uses ``write_word`` and
``read_word``. Addresses must be multiples of 8.
"""

from __future__ import annotations

from numba import types

from .memory import I64, emitted, loaded_as

__all__ = ["fence", "load_acquire", "read_word", "store_release", "write_word"]


@emitted(types.int64, types.int64)
def load_acquire(builder, address):
    """Read the int64 at an address. Later reads see all memory that was written before its `store_release`."""
    return builder.load_atomic(builder.inttoptr(address, I64.as_pointer()), "acquire", 8, **loaded_as(I64))


@emitted(types.void, types.int64, types.int64)
def store_release(builder, address, value):
    """Write an int64 to an address. A thread that reads it with `load_acquire` also sees all earlier writes."""
    builder.store_atomic(value, builder.inttoptr(address, I64.as_pointer()), "release", 8)


@emitted(types.void)
def fence(builder):
    """Prevent compiler and processor from moving memory accesses across this call, in either direction."""
    builder.fence("seq_cst")


def _read(address):
    fence()
    return load_acquire(address)


def _write(address, value):
    store_release(address, value)


def read_word(address: int) -> int:
    """Read an int64 from Python with `load_acquire`. Memory copies that Python made before are complete by then."""
    from .compile import compile_function  # imported here so that the digest of compiled code does not depend on it

    return compile_function(_read, "int64(int64)")(address)


def write_word(address: int, value: int) -> None:
    """Write an int64 to an address from Python, with `store_release`."""
    from .compile import compile_function

    compile_function(_write, "void(int64,int64)")(address, value)
