"""The tick: one compiled function that processes a bound table. It depends on no kernel and is never compiled again.

Table, int64, rows of `WORDS`. Row 0 is the header: operations before the steps, in each step and after them, steps in a
tick, address of the clock (int64 [tick, step], in the state); the control words as requested (io) and as taken (state),
and the number of learning rules; what a restart resets: the parts of the state (int64 rows offset and bytes), their
number, the state and its initial content. Each further row is one operation.
"""

from __future__ import annotations

from numba.extending import register_jitable

from .control import LEARNING, RESTART, SWITCH_WORDS
from .memory import call_kernel, i64
from .rows import WORDS

__all__ = ["HEADER", "TABLES", "run_tables", "tick_address"]

TABLES = "void(int64,int64,int64)"

HEADER = (
    "before", "in_step", "after", "steps", "clock", "asked", "taken", "rules", "restarts", "n_restarts", "state",
    "initial",
)  # fmt: skip
BEFORE, IN_STEP, AFTER, STEPS, CLOCK, ASKED, TAKEN, RULES, RESTARTS, N_RESTARTS, STATE, INITIAL = range(len(HEADER))
ROW = 8 * WORDS  # bytes


@register_jitable(forceinline=True)
def run_rows(row, count):
    for _ in range(count):
        call_kernel(i64(row, 1)[0], row)
        row += ROW
    return row


@register_jitable
def restart(header):
    """Reset the parts of the state that belong to the network."""
    parts = i64(header[RESTARTS], 2 * header[N_RESTARTS])
    for k in range(header[N_RESTARTS]):
        offset, words = parts[2 * k], parts[2 * k + 1] // 8
        now, initial = i64(header[STATE] + offset, words), i64(header[INITIAL] + offset, words)
        for i in range(words):
            now[i] = initial[i]


@register_jitable
def take_control(header):
    """Copy the control words into the state, and restart the network if requested."""
    rules = header[RULES]
    asked, taken = i64(header[ASKED], LEARNING + rules), i64(header[TAKEN], LEARNING + SWITCH_WORDS * rules)
    again = asked[RESTART] != taken[RESTART]
    for k in range(LEARNING):
        taken[k] = asked[k]
    for k in range(rules):
        taken[LEARNING + SWITCH_WORDS * k] = asked[LEARNING + k]
    if again:
        restart(header)


@register_jitable(forceinline=True)
def encode(table):
    """Take the control words and the inputs of the io block, and encode. Returns the address of the next row."""
    header = i64(table, len(HEADER))
    if header[ASKED] != 0:
        take_control(header)
    return run_rows(table + ROW, header[BEFORE])


@register_jitable(forceinline=True)
def run_steps(table, first_step):
    """Run the network's steps, the decoders, and the guard."""
    header = i64(table, len(HEADER))
    clock = i64(header[CLOCK], 2)
    row = first_step
    for _ in range(header[STEPS]):
        row = run_rows(first_step, header[IN_STEP])
        clock[1] += 1
    run_rows(row, header[AFTER])
    clock[0] += 1


@register_jitable(forceinline=True)
def tick(table):
    """Run a whole tick: encode, step, decode, guard."""
    run_steps(table, encode(table))


def run_tables(first, stride, count):
    """Run a tick of each of ``count`` tables, ``stride`` bytes apart; to be compiled as `TABLES`."""
    for k in range(count):
        tick(first + k * stride)


def tick_address() -> int:
    """Address of ``void tick(int64 table)`` for the real-time loop."""
    from .compile import compile_callback  # imported here so that the digest of compiled code does not depend on it

    return compile_callback(tick, "void(int64)")
