"""Ordered access to int64 words that a compiled thread and Python share.

In a compiled ``while`` loop a plain load is hoisted out of the loop and never repeated, and on ARM plain stores may be
seen out of order. Words that cross threads are therefore accessed with these functions: ``load_acquire`` and
``store_release`` form pairs, ``fence`` orders all accesses around it. Addresses must be multiples of 8. Python uses
``read_word`` and ``write_word``.
"""

from __future__ import annotations

from numba import types

from .memory import I64, emitted

__all__ = ["fence", "load_acquire", "read_word", "store_release", "write_word"]


@emitted(types.int64, types.int64)
def load_acquire(builder, address):
    """Read the int64 at ``address``. Later reads see everything written before the `store_release` of this value."""
    return builder.load_atomic(builder.inttoptr(address, I64.as_pointer()), "acquire", 8, typ=I64)


@emitted(types.void, types.int64, types.int64)
def store_release(builder, address, value):
    """Write an int64. A thread that reads the value with `load_acquire` sees everything written before the value."""
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
    """Call `load_acquire` from Python, after a fence. Copies that were made before the call are then complete."""
    from .compile import compile_function  # imported here so that the digest of compiled code does not depend on it

    return compile_function(_read, "int64(int64)")(address)


def write_word(address: int, value: int) -> None:
    """Call `store_release` from Python."""
    from .compile import compile_function

    compile_function(_write, "void(int64,int64)")(address, value)
