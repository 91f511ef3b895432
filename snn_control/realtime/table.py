"""The loop's table: an int64 array of settings, state and counters, which Python and compiled code share.

Each setting, state variable and counter has a fixed index in the table, its *word*. Some elements are addresses of
further tables, which have one row for each input, output, observer or safe value.
"""

from __future__ import annotations

from numba.extending import register_jitable

from ..engine.memory import i64, load_i64, store_i64
from ..engine.slots import SLOT_WORDS

# Settings, written by Python before the start; the number of rows follows their address:
(
    MODE, PERIOD, PHASE, TIMEOUT, TICK_LIMIT, FINAL_COMMAND, WARM, TICK, TICK_TABLE, SEMAPHORE, GUARD, CONTROL, RAMPS,
    BUDGET, HALT, TRIGGER, MOST_MISSED, WAKE_HISTOGRAM, TICK_HISTOGRAM, LATENCY_HISTOGRAM,
    INPUTS, N_INPUTS, OUTPUTS, N_OUTPUTS, OBSERVERS, N_OBSERVERS, SAFES, N_SAFES, HANDOVER,
) = range(29)  # fmt: skip
# words shared between threads while the loop runs, and its counters:
(
    STOP, RUNNING, TICKS, HEARTBEAT, LAST_TICK, TIMESPEC, TIMESPEC_2, TICK_STAMP, STARVED, LAST_PERIOD, ASLEEP,
    MISSED, OVERRUNS, PUBLISHED, PUBLISH_ERRORS, LAST_PUBLISH_ERROR, LAST_TAKE_ERROR, TIMEOUTS, STAMP_MISMATCH,
    STAMP_BACKWARDS, STAMPS_UNRELATED, LATE_PUBLICATIONS, LONGEST_PUBLICATION, WITHHELD_TICKS, PUBLISHING,
    TABLE_WORDS,
) = range(29, 55)  # fmt: skip

#: name of a statistic -> its word
COUNTERS = {
    "ticks": TICKS, "missed": MISSED, "overruns": OVERRUNS, "published": PUBLISHED, "publish_errors": PUBLISH_ERRORS,
    "last_publish_error": LAST_PUBLISH_ERROR, "last_take_error": LAST_TAKE_ERROR, "timeouts": TIMEOUTS,
    "stamp_mismatch": STAMP_MISMATCH, "stamp_backwards": STAMP_BACKWARDS, "stamps_unrelated": STAMPS_UNRELATED,
    "late_publications": LATE_PUBLICATIONS, "longest_publication_ns": LONGEST_PUBLICATION, "withheld": WITHHELD_TICKS,
}  # fmt: skip

# words of a row: of an input; of an output or observer; of safe values
(
    IN_FUNCTION, IN_CONTEXT, IN_SLOT, IN_OWN_AGE, IN_LIMIT, IN_UNAWAITED, IN_GOT, IN_TAKEN, IN_ERRORS, IN_TIMEOUTS,
    IN_WORDS,
) = range(11)  # fmt: skip
INPUT_COUNTERS = {"taken": IN_TAKEN, "errors": IN_ERRORS, "timeouts": IN_TIMEOUTS}
OUT_FUNCTION, OUT_CONTEXT, OUT_WORDS = range(3)
SAFE_COMMAND, SAFE_VALUE, SAFE_LENGTH, SAFE_WORDS = range(4)


@register_jitable
def get(address, word):
    """Return element ``word`` of the int64 array at ``address``."""
    return load_i64(address + 8 * word)


@register_jitable
def put(address, word, value):
    store_i64(address + 8 * word, value)


@register_jitable
def add(address, word, value):
    store_i64(address + 8 * word, load_i64(address + 8 * word) + value)


@register_jitable
def row_of(table, rows, words, k):
    """Return the address of row ``k`` of a further table, for example of the table of inputs.

    table : address of the loop's table
    rows : index of the element of the loop's table that contains the address of row 0
    words : number of int64 words in a row
    """
    return get(table, rows) + 8 * words * k


@register_jitable
def input_row(table, k):
    """Return the address of row ``k`` in the table of inputs."""
    return row_of(table, INPUTS, IN_WORDS, k)


@register_jitable
def slot_of(row):
    """Return an input's header as an int64 array (`snn_control.engine.slots`). ``row``: address of the input's row."""
    return i64(get(row, IN_SLOT), SLOT_WORDS)
