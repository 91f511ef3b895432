"""The tick: one compiled function that runs all operations of a bound Program.

The function reads the operations from the Program's table, int64 in rows of `WORDS`. The function does not depend on
the kernels, so it is compiled only once. Row 0 of the table is the header. Each other row is one operation: the address
of its kernel, followed by the operands. The header (`HEADER`) has these words:

before, in_step, after : number of operations before the network steps, in each step, and after the steps
steps : number of network steps in a tick
clock : address of the clock, int64 [tick, step], in the state
asked, taken : addresses of the control words: requested ones (io block) and accepted ones (state)
rules : number of learning rules
restarts, n_restarts : address and number of the parts of the state that a restart resets; a part is (offset, bytes)
state, initial : addresses of the state and of its initial content
forgets, n_forgets : address and number of the parts of the state with learned weights
tunable : number of tunable numbers
setting : address of the newest setting of the tunable numbers; 0 if there is no setting
"""

from __future__ import annotations

from numba.extending import register_jitable

from .atomics import load_acquire
from .control_words import FORGET, LEARNING, RESTART, SWITCH_WORDS
from .memory import call_kernel, i64, u32
from .rows import WORDS

__all__ = ["HEADER", "TABLES", "run_tables", "tick_address"]

TABLES = "void(int64,int64,int64)"

HEADER = (
    "before", "in_step", "after", "steps", "clock", "asked", "taken", "rules", "restarts", "n_restarts", "state",
    "initial", "forgets", "n_forgets", "tunable", "setting",
)  # fmt: skip
(
    BEFORE, IN_STEP, AFTER, STEPS, CLOCK, ASKED, TAKEN, RULES, RESTARTS, N_RESTARTS, STATE, INITIAL, FORGETS,
    N_FORGETS, TUNABLE, SETTING,
) = range(len(HEADER))  # fmt: skip
ROW = 8 * WORDS  # bytes


@register_jitable(forceinline=True)
def run_rows(row, count):
    for _ in range(count):
        call_kernel(i64(row, 1)[0], row)
        row += ROW
    return row


@register_jitable
def reset_parts(header, address, count):
    """Reset parts of the state to their initial content.

    header : header of the table
    address : address of ``count`` pairs of int64: offset and size of a part [bytes]
    """
    parts = i64(address, 2 * count)
    for k in range(count):
        offset, words = parts[2 * k], parts[2 * k + 1] // 4
        now, initial = u32(header[STATE] + offset, words), u32(header[INITIAL] + offset, words)
        for i in range(words):
            now[i] = initial[i]


@register_jitable
def take_setting(header, setting):
    """Apply a *setting*, which contains new values of the tunable numbers, unless the setting was applied before.

    A setting changes the words of constants and initial state that depend on the tunable numbers. The values of the
    tunable numbers are stored in the state as well. A setting consists of these int64 words:

    - the number of the setting;
    - n, the number of 32-bit words in memory that change;
    - the values of the tunable numbers;
    - the n addresses of these 32-bit words;
    - the n new values of these 32-bit words, two in each int64.
    """
    tunable = header[TUNABLE]
    given = i64(setting, 2 + tunable)
    taken = i64(header[TAKEN] + 8 * (LEARNING + SWITCH_WORDS * header[RULES]), 1 + tunable)
    if given[0] == taken[0]:
        return
    n = given[1]
    places, words = i64(setting + 8 * (2 + tunable), n), u32(setting + 8 * (2 + tunable + n), n)
    for k in range(n):
        u32(places[k], 1)[0] = words[k]
    taken[0] = given[0]
    for k in range(tunable):
        taken[1 + k] = given[2 + k]


@register_jitable
def take_control(header, table):
    """Accept the control words: apply a new setting, copy the words to the state, and execute requested restarts.

    header : header of the table
    table : address of the table
    """
    rules = header[RULES]
    setting = load_acquire(table + 8 * SETTING)
    if setting != 0:
        take_setting(header, setting)
    asked, taken = i64(header[ASKED], LEARNING + rules), i64(header[TAKEN], LEARNING + SWITCH_WORDS * rules)
    before, now = taken[RESTART], asked[RESTART]
    for k in range(LEARNING):
        taken[k] = asked[k]
    for k in range(rules):
        taken[LEARNING + SWITCH_WORDS * k] = asked[LEARNING + k]
    if now != before:
        reset_parts(header, header[RESTARTS], header[N_RESTARTS])
        if now // FORGET != before // FORGET:
            reset_parts(header, header[FORGETS], header[N_FORGETS])


@register_jitable(forceinline=True)
def encode(table):
    """Run the first part of a tick: accept the control words, check and encode the inputs.

    table : address of the bound Program's table

    Return the address of the table's row with which `run_steps` continues.
    """
    header = i64(table, len(HEADER))
    if header[ASKED] != 0:
        take_control(header, table)
    return run_rows(table + ROW, header[BEFORE])


@register_jitable(forceinline=True)
def run_steps(table, first_step):
    """Run the second part of a tick: network steps, decoders and guard.

    first_step : result of `encode`, the address of the first operation of a network step
    """
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
    run_steps(table, encode(table))


def run_tables(first, stride, count):
    """Run one tick for each of ``count`` controllers.

    first, stride : address of the first controller's table, and bytes from one table to the next

    `TABLES` is the signature with which this function is compiled.
    """
    for k in range(count):
        tick(first + k * stride)


def tick_address() -> int:
    """Return the address of the compiled function ``void tick(int64 table)``, for the real-time loop."""
    from .compile import compile_callback  # imported here so that the digest of compiled code does not depend on it

    return compile_callback(tick, "void(int64)")
