"""Run exported C on an emulated microcontroller, to compare its results with the engine and count its instructions."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RuntimeFault, optional
from .layout import Layout
from .targets import FLASH_AT, RAM_AT, ROOM, TARGETS, Target, build_image

__all__ = ["EmulatedMachine"]

STOP_AT, SYSTEM_AT = 0x1000_0000, 0xE000_E000  # where a function returns to; registers of the processor
ACCESS = 0xE000_ED88  # the register that switches the floating-point unit on
SET_ROUNDING = bytes.fromhex("e1ee102a7047")  # vmsr fpscr, r2; bx lr
MOST_INSTRUCTIONS = 2_000_000_000


class EmulatedMachine:
    """A `snn_control.c_export.mirror.Machine` that runs the exported C in a folder on an emulated processor.

    target : name of the processor, a key of `TARGETS`
    instructions : number of instructions that the last call executed; only counted if ``count`` is true
    """

    def __init__(
        self, folder: Path, layout: Layout, target: str = "cortex-m4f", optimise: str = "-O2", count: bool = False,
        flags: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._unicorn: Any = optional("unicorn", "an emulated processor", "c", RuntimeFault)
        self._target: Target = TARGETS[target]
        with tempfile.TemporaryDirectory() as build:
            elf = build_image(folder, layout.name, self._target, optimise, Path(build), flags)
        self._symbols, self._name, self._bytes = elf.symbols, layout.name, layout.n_bytes
        self._at = elf.symbols["state"][0]
        self.buffer = elf.symbols["buffer"][0]
        self.instructions = 0
        self._blocks: dict[tuple[int, int], int] = {}
        self._machine = self._start(elf.segments)
        if count:
            self._machine.hook_add(self._unicorn.UC_HOOK_BLOCK, self._count)

    def _start(self, segments: list[tuple[int, bytes]]) -> Any:
        uc = self._unicorn
        if self._target.model:
            from unicorn import arm_const as arm

            machine = uc.Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB | uc.UC_MODE_MCLASS)
            machine.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_CORTEX_{self._target.model}"))
        else:
            machine = uc.Uc(uc.UC_ARCH_ARM64, uc.UC_MODE_ARM)
        for at, size in ((FLASH_AT, ROOM), (RAM_AT, ROOM), (STOP_AT, 0x1000), (SYSTEM_AT, 0x1000)):
            machine.mem_map(at, size)
        for at, data in segments:
            machine.mem_write(at, data)
        if self._target.model:
            machine.reg_write(arm.UC_ARM_REG_FPEXC, 0x4000_0000)
            machine.mem_write(ACCESS, (0xF << 20).to_bytes(4, "little"))
            machine.mem_write(STOP_AT, b"\x00\xbf\xfe\xe7")
            machine.mem_write(STOP_AT + 16, SET_ROUNDING)
            self._registers = arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, [getattr(arm, f"UC_ARM_REG_R{k}") for k in range(4)]
        else:
            from unicorn import arm64_const as arm64

            machine.reg_write(arm64.UC_ARM64_REG_CPACR_EL1, 3 << 20)
            machine.mem_write(STOP_AT, b"\x1f\x20\x03\xd5" * 2)
            numbered = [getattr(arm64, f"UC_ARM64_REG_X{k}") for k in range(4)]
            self._registers = arm64.UC_ARM64_REG_SP, arm64.UC_ARM64_REG_LR, numbered
        return machine

    def call(self, function: str, *more: int) -> int:
        thumb, (sp, lr, numbered) = int(bool(self._target.model)), self._registers
        self._machine.reg_write(sp, RAM_AT + ROOM - 64)
        self._machine.reg_write(lr, STOP_AT | thumb)
        for register, value in zip(numbered, (self._at, *more), strict=False):
            self._machine.reg_write(register, value)
        self.instructions = 0
        start = self._symbols[f"{self._name}_{function}"][0] | thumb
        self._machine.emu_start(start, STOP_AT, count=MOST_INSTRUCTIONS if self._blocks else 0)
        return int(np.uint32(self._machine.reg_read(numbered[0]) & 0xFFFF_FFFF).astype(np.int32))  # of 64 bits

    def set_rounding(self, fpscr: int) -> None:
        """Set the register FPSCR, which selects the rounding mode and the treatment of denormal numbers."""
        _, lr, numbered = self._registers
        self._machine.reg_write(numbered[2], fpscr)
        self._machine.reg_write(lr, STOP_AT | 1)
        self._machine.emu_start(STOP_AT + 17, STOP_AT)

    def read(self) -> np.ndarray:
        return np.frombuffer(bytes(self._machine.mem_read(self._at, self._bytes)), np.uint8).copy()

    def write(self, at: int, data: np.ndarray) -> None:
        self._machine.mem_write(self._at + at, data.tobytes())

    def _count(self, machine: Any, address: int, size: int, _: Any) -> None:
        key = address, size
        if key not in self._blocks:
            code = np.frombuffer(bytes(machine.mem_read(address, size)), "<u2")
            self._blocks[key] = _thumb_instructions(code) if self._target.model else size // 4
        self.instructions += self._blocks[key]


def _thumb_instructions(code: np.ndarray) -> int:
    """Return the number of instructions in Thumb code, where each has 16 or 32 bits.

    code : (n,) uint16
    """
    k = n = 0
    while k < code.size:
        k += 2 if code[k] >> 11 in (0b11101, 0b11110, 0b11111) else 1
        n += 1
    return n
