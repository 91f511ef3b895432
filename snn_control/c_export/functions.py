"""The C source file of an exported controller: its constants, the tick, and the functions that a program calls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..engine.kernels.guard import guard
from ..engine.program import Place
from .calls import member, statements
from .exported import Exported, Input
from .header import interface
from .initial import Initial, clear, texts
from .literals import array

__all__ = ["source"]


def source(e: Exported) -> str:
    """Return the text of the file NAME.c."""
    initial = Initial(e)
    block = e.program.constants
    constants = [
        array(f"static const {one.c_type} {e.name}_{one.name}[{one.count}]", texts(one.c_type, one.place.view(block)))
        for one in e.arrays.constants
    ]
    parts = [
        f'/* {e.title} */\n#include "{e.name}.h"\n\n{_options(e)}#include "snn_kernels.h"',
        f"typedef char has_no_padding[sizeof({e.name}_state) == {e.big}_STATE_BYTES ? 1 : -1];",
        "\n".join([*constants, *initial.constants()]),
        *_beginnings(e, initial),
        _control(e),
        _tick(e),
        *_public(e),
    ]
    return "\n\n".join(parts) + "\n"


def _limits(e: Exported) -> Place:
    """Return the memory place of the commands' limits, an operand of the guard's kernel."""
    limits = e.program.operations[-1].operands[guard.words.index("limits")]
    assert isinstance(limits, Place)
    return limits


def _options(e: Exported) -> str:
    """Return the preprocessor definitions that disable code of the kernels that this controller does not need."""
    m = sum(one.size for one in e.outputs)
    motion = _limits(e).view(e.program.constants).reshape(-1)[3 * m :]
    return "" if np.isfinite(motion).any() else "#define SNN_MOTION_LIMITS 0\n"


def _function(declaration: str, lines: list[str]) -> str:
    """Return the text of a C function with these lines, after declarations of the loop variables that they use."""
    found = [x for x in ("i", "step") if any(f"for ({x} = " in line for line in lines)]
    head = [f"int32_t {', '.join(found)};"] if found else []
    return "\n".join([f"{declaration} {{", *(f"    {line}" for line in [*head, *lines]), "}"])


def _beginnings(e: Exported, initial: Initial) -> Iterator[str]:
    """Yield the C functions that set the initial state of the network and, if there are any, of learned weights."""
    state = f"{e.name}_state *s"
    lines = [*clear(e.network), *initial.begin(e.network)]
    yield _function(f"static void {e.name}_begin_network({state})", lines or ["(void)s;"])
    if e.rules:
        yield _function(f"static void {e.name}_begin_weights({state})", [*clear(e.learned), *initial.begin(e.learned)])


def _init(e: Exported) -> list[str]:
    initial = Initial(e)
    lines = [f"snn_zero(s, {e.big}_STATE_BYTES);", *initial.begin(e.others), f"{e.name}_begin_network(s);"]
    lines += [f"{e.name}_begin_weights(s);"] if e.rules else []
    lines += [f"{e.member(f'{one.facts.name}.slot')}[SNN_AGE] = -1;" for one in e.inputs]
    asked, taken = e.member("control"), e.member("controlled")
    return lines + [f"{asked}[{rule.asked}] = {taken}[{rule.taken}];" for rule in e.rules]


def _control(e: Exported) -> str:
    """Return the C function that executes the requests in the control words.

    It copies the words, and resets the network or the learned weights if requested.
    """
    asked, taken, n = e.member("control"), e.member("controlled"), e.name
    lines = [f"const int64_t before = {taken}[SNN_RESTART], now = {asked}[SNN_RESTART];"]
    lines += [f"for (i = 0; i < SNN_LEARNING; i++) {taken}[i] = {asked}[i];"]
    lines += [f"{taken}[{rule.taken}] = {asked}[{rule.asked}];" for rule in e.rules]
    lines += [f"if (now != before) {n}_begin_network(s);"]
    lines += [f"if (now >> 32 != before >> 32) {n}_begin_weights(s);"] if e.rules else []
    return _function(f"static void {n}_take_control({n}_state *s)", lines)


def _tick(e: Exported) -> str:
    lines = [f"{e.name}_take_control(s);", *statements(e.program, e.arrays, e.name)]
    return _function(f"static void {e.name}_tick({e.name}_state *s)", lines)


def _public(e: Exported) -> Iterator[str]:
    """Yield the C functions that a program calls, see `header.interface`."""
    bodies = {"init": _init(e), "step": _step(e), **_requests(e)}
    for one in e.inputs:
        bodies |= _of_input(e, one)
    for output in e.outputs:
        bodies[f"command_{output.name}"] = [f"return s->command_{output.name};"]
    for declaration, _ in interface(e):
        what = declaration.partition("(")[0].split()[-1].removeprefix("*").removeprefix(f"{e.name}_")
        if not what.startswith("selftest"):
            yield _function(declaration, bodies[what])


def _requests(e: Exported) -> dict[str, list[str]]:
    asked = e.member("control")
    bodies = {
        "reset": [f"{asked}[SNN_RESTART]++;"],
        "forget": [f"{asked}[SNN_RESTART] += INT64_C(1) << 32;"],
        "elapsed": [f"{asked}[SNN_ELAPSED] = thousandths;"],
        "status": ["return s->status[0];"],
        "stop": [f"{asked}[SNN_RELEASE] |= SNN_HELD;"],
        "release": [f"{asked}[SNN_RELEASE] = ({asked}[SNN_RELEASE] & ~SNN_HELD) + 1;"],
    }
    return bodies | {f"learn_{rule.name}": [f"{asked}[{rule.asked}] = on != 0;"] for rule in e.rules}


def _of_input(e: Exported, one: Input) -> dict[str, list[str]]:
    name = one.facts.name
    slot = e.member(f"{name}.slot")
    bodies = {
        f"age_{one.name}": [f"{slot}[SNN_AGE] = ns < SNN_OLDEST ? ns : SNN_OLDEST;", f"{slot}[SNN_AGE_GIVEN] = 1;"]
    }
    if one.facts.kind == "value":
        data = e.member(f"{name}.data")
        copy = f"for (i = 0; i < {one.facts.size}; i++) {data}[i] = values[i];"
        return bodies | {f"set_{one.name}": [copy, f"{slot}[SNN_FRESH]++;"]}
    keys = ("t", "x", "y", "p") if one.timed else ("x", "y", "p")
    columns = {key: e.member(f"{name}.{key}") for key in keys}
    lines = [f"const int64_t at = {slot}[SNN_COUNT];", f"{slot}[SNN_FRESH]++;"]
    lines += [f"if (at >= {one.facts.capacity}) {{", f"    {slot}[SNN_DROPPED]++;", "    return;", "}"]
    lines += [f"{column}[at] = {key};" for key, column in columns.items()] + [f"{slot}[SNN_COUNT] = at + 1;"]
    return bodies | {f"event_{one.name}": lines, f"alive_{one.name}": [f"{slot}[SNN_FRESH]++;"]}


def _step(e: Exported) -> list[str]:
    """Return the lines of the C function ``step``, which runs a tick.

    They update the ages of the inputs, run the tick, set the status, and convert the commands to float.
    """
    words, asked, command = e.member("guard"), e.member("control"), e.member("command")
    slots = [e.member(f"{one.facts.name}.slot") for one in e.inputs]
    low, m = member(e.arrays.find(_limits(e))[0], e.name), sum(one.size for one in e.outputs)
    lines = [f"const int64_t clamps = {words}[SNN_CLAMPS], slewed = {words}[SNN_SLEWED];", "int64_t reason;"]
    lines += [f"snn_begin_input({slot}, {e.big}_PERIOD_NS);" for slot in slots]
    lines += [f"{e.name}_tick(s);"]
    lines += [f"snn_end_input({slot});" for slot in slots]
    lines += [f"{asked}[SNN_ELAPSED] = 0;", f"reason = {words}[SNN_REASON];"]
    lines += [
        f"s->status[0] = (uint32_t)({words}[SNN_FAULTED] != 0) | (reason & SNN_INPUT_INVALID ? 2u : 0u) |",
        "               (reason & SNN_NOT_FINITE ? 4u : 0u) |",
        "               (reason & (SNN_STOPPED | SNN_STOP_INPUT | SNN_OPERATOR) ? 8u : 0u) |",
        f"               ({words}[SNN_CLAMPS] != clamps ? 16u : 0u) | ({words}[SNN_SLEWED] != slewed ? 32u : 0u);",
    ]
    for one in e.outputs:
        k = f"{one.first} + i" if one.first else "i"
        rounded = f"snn_rounded({command}[{k}], {low}[{k}], {low}[{m + one.first} + i]);"
        lines += [f"for (i = 0; i < {one.size}; i++)", f"    s->command_{one.name}[i] = {rounded}"]
    return lines
