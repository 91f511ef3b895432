"""Microcontroller processors: compile exported C for them with zig, and build images that an emulator runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .compilers import compile_c, zig
from .elf import Elf

__all__ = ["FLASH_AT", "RAM_AT", "ROOM", "TARGETS", "Target", "build_image", "build_object", "build_program"]


@dataclass(frozen=True)
class Target:
    """A processor for which exported C can be compiled.

    flags : compiler flags of zig
    model : name of the processor in the emulator; "" for AArch64
    cycles : estimated clock cycles per instruction, without wait states of the flash
    """

    flags: tuple[str, ...]
    model: str
    cycles: float = 1.6

    def seconds(self, instructions: float, mhz: float) -> float:
        """Return the estimated run time of instructions [s], without wait states of the flash.

        mhz : clock rate [MHz]
        """
        return instructions * self.cycles / (mhz * 1e6)


def _thumb(abi: str, cpu: str) -> tuple[str, ...]:
    return "-target", f"thumb-freestanding-{abi}", f"-mcpu={cpu}"


TARGETS: Mapping[str, Target] = {
    "cortex-m0plus": Target(_thumb("eabi", "cortex_m0plus"), "M0"),
    "cortex-m3": Target(_thumb("eabi", "cortex_m3"), "M3"),
    "cortex-m4f": Target(_thumb("eabihf", "cortex_m4+vfp4d16sp"), "M4"),
    "cortex-m7": Target(_thumb("eabihf", "cortex_m7+fp_armv8d16sp"), "M7", 1.0),
    "cortex-m33": Target(_thumb("eabihf", "cortex_m33+fp_armv8d16sp"), "M33"),
    "aarch64": Target(("-target", "aarch64-freestanding-none"), "", 1.0),
}
FREESTANDING = (
    "-std=c99", "-ffreestanding", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fno-sanitize=all",
    "-ffunction-sections", "-fdata-sections", "-g",  # without -g, -Os leaves the symbols out
)  # fmt: skip
FLASH_AT, RAM_AT, ROOM = 0x0800_0000, 0x2000_0000, 64 << 20
SCRIPT = f"""\
ENTRY(entry)
MEMORY {{
  flash (rx) : ORIGIN = {FLASH_AT:#x}, LENGTH = {ROOM}
  ram (rwx) : ORIGIN = {RAM_AT:#x}, LENGTH = {ROOM}
}}
SECTIONS {{
  .text : {{ *(.text*) }} > flash
  .rodata : {{ *(.rodata*) }} > flash
  .ARM.exidx : {{ *(.ARM.exidx*) }} > flash
  .data : {{ *(.data*) }} > ram AT> flash
  .bss (NOLOAD) : {{ *(.bss*) *(COMMON) }} > ram
  /DISCARD/ : {{ *(.comment) *(.eh_frame*) }}
}}
"""
MAIN = """\
#include "{name}.h"
{name}_state state;
float buffer[{floats}];
void entry(void);
void entry(void) {{ for (;;) __asm__ volatile(""); }}
"""
STANDARD = """\
void *memset(void *to, int value, __SIZE_TYPE__ n);
void *memset(void *to, int value, __SIZE_TYPE__ n) {
    unsigned char *p = to;
    while (n--) { *p++ = (unsigned char)value; __asm__ volatile(""); }
    return to;
}
void *memcpy(void *to, const void *from, __SIZE_TYPE__ n);
void *memcpy(void *to, const void *from, __SIZE_TYPE__ n) {
    unsigned char *p = to;
    const unsigned char *q = from;
    while (n--) { *p++ = *q++; __asm__ volatile(""); }
    return to;
}
"""


def build_object(
    folder: Path, name: str, target: Target, optimise: str, build: Path, flags: tuple[str, ...] = ()
) -> Elf:
    """Compile the controller in a folder, without its self-test, and return the object file, to read its code size.

    zig caches the object file, so that a second call with the same arguments takes little time.

    optimise : optimisation flag of the compiler
    build : folder for the compiler's output
    flags : further flags of the compiler
    """
    made = build / f"{name}.o"
    compile_c(zig(), [*target.flags, *FREESTANDING, optimise, *flags, "-c", folder / f"{name}.c", "-o", made])
    return Elf(made)


def build_program(folder: Path, name: str, target: Target, optimise: str, build: Path) -> Elf:
    """Link a program that uses all functions of the controller except the self-test. Return it, to read its sizes.

    The arguments are those of `build_object`.
    """
    main, script, image = build / "used.c", build / "used.ld", build / "used.elf"
    functions = sorted(build_object(folder, name, target, optimise, build).functions & _interface(folder, name))
    declared = "\n".join(f"extern void {one}(void);" for one in functions)
    table = ", ".join(functions)
    use = f"void (*const used[])(void) = {{{table}}};\nvoid entry(void);\n"
    use += 'void entry(void) { __asm__ volatile("" :: "r"(used)); for (;;) __asm__ volatile(""); }\n'
    main.write_text(f"{declared}\n{use}{STANDARD}")
    script.write_text(SCRIPT)
    link = ["-nostdlib", "-lcompiler_rt", f"-Wl,-T,{script}", "-Wl,--entry=entry", "-Wl,--gc-sections"]
    compile_c(zig(), [*target.flags, *FREESTANDING, optimise, build / f"{name}.o", main, *link, "-o", image])
    return Elf(image)


def _interface(folder: Path, name: str) -> set[str]:
    return set(re.findall(rf"\b({name}_\w+)\(", (folder / f"{name}.h").read_text()))


def build_image(
    folder: Path, name: str, target: Target, optimise: str, build: Path, flags: tuple[str, ...] = (), floats: int = 64
) -> Elf:
    """Compile and link the controller in a folder with its self-test. Return an image that the emulator runs.

    flags : further flags of the compiler
    floats : number of float in the image's buffer for input samples
    """
    main, script, image = build / "main.c", build / "image.ld", build / "image.elf"
    main.write_text(MAIN.format(name=name, floats=floats) + STANDARD)
    script.write_text(SCRIPT)
    build_object(folder, name, target, optimise, build, flags)
    sources = [build / f"{name}.o", folder / f"{name}_selftest.c", main]
    link = ["-nostdlib", "-lcompiler_rt", f"-Wl,-T,{script}", "-Wl,--entry=entry", "-Wl,--no-gc-sections"]
    compile_c(zig(), [*target.flags, *FREESTANDING, optimise, *flags, "-I", folder, *sources, *link, "-o", image])
    return Elf(image)
