"""The README of an exported controller: a list of the files, sizes, and example code that calls the controller."""

from __future__ import annotations

from .exported import Exported
from .initial import Initial

__all__ = ["constant_bytes", "readme"]


def constant_bytes(e: Exported) -> int:
    """Return the size of the constants in C: parameters, weights and initial state [bytes]."""
    return sum(one.n_bytes for one in e.arrays.constants) + Initial(e).n_bytes


def example(e: Exported) -> str:
    """Return example C code that runs the controller."""
    n, lines = e.name, []
    for one in e.inputs:
        if one.facts.kind == "value":
            lines.append(
                f"    {n}_set_{one.name}(&s, {one.name});   /* float[{one.facts.size}]; only when it arrives */"
            )
        else:
            t = "t, " if one.timed else ""
            lines.append(f"    {n}_event_{one.name}(&s, {t}x, y, p);   /* for each event */")
    commands = [f"    use({n}_command_{one.name}(&s));   /* {one.size} float {one.unit}*/" for one in e.outputs]
    return "\n".join([
        f"static {n}_state s;", "", f"if ({n}_selftest_in(&s) != 0) halt();   /* once; it also initialises s */",
        f"for (;;) {{   /* every {e.program.facts.period_ns / 1e6:g} ms */", *lines, f"    {n}_step(&s);", *commands,
        f"    if ({n}_status(&s) & {e.big}_FAULTED) warn();", "}",
    ])  # fmt: skip


def readme(e: Exported) -> str:
    """Return the text of the file README.md."""
    n = e.name
    return f"""\
# {n}

{e.title}. C99 without libraries, memory allocation or libm. It computes the bits that snn_control computes.

| file | what |
|---|---|
| `{n}.h`, `{n}.c` | the controller; `{n}_state` is all its memory |
| `snn_kernels.h` | the kernels that it uses |
| `{n}_selftest.c` | ticks whose results are known; compile it too, at least for a test |
| `{n}.json` | which array of the engine is where in `{n}_state`; only for tools |

The files are yours: use them under the terms of your own project.

| | bytes |
|---|---|
| constants of the source (flash) | {constant_bytes(e):,} |
| `{n}_state` (RAM) | {e.struct_bytes:,} |

The machine code comes on top, and a compiler puts small constants into it, or leaves them out if no code needs them.
`snn_control export FILE --c FOLDER --target cortex-m4f` measures both.

## Call it

```c
{example(e)}
```

An input that gets no sample becomes older by a period in each tick. When it is too old, the guard moves the commands
to their safe values. `{n}_stop` does the same at once, until `{n}_release`.

## Compile it

Any C99 compiler, any optimisation; not `-ffast-math`, and not `-ffp-contract=fast` with clang. The processor must round
to nearest (all do after a reset). `{n}_selftest` returns 0 where all this holds.
"""
