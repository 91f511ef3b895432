"""Checks of the inputs, once per tick: reject samples that are not finite, not plausible, or that change too fast."""

import numpy as np

from ..control_words import ELAPSED, LEARNING
from ..control_words import WHOLE as WHOLE_TICK
from ..rows import Number, Table, count, kernel, number, read, written
from ..slots import AGE, DROPPED, FRESH, SLOT_WORDS
from . import ZERO

VALID, SAMPLE_GOOD = 0, 1  # words of an input's state: valid in this tick; the newest sample was good
CLAMPED, REJECTED, STALE_TICKS, CUT = range(4)  # counters of an input
REJECT, HIGH, LOW, HOLD = range(4)  # in the order of `coding.inputs.NOT_FINITE`
REPLACED, FAILED, NUMBERS = range(3)  # counters of `replace_not_finite`: numbers replaced, not measured, and all
NO_LIMIT = 1 << 62  # ns: never stale
LIMITS = ("low", "high", "least", "most")  # of the range, and of the plausible values


@kernel()
def check_sample(
    n: Number(0, count.most), slot: read("i64", SLOT_WORDS), data: read("f64", "n", when="n"),
    held: written("f32", "n", when="n"), valid: written("i64", 2), limits: Table("f32", "n", *LIMITS, when="n"),
    max_age: number, counters: written("i64", 4),
):  # fmt: skip
    """Check the newest sample of an input and its age, and clamp the values of the sample to the input's range.

    The whole sample is rejected if a value is not finite or not plausible. An events input (n = 0) has no values; only
    its age is checked.

    held : the clamped values of the last accepted sample; updated
    valid : two numbers: 1 if the input is valid in this tick; 1 if its newest sample was accepted
    max_age : maximum age of the newest sample [ns]
    """
    if slot[FRESH] > 0:
        good = 1
        if n > 0:
            low, high, least, most = limits.low, limits.high, limits.least, limits.most
            rejected = 0
            for i in range(n):  # in float32, like the limits, so that a limit itself is inside; NaN compares False
                value = np.float32(data[i])
                rejected += not ((value >= least[i]) & (value <= most[i]))
            if rejected == 0:
                clamped = 0
                for i in range(n):
                    value = np.float32(data[i])
                    clamped += (value < low[i]) | (value > high[i])
                    value = low[i] if value < low[i] else value
                    held[i] = high[i] if value > high[i] else value
                counters[CLAMPED] += clamped
            else:
                good = 0
                counters[REJECTED] += 1
        valid[SAMPLE_GOOD] = good
    counters[CUT] += slot[DROPPED]
    in_time = (slot[AGE] >= 0) & (slot[AGE] <= max_age)
    if not in_time:
        counters[STALE_TICKS] += 1
    valid[VALID] = np.int64(in_time) & valid[SAMPLE_GOOD]


@kernel(version=2)
def replace_not_finite(
    n: count, slot: read("i64", SLOT_WORDS), data: read("f64", "n"), out: written("f64", "n"), rules: read("u8", "n"),
    limits: Table("f32", "n", *LIMITS), last: written("f32", "n"), age: written("i64", "n"), tick: number,
    max_age: number, counters: written("i64", 3),
):  # fmt: skip
    """Replace the numbers of a sample that are NaN or infinite, before `check_sample` checks the sample.

    Each number has one of these rules:

    - REJECT: nothing is replaced, so `check_sample` rejects the sample.
    - HOLD: NaN and infinity become the number's last finite value, unless this value is older than ``max_age``.
    - HIGH and LOW: positive infinity becomes the upper end of the range and negative infinity the lower end, as in REP
      117. NaN becomes the end that the rule names.

    A sample without any measurement is rejected under all rules.

    last : the last finite value of each number
    age : age of this value [ns]
    tick : length of a tick [ns]
    max_age : maximum age [ns]
    """
    for i in range(n):
        age[i] += tick
    if slot[FRESH] > 0:
        low, high, least, most = limits.low, limits.high, limits.least, limits.most
        replaced, failed, held = 0, 0, 0
        for i in range(n):
            value, rule = np.float32(data[i]), rules[i]
            out[i] = data[i]
            if np.isfinite(value):
                if (value >= least[i]) & (value <= most[i]):
                    last[i], age[i] = value, slot[AGE]
            elif rule == HOLD:
                failed += 1
                good = np.isfinite(last[i]) & (age[i] <= max_age)
                out[i] = np.float64(last[i] if good else np.float32(np.nan))
                replaced += good
                held += good & (max_age < NO_LIMIT)
            elif rule != REJECT:
                failed += value != value
                up = value > ZERO if value == value else rule == HIGH
                out[i] = np.float64(high[i] if up else low[i])
                replaced += 1
        counters[NUMBERS] += n
        if (failed == n) & (held == 0):
            out[:] = np.nan
        else:
            counters[REPLACED] += replaced
            counters[FAILED] += failed


MOTION = Table("f32", "n", "rate", "jump")  # largest change of a number: per second, and between two samples
JUMPED, FROZE = 0, 1  # counters of `reject_implausible`: samples that moved too far, or stood still too long
SINCE_ACCEPTED, SINCE_CHANGED = 0, 1  # [ns], -1 before the first sample
PER_NS = 1e-9
LONGEST_TICK, MOST_COUNTED = 10**15, 1_000_000  # ns; maximum thousandths of a tick for one pause


@kernel()
def reject_implausible(
    n: count, slot: read("i64", SLOT_WORDS), data: read("f64", "n"), out: written("f64", "n"), motion: MOTION,
    limits: Table("f32", "n", *LIMITS), accepted: written("f32", "n"), seen: written("f32", "n"),
    since: written("i64", 2), tick: Number(1, LONGEST_TICK), frozen: number, control: read("i64", LEARNING),
    counters: written("i64", 2),
):  # fmt: skip
    """Reject samples that a working sensor would not report: ``out`` is the sample, or NaN if it breaks a rule.

    The rules are:
    - Rate: since the last accepted sample, a number may change by at most ``rate`` times (elapsed time plus one tick).
      The extra tick is needed because a sample may have arrived up to a tick earlier or later.
    - Jump: since the last sample, accepted or not, a number may change by at most ``jump``.
    - Frozen: at least one number must have changed within the time ``frozen``; otherwise the sensor probably hangs.

    The elapsed time is in ``control``. The driver, which is the code that runs the ticks, writes it.

    accepted : values of the last accepted sample
    seen : values of the last sample, accepted or not
    since : two times [ns]: since the last accepted sample, and since a number changed; -1 before the first sample
    tick : length of a tick [ns]
    frozen : longest time without a change [ns]
    """
    elapsed = min(control[ELAPSED], MOST_COUNTED) if control[ELAPSED] > 0 else WHOLE_TICK
    passed = np.int64(np.float64(tick) * (np.float64(elapsed) / WHOLE_TICK))
    for k in range(2):
        if since[k] >= 0:
            since[k] = min(since[k] + passed, NO_LIMIT)
    if slot[FRESH] > 0:
        far, same, whole, sound = False, since[SINCE_CHANGED] >= 0, True, True
        seconds = np.float64(since[SINCE_ACCEPTED] + tick) * PER_NS
        for i in range(n):
            value = np.float32(data[i])
            whole &= np.isfinite(value)
            sound &= (value >= limits.least[i]) & (value <= limits.most[i])
            if since[SINCE_ACCEPTED] >= 0:
                far |= abs(np.float64(value) - np.float64(accepted[i])) > np.float64(motion.rate[i]) * seconds
            if since[SINCE_CHANGED] >= 0:
                far |= abs(np.float64(value) - np.float64(seen[i])) > np.float64(motion.jump[i])
                same &= value == seen[i]
        if not same and whole:
            since[SINCE_CHANGED] = 0
            for i in range(n):
                seen[i] = np.float32(data[i])
        stands = same & (since[SINCE_CHANGED] > frozen)
        counters[JUMPED] += far
        counters[FROZE] += stands
        good = not (far | stands) and sound
        for i in range(n):
            out[i] = np.nan if far | stands else data[i]
            if good:
                accepted[i] = np.float32(data[i])
        if good:
            since[SINCE_ACCEPTED] = 0
