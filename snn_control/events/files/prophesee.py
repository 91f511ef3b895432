"""Read the RAW and DAT files of Prophesee cameras: header lines that start with '%', followed by binary words.

The formats are described by "RAW File Format" and "DAT File Format" in the documentation of the Metavision SDK. OpenEB
writes these fields: ``% evt 3.0``, ``% format EVT3;height=720;width=1280``, ``% geometry 1280x720``, ``% end``. A
header ends after ``% end``, or before the first line that does not start with '% '.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..codecs import codec
from ..columns import Events
from ..recording import Recording, refused
from .clock import Clock32

__all__ = ["DatRecording", "RawRecording", "open_prophesee", "read_header"]

LONGEST_LINE = 4096
BLOCK = 1 << 18  # bytes read at once: at most 1.6 million events of EVT3

VERSIONS = {"2.0": "evt2", "2.1": "evt21", "3.0": "evt3", "4.0": "evt4"}
#: system_ID of cameras that wrote EVT3 without stating it in the header, and of the first camera with present EVT2.1
WROTE_EVT3 = (0x1E, 0x28, 0x2E, 0x30, 0x31, 0x32)
FIRST_OF_NEW_EVT21 = 0x37
FORMATS = {"EVT2": "evt2", "EVT21": "evt21", "EVT2.1": "evt21", "EVT3": "evt3", "EVT4": "evt4"}


def read_header(file: BinaryIO) -> tuple[dict[str, str], int]:
    """Return the fields of a header, and the offset of the data.

    The names of the fields are in lower case. The options in the field ``format``, such as height, are returned as
    fields too.
    """
    fields: dict[str, str] = {}
    at = file.tell()
    while (text := _header_text(line := file.readline(LONGEST_LINE))) is not None:
        at += len(line)
        key, _, value = text.partition(" ")
        if key == "end" and not value:
            break
        fields[key.lower()] = value.strip()
    name, *options = fields.get("format", "").split(";")
    for option in options:
        key, _, value = option.partition("=")
        fields.setdefault(key.strip().lower(), value.strip())
    if name:
        fields["format"] = name.strip()
    file.seek(at)
    return fields, at


def _header_text(line: bytes) -> str | None:
    """Return the text of a header line; None if the line is binary data, which can also start with '%'."""
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = line.decode("latin-1").rstrip("\r\n")
    if not text.startswith("%") or not text.replace("\t", " ").isprintable():
        return None
    if len(text) > 1 and text[1] != " " and text != "%end":
        return None
    return text[1:].strip()


def geometry(fields: dict[str, str]) -> tuple[int | None, int | None]:
    pair = re.fullmatch(r"(\d+)\s*[xX]\s*(\d+)", fields.get("geometry", ""))
    sides = pair.groups() if pair else (fields.get("width", ""), fields.get("height", ""))
    width, height = (int(side) if side.isdecimal() and 0 < int(side) < 1 << 16 else None for side in sides)
    return width, height


def open_prophesee(path: Path, topic: str | None, width: int | None, height: int | None) -> Recording:
    """Open a RAW or a DAT file. The header determines the format or, if it has none, the suffix does."""
    with open(path, "rb") as file:
        fields, begin = read_header(file)
    said = geometry(fields)
    width, height = width or said[0], height or said[1]
    raw = "evt" in fields or "format" in fields
    if not raw and (fields.get("data", "").startswith("file containing") or path.suffix.lower() == ".dat"):
        return DatRecording(path, fields, begin, width, height)
    return RawRecording(path, fields, begin, width, height)


def _encoding(path: Path, fields: dict[str, str]) -> str:
    text = fields.get("system_id", "")
    system = int(text) if text.isdecimal() else 0
    if "format" in fields:
        name, known = fields["format"], FORMATS.get(fields["format"].upper())
    elif "evt" in fields:
        name, known = f"evt {fields['evt']}", VERSIONS.get(fields["evt"])
    elif {"plugin_name", "integrator_name", "system_id"} & set(fields):  # files older than these fields
        name, known = "old", "evt3" if system in WROTE_EVT3 else "evt2"
    else:
        name, known = "", None
    if known is None:
        found = f"has the format {name!r}" if name else "has a header that names no format"
        rule = f"{found}; known are EVT2, EVT2.1, EVT3 and EVT4 ('% evt 3.0' or '% format EVT3;height=720;width=1280')"
        raise refused(path, rule)
    # older cameras swapped the 32-bit halves of EVT2.1 words; after OpenEB
    makers = {fields.get(key, "Prophesee") for key in ("integrator_name", "camera_integrator_name")}
    legacy = makers == {"Prophesee"} and 0 < system < FIRST_OF_NEW_EVT21
    if "endianness" in fields:
        legacy = fields["endianness"].lower() == "legacy"
    return "evt21_legacy" if known == "evt21" and legacy else known


class RawRecording(Recording):
    """A recording in a RAW file, which contains the words that the sensor sent."""

    def __init__(self, path: Path, fields: dict[str, str], begin: int, width: int | None, height: int | None) -> None:
        super().__init__(path, width, height)
        self.encoding = _encoding(path, fields)
        self.unit = codec(self.encoding).unit
        self._word = codec(self.encoding).word
        self._big = fields.get("endianness", "").lower() == "big"
        self._header, self.size_bytes = begin, path.stat().st_size

    def _pieces(self) -> Iterator[Events]:
        decoder = self._decoder()
        with open(self.path, "rb") as file:
            file.seek(self._header)
            while block := file.read(BLOCK):
                yield decoder.decode(block, big_endian=self._big)
                self.bytes_read += len(block)
                self._counts["truncated"] = int(len(block) % self._word > 0)

    def read(self) -> Events:
        """Return all events of the file, which is mapped into memory and decoded as a whole."""
        if self.size_bytes == self._header:
            return super().read()
        self._begin()
        data = np.memmap(self.path, np.uint8, "r", self._header)
        events = self._decoder().decode(data, big_endian=self._big)
        self.bytes_read, self._counts["truncated"] = len(data), int(len(data) % self._word > 0)
        return events


class DatRecording(Recording):
    """A recording in a DAT file, with 8 bytes per event: uint32 t [us], x (14 bits), y (14 bits) and p (4 bits).

    The time t wraps every 71.6 min. Records of type 0 and 12 are events. Records of type 14 are external triggers, with
    the value in bit 0 and the id in bits 8..12.
    """

    encoding = "dat"
    RECORD = np.dtype([("t", "<u4"), ("word", "<u4")])

    def __init__(self, path: Path, fields: dict[str, str], begin: int, width: int | None, height: int | None) -> None:
        super().__init__(path, width, height)
        version = fields.get("version", "2").partition(".")[0]
        if version != "2":
            raise refused(path, f"is DAT of version {fields['version']}; version 2 is read")
        self._begin_data, self.size_bytes = begin + 2, path.stat().st_size
        with open(path, "rb") as file:
            file.seek(begin)
            kind = file.read(2)
        if len(kind) == 2 and (kind[0] not in (0, 12, 14) or kind[1] != 8):
            rule = f"has DAT events of type {kind[0]} and size {kind[1]}; types 0, 12 and 14 of size 8 are read"
            raise refused(path, rule)
        self._cut_header = len(kind) < 2
        self._are_triggers = kind[:1] == b"\x0e"

    def _pieces(self) -> Iterator[Events]:
        self._counts["truncated"] = int(self._cut_header)
        self._clock = Clock32(self._counts)
        with open(self.path, "rb") as file:
            file.seek(self._begin_data)
            while block := file.read(BLOCK):
                rest = len(block) % 8
                yield self._decode(np.frombuffer(block[: len(block) - rest], self.RECORD))
                self.bytes_read += len(block)
                self._counts["partial_bytes"] += rest
                self._counts["truncated"] = int(rest > 0)

    def _decode(self, records: np.ndarray) -> Events:
        t, word = self._clock.unwrapped(records["t"].astype(np.int64)), records["word"]
        if self._are_triggers:
            self._counts["triggers"] += len(t)
            rows = np.stack([t, (word >> 8 & 31).astype(np.int64), (word & 1).astype(np.int64)], axis=1)
            self._seen_triggers.append(rows)
            return self._none()
        x, y = (word & 0x3FFF).astype(np.uint16), (word >> 14 & 0x3FFF).astype(np.uint16)
        return self._in_frame(t, x, y, (word >> 28 & 1).astype(np.uint8))
