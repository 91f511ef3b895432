"""Read segments, sections and symbols of an ELF file, to load it into an emulator and to measure its size."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Elf", "Section"]

PROGBITS, SYMTAB, NOBITS = 1, 2, 8
ALLOCATED, EXECUTABLE, WRITABLE = 2, 4, 1
LOAD, FUNCTION = 1, 2


@dataclass(frozen=True)
class Section:
    name: str
    kind: int
    flags: int
    size: int


class Elf:
    """A little-endian ELF file of 32 or 64 bits.

    segments : pairs (address, bytes) of the segments to load
    sections : the sections, in the order of the file
    symbols : name -> (address, size, index of the section); section 0: the symbol is undefined
    functions : names of the functions
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        wide = data[4] == 2
        head = struct.unpack_from("<QQI6H" if wide else "<III6H", data, 32 if wide else 28)
        phoff, shoff, _, _, phent, phnum, shent, shnum, names = head
        header, symbol = ("<IIQQQQIIQQ", "<IBBHQQ") if wide else ("<10I", "<IIIBBH")
        rows = [struct.unpack_from(header, data, shoff + k * shent) for k in range(shnum)]

        def text(table: int, at: int) -> str:
            start = rows[table][4] + at
            return data[start : data.index(b"\0", start)].decode()

        self.sections = [Section(text(names, row[0]), row[1], row[2], row[5]) for row in rows]
        self.segments: list[tuple[int, bytes]] = []
        for k in range(phnum):
            row = struct.unpack_from("<IIQQQQ" if wide else "<8I", data, phoff + k * phent)
            kind, offset, address, size = (row[0], row[2], row[3], row[5]) if wide else (row[0], row[1], row[2], row[4])
            if kind == LOAD and size:
                self.segments.append((address, data[offset : offset + size]))
        self.symbols: dict[str, tuple[int, int, int]] = {}
        self.functions: set[str] = set()
        for row in rows:
            if row[1] != SYMTAB:
                continue
            for at in range(row[4], row[4] + row[5], struct.calcsize(symbol)):
                if wide:
                    name, info, _, section, value, size = struct.unpack_from(symbol, data, at)
                else:
                    name, value, size, info, _, section = struct.unpack_from(symbol, data, at)
                if name:
                    self.symbols[text(row[6], name)] = value, size, section
                    self.functions |= {text(row[6], name)} if info & 15 == FUNCTION else set()

    def bytes_of(self, executable: bool) -> int:
        """Return the size of the loaded machine code if ``executable`` is true, otherwise of the loaded constants."""
        found = [s for s in self.sections if s.kind == PROGBITS and s.flags & ALLOCATED and not s.flags & WRITABLE]
        return sum(s.size for s in found if bool(s.flags & EXECUTABLE) == executable)

    @property
    def undefined(self) -> list[str]:
        return sorted(name for name, (_, _, section) in self.symbols.items() if section == 0)
