"""Ordered access to int64 words that a compiled thread and Python share.

A compiled ``while`` loop may read memory only once, before the loop, and on ARM other threads may see writes out of
order. Words that threads share are therefore accessed with these functions. ``load_acquire`` and ``store_release`` form
pairs; ``fence`` orders all accesses around it. Addresses must be multiples of 8. Python uses ``read_word`` and
``write_word``.
"""

from __future__ import annotations

from numba import types

from .memory import I64, emitted

__all__ = ["fence", "load_acquire", "read_word", "store_release", "write_word"]


@emitted(types.int64, types.int64)
def load_acquire(builder, address):
    """Read an int64. Later reads see everything that was written before `store_release` wrote the int64."""
    return builder.load_atomic(builder.inttoptr(address, I64.as_pointer()), "acquire", 8, typ=I64)


@emitted(types.void, types.int64, types.int64)
def store_release(builder, address, value):
    """Write an int64 to an address. A thread that reads it with `load_acquire` sees everything written before it."""
    builder.store_atomic(value, builder.inttoptr(address, I64.as_pointer()), "release", 8)


@emitted(types.void)
def fence(builder):
    """Keep memory accesses from moving across this call, in either direction."""
    builder.fence("seq_cst")


def _read(address):
    fence()
    return load_acquire(address)


def _write(address, value):
    store_release(address, value)


def read_word(address: int) -> int:
    """Read an int64 from Python with `load_acquire`, after a fence. Copies made before this call are then complete."""
    from .compile import compile_function  # imported here so that the digest of compiled code does not depend on it

    return compile_function(_read, "int64(int64)")(address)


def write_word(address: int, value: int) -> None:
    """Write an int64 from Python with `store_release`."""
    from .compile import compile_function

    compile_function(_write, "void(int64,int64)")(address, value)
