"""The tick: one compiled function that walks a bound table. It knows no kernel and is never compiled again.

Table, int64, rows of `WORDS`. Row 0 is the header: operations before the steps, in each step and after them,
steps a tick, address of the clock (int64 [tick, step], in the state). Then one row an operation.
"""

from __future__ import annotations

from numba.extending import register_jitable

from .compile import compile_callback, compile_function
from .memory import call_kernel, i64
from .rows import WORDS

__all__ = ["AFTER", "BEFORE", "CLOCK", "IN_STEP", "STEPS", "tables_function", "tick_address"]

BEFORE, IN_STEP, AFTER, STEPS, CLOCK = range(5)  # words of the header
ROW = 8 * WORDS  # bytes


@register_jitable(forceinline=True)
def run_rows(row, count):
    for _ in range(count):
        call_kernel(i64(row, 1)[0], row)
        row += ROW
    return row


@register_jitable
def tick(table):
    """Take the inputs of the io block, encode, step, decode, guard: once."""
    header = i64(table, CLOCK + 1)
    clock = i64(header[CLOCK], 2)
    first_step = run_rows(table + ROW, header[BEFORE])
    row = first_step
    for _ in range(header[STEPS]):
        row = run_rows(first_step, header[IN_STEP])
        clock[1] += 1
    run_rows(row, header[AFTER])
    clock[0] += 1


def run_tables(first, stride, count):
    """A tick of each of ``count`` tables, ``stride`` bytes apart."""
    for k in range(count):
        tick(first + k * stride)


def tables_function():
    """``run(first, stride, count)`` for tables in a row, callable from Python; it lets the interpreter lock go."""
    return compile_function(run_tables, "void(int64,int64,int64)")


def tick_address() -> int:
    """Address of ``void tick(int64 table)`` for the real-time loop."""
    return compile_callback(tick, "void(int64)")
