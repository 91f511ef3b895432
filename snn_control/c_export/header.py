"""The C header of an exported controller: sizes, the struct, and declarations of the functions that a program calls."""

from __future__ import annotations

from collections.abc import Iterator

from .arrays import PAIR
from .exported import Exported, Input

__all__ = ["header", "interface"]

PAIR_TYPE = """\
#ifndef SNN_PAIR
#define SNN_PAIR
typedef struct { /* a synapse */
    uint32_t target;
    float weight;
} snn_pair;
#endif

"""


def header(e: Exported) -> str:
    """Return the text of the file NAME.h."""
    n, big = e.name, e.big
    pairs = PAIR_TYPE if any(one.c_type == PAIR for one in e.arrays.members) else ""
    prototypes = "\n".join(f"/* {comment} */\n{declaration};" for declaration, comment in interface(e))
    return f"""\
/* {e.title} */
#ifndef {big}_H
#define {big}_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {big}_DIGEST "{e.program.digest}"
#define {big}_PERIOD_NS INT64_C({e.program.facts.period_ns})
#define {big}_STATE_BYTES {e.struct_bytes}
{_sizes(e)}
{pairs}/* All memory of the controller. {n}.json says which array of the engine is where. */
typedef struct {{
{_members(e)}
}} {n}_state;

/* Bits of {n}_status: why the commands are safe ones, and what the guard changed in the last tick. */
enum {{
    {big}_FAULTED = 1,       /* the commands are the safe ones, or go there */
    {big}_INPUT_INVALID = 2, /* a required input is missing, too old or not plausible */
    {big}_NOT_FINITE = 4,    /* a computed output is not finite */
    {big}_IS_STOPPED = 8,    /* {n}_stop or an input stops the commands */
    {big}_CLAMPED = 16,      /* a command was beyond its limits */
    {big}_SLEWED = 32        /* a command did not reach its value in this tick */
}};

{prototypes}

#ifdef __cplusplus
}}
#endif
#endif
"""


def _sizes(e: Exported) -> str:
    lines = []
    for one in e.inputs:
        if one.facts.kind == "value":
            lines.append(f"#define {e.big}_{one.name.upper()}_SIZE {one.facts.size}")
        else:
            lines.append(f"#define {e.big}_{one.name.upper()}_CAPACITY {one.facts.capacity} /* events in a tick */")
    for output in e.outputs:
        unit = f" /* {output.unit} */" if output.unit else ""
        lines.append(f"#define {e.big}_COMMAND_{output.name.upper()}_SIZE {output.size}{unit}")
    return "\n".join(lines) + "\n"


def _members(e: Exported) -> str:
    """Return the declarations of the struct's members; ``status`` fills the struct to a multiple of 8 bytes."""
    last = e.arrays.members[-1]
    free = e.arrays.n_bytes - last.at - last.n_bytes
    lines = [one.declaration() for one in e.arrays.members]
    lines += [f"uint8_t none[{free}];"] if free else []
    lines += [f"float command_{one.name}[{one.size}];" for one in e.outputs]
    words = (e.struct_bytes - e.commands_at) // 4 - sum(one.size for one in e.outputs)
    return "\n".join(f"    {line}" for line in [*lines, f"uint32_t status[{words}];"])


def interface(e: Exported) -> Iterator[tuple[str, str]]:
    """Yield the declaration of each C function that a program calls, and a comment on this function."""
    n, state = e.name, f"{e.name}_state *s"
    yield f"void {n}_init({state})", "Once, before everything else: sets the whole struct."
    yield f"void {n}_reset({state})", "The network starts again in the next tick. Guard and learned weights stay."
    if e.rules:
        yield f"void {n}_forget({state})", "As reset; the learned weights start again too."
    for rule in e.rules:
        yield f"void {n}_learn_{rule.name}({state}, int32_t on)", f"Switch the learning rule {rule.name} on or off."
    for one in e.inputs:
        yield from _of_input(e, one)
    yield (
        f"void {n}_elapsed({state}, int32_t thousandths)",
        ("Before a tick that is late: the time since the last one in thousandths of a period, for limits of slew."),
    )
    yield f"void {n}_step({state})", "One tick. Call it once in a period."
    for output in e.outputs:
        unit = f" [{output.unit}]" if output.unit else ""
        yield (
            f"const float *{n}_command_{output.name}(const {n}_state *s)",
            (f"The {output.size} number{'s' * (output.size > 1)}{unit} of {output.name}, within all limits."),
        )
    yield f"uint32_t {n}_status(const {n}_state *s)", f"Bits {e.big}_FAULTED and others, of the last tick."
    yield f"void {n}_stop({state})", "Go to the safe commands and stay there, until release."
    yield f"void {n}_release({state})", "End a stop, or a fault whose reason has gone."
    text = f"In {n}_selftest.c: ticks whose results are known. Returns the number of words that differ."
    yield f"int {n}_selftest(void)", text
    yield (
        f"int {n}_selftest_in({state})",
        "The same with your struct, so that no second one is in RAM. Calls init at its end.",
    )


def _of_input(e: Exported, one: Input) -> Iterator[tuple[str, str]]:
    n, state, size = e.name, f"{e.name}_state *s", one.facts.size
    if one.facts.kind == "value":
        yield (
            f"void {n}_set_{one.name}({state}, const float *values)",
            (f"A new sample of {one.name}: {size} number{'s' * (size > 1)}."),
        )
    else:
        t, unit = ("int64_t t, ", "; t in ns") if one.timed else ("", "")
        yield (
            f"void {n}_event_{one.name}({state}, {t}uint16_t x, uint16_t y, uint8_t p)",
            (f"A new event of {size[0]} x {size[1]} pixels; p is 0 for OFF{unit}."),
        )
        yield f"void {n}_alive_{one.name}({state})", "The sensor works, although it has sent no event."
    yield (
        f"void {n}_age_{one.name}({state}, int64_t ns)",
        (f"The age of the newest sample of {one.name} at the next tick. If it is not given, ages count in periods."),
    )
