"""NAME_selftest.c: a self-test in C, with the inputs of some ticks and the results that the engine computed from them.

On the robot's processor, the self-test checks that compiler, flags and rounding mode lead to the same bits as in the
engine. After each tick, it compares a hash of the whole state, and the bits of the commands.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..engine.bound import Bound
from ..engine.control_words import ELAPSED, RESTART
from ..engine.program import IO
from .arrays import PAIR, CArray
from .example_ticks import ExampleTicks, Given
from .exported import Exported, Input
from .literals import array, values

__all__ = ["TICKS", "selftest"]

TICKS = 24
RESET_AT, LATE_AT = 17, 9  # ticks with a reset, and with a late start
LATE = 1400  # thousandths of a period

HASH = """\
static uint32_t hash, at;

static void add(uint32_t word) {
    word ^= word >> 15;
    word *= 0x85EBCA6Bu;
    hash += word * (2u * at++ + 1u);
}

"""
#: type of an element -> body of the function that adds it to the hash
ADDS = {
    "float": "snn_bits b; b.f = x[i]; add(snn_magnitude(x[i]) > SNN_INFINITY ? 0x7FC00000u : b.u);",
    "double": "snn_wide b; b.d = x[i]; add((uint32_t)b.u); add((uint32_t)(b.u >> 32));",
    "int64_t": "add((uint32_t)(uint64_t)x[i]); add((uint32_t)((uint64_t)x[i] >> 32));",
    "snn_pair": "snn_bits b; b.f = x[i].weight; add(x[i].target); add(b.u);",
    **dict.fromkeys(("int32_t", "uint32_t", "uint16_t", "uint8_t", "int8_t"), "add((uint32_t)x[i]);"),
}


def selftest(e: Exported) -> str:
    """Return the text of the file NAME_selftest.c. The engine runs the ticks to compute the expected results."""
    given, hashes, commands = _run(e)
    n = e.name
    tables = [line for one, what in zip(e.inputs, given, strict=True) for line in _tables(e, one, what)]
    tables.append(array(f"static const uint32_t expected[{TICKS}]", [f"0x{h:08X}u" for h in hashes]))
    m = commands.shape[1]
    tables.append(array(f"static const double commands[{TICKS * m}]", values(commands)))
    lines = "\n".join(f"        {line}" for one in e.inputs for line in _gives(e, one))
    return f"""\
/* {e.title}
 * {TICKS} ticks and what the engine computed in them. */
#include "{n}.h"

#include "snn_kernels.h"

{chr(10).join(tables)}

{HASH}{"".join(_adders(e))}
static void hash_state(const {n}_state *s) {{
{chr(10).join(f"    {line}" for line in _hashed(e))}
}}

int {n}_selftest_in({n}_state *s) {{
    int differing = 0;
    int32_t t, k;
    {n}_init(s);
    for (t = 0; t < {TICKS}; t++) {{
{lines}
        if (t == {RESET_AT}) {n}_reset(s);
        if (t == {LATE_AT}) {n}_elapsed(s, {LATE});
        {n}_step(s);
        hash = at = 0;
        hash_state(s);
        differing += hash != expected[t];
        for (k = 0; k < {m}; k++) {{
            snn_wide got, wanted;
            got.d = {e.member("command")}[k];
            wanted.d = commands[{m} * t + k];
            differing += ((uint32_t)got.u != (uint32_t)wanted.u) + (got.u >> 32 != wanted.u >> 32);
        }}
    }}
    {n}_init(s);
    return differing;
}}

int {n}_selftest(void) {{
    static {n}_state s;
    return {n}_selftest_in(&s);
}}
"""


# what the engine does ----------------------------------------------------------------------------------------------
def _run(e: Exported) -> tuple[list[Given], list[int], np.ndarray]:
    """Run the ticks in the engine.

    Return three values: the samples and events of each input, the hash of the state after each tick, and the commands
    after each tick, (TICKS, m) float64.
    """
    ticks, hashes, commands = ExampleTicks(e), [], []
    bound = ticks.bound
    control = bound.array("control")
    for t in range(TICKS):
        ticks.give(t)
        control[RESTART] += t == RESET_AT
        control[ELAPSED] = LATE if t == LATE_AT else 0
        bound.tick()
        hashes.append(_hash(e, bound))
        commands.append(bound.array("command").copy())
    return ticks.given, hashes, np.array(commands)


def _hash(e: Exported, bound: Bound) -> int:
    """Return the hash of the engine's state that the C code must compute after a tick."""
    words = [_words(bound, one) for one in _state(e)]
    w = np.concatenate(words)
    w ^= w >> np.uint32(15)
    w *= np.uint32(0x85EBCA6B)
    return int((w * (2 * np.arange(w.size, dtype=np.uint32) + np.uint32(1))).sum(dtype=np.uint32))


def _words(bound: Bound, one: CArray) -> np.ndarray:
    found = []
    for part in one.parts:
        n = np.dtype(part.dtype).itemsize * part.count
        x = bound.state[part.engine : part.engine + n].view(part.dtype).astype(part.c_dtype)
        if x.dtype == np.float32:
            x[np.isnan(x)] = np.uint32(0x7FC00000).view(np.float32)
        found.append(x.view("<u4") if x.dtype.itemsize >= 4 else x.astype("<u4"))
    return np.concatenate(found)


def _state(e: Exported) -> list[CArray]:
    return [one for one in e.arrays.members if one.place.kind != IO]


# what is written ---------------------------------------------------------------------------------------------------
def _tables(e: Exported, one: Input, what: Given) -> Iterator[str]:
    """Yield the C definitions of the constant arrays with an input's samples or events in all ticks."""
    n = one.name
    if one.facts.kind == "value":
        yield array(f"static const uint8_t fresh_{n}[{TICKS}]", [str(k) for k in what.fresh])
        numbers = np.concatenate(what.numbers)
        yield array(f"static const float given_{n}[{numbers.size}]", values(numbers))
        return
    ends = np.cumsum([0, *(columns[0].size for columns in what.events)])
    yield array(f"static const uint16_t first_{n}[{ends.size}]", [str(k) for k in ends])
    kinds = {"t": "int64_t", "x": "uint16_t", "y": "uint16_t", "p": "uint8_t"}
    for k, (key, kind) in enumerate(kinds.items()):
        column = np.concatenate([columns[k] for columns in what.events])
        if key != "t" or one.timed:
            yield array(f"static const {kind} {n}_{key}[{column.size}]", values(column))


def _gives(e: Exported, one: Input) -> Iterator[str]:
    """Yield the C statements that pass the samples or events of tick t to an input."""
    if one.facts.kind == "value":
        yield f"if (fresh_{one.name}[t]) {e.name}_set_{one.name}(s, given_{one.name} + {one.facts.size} * t);"
        return
    keys = ("t", "x", "y", "p") if one.timed else ("x", "y", "p")
    columns = ", ".join(f"{one.name}_{key}[k]" for key in keys)
    yield f"for (k = first_{one.name}[t]; k < first_{one.name}[t + 1]; k++)"
    yield f"    {e.name}_event_{one.name}(s, {columns});"


def _adders(e: Exported) -> Iterator[str]:
    """Yield the C functions that add an array to the hash, one for each element type in the state."""
    kinds = {one.c_type for one in _state(e)}
    rings = [one for one in _state(e) if one.ring]
    if rings:
        kinds |= {"int64_t", "uint32_t"} | ({"uint16_t"} if any(one.multiplicity for one in rings) else set())
    for kind in sorted(kinds - {""}):
        body = "\n        ".join(f"{line.strip()};" for line in ADDS[kind].rstrip(";").split(";"))
        yield f"static void add_{kind}(const {kind} *x, int32_t n) {{\n    int32_t i;\n    for (i = 0; i < n; i++) {{\n"
        yield f"        {body}\n    }}\n}}\n\n"


def _hashed(e: Exported) -> Iterator[str]:
    """Yield the C statements that add the members of the state to the hash."""
    if any(one.ring for one in _state(e)):
        yield "int32_t k;"
    for one in _state(e):
        if one.ring:
            yield f"for (k = 0; k < {one.slots}; k++) {{"
            yield f"    add_int64_t(&s->{one.name}[k].count, 1);"
            yield f"    add_uint32_t(s->{one.name}[k].index, {one.neurons});"
            if one.multiplicity:
                yield f"    add_uint16_t(s->{one.name}[k].times, {one.neurons});"
            yield "}"
        else:
            count = one.count if one.c_type == PAIR or one.slots else one.parts[0].count
            yield f"add_{one.c_type}(s->{one.name}, {count});"
