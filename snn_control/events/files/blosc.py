"""Decode chunks of HDF5 datasets that Blosc 1 compressed (c-blosc, "Blosc Header Format").

A chunk consists of a header, the offsets of its blocks, and the blocks. A block consists of one or more compressed
parts. Each block was shuffled before compression: first come the first bytes (or bits) of all items of the block, then
the second bytes (or bits), and so on.

Many chunks are decoded at once, in three steps: compiled code finds and checks all parts, a library decompresses the
parts, and compiled code undoes the shuffling.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...engine.compile import compile_function
from ...errors import optional
from .unshuffle import bits_to_bytes, bytes_to_items

__all__ = ["decode_blosc"]

#: bytes of a header: version, version of the codec, flags, bytes of an item; uint32 bytes of all, a block, the chunk
HEAD = 16
BYTES, COPY, BITS, WHOLE = 1, 2, 4, 16  # flags: bytes shuffled, not compressed, bits shuffled, blocks not split
OTHERS = 8  # flag of newer formats
RAW = 0  # in the place of a codec: a part that is not compressed
LZ4, ZLIB, ZSTD = 1, 3, 4  # codecs

PARTS = 16  # that a chunk has at most, usually

Decompress = Callable[[Any, int], bytes]


def _zstd() -> tuple[Decompress, type[Exception]]:
    zstandard = optional("zstandard", "Blosc with Zstandard needs zstandard", "hdf5")
    return zstandard.ZstdDecompressor().decompress, zstandard.ZstdError


def _lz4() -> tuple[Decompress, type[Exception]]:
    block = optional("lz4.block", "Blosc with LZ4 needs lz4", "hdf5")
    return block.decompress, block.LZ4BlockError


def _zlib() -> tuple[Decompress, type[Exception]]:
    return lambda part, size: zlib.decompressobj().decompress(part, size), zlib.error


CODECS = {LZ4: cache(_lz4), ZLIB: cache(_zlib), ZSTD: cache(_zstd)}


def decode_blosc(data: np.ndarray, at: np.ndarray, length: np.ndarray, out: np.ndarray) -> int:
    """Decompress chunks of a file.

    data : bytes of the file
    at, length : (n,) int64, offset and number of bytes of each chunk
    out : (n, size) uint8, the decompressed chunks

    Return the number of chunks that were decompressed. The next chunk, if any, is damaged or in an unknown variant.
    """
    find = _compiled(find_parts, f"UniTuple(int64,2)({DATA},int64[::1],int64[::1],int64,int64[:,::1],int64[:,::1])")
    chunks, table = np.empty((len(at), 3), np.int64), np.empty((PARTS * len(at), 4), np.int64)
    found, parts = find(data, at, length, out.shape[1], chunks, table)
    if parts > len(table):
        table = np.empty((parts, 4), np.int64)
        find(data, at[:found], length[:found], out.shape[1], chunks, table)
    unpacked, sound = _decompressed(data.data, table[:parts])
    whole = min(found, sound // out.shape[1]) if out.shape[1] else found
    undo = _compiled(unshuffle, f"void({DATA},int64[:,::1],uint64[::1],uint64[::1],uint8[:,::1])")
    most = int((chunks[:whole, 2] + 64 * chunks[:whole, 1]).max(initial=64)) // 8 + 64
    undo(np.frombuffer(unpacked, np.uint8), chunks, np.empty(most, np.uint64), np.empty(most, np.uint64), out[:whole])
    return whole


DATA = "Array(uint8,1,'C',readonly=True)"
_compiled = cache(compile_function)


def _decompressed(data: memoryview, table: np.ndarray) -> tuple[bytes, int]:
    """Return the concatenated decompressed parts, and the number of their bytes before the first damaged part."""
    rows, codecs = table.tolist(), {*table[:, 3].tolist()}
    functions = {codec: CODECS[codec]() for codec in codecs - {RAW}}
    if codecs == {ZSTD}:  # nearly always
        decompress, fault = functions[ZSTD]
        try:
            joined = b"".join([decompress(data[begin : begin + size], room) for begin, size, room, _ in rows])
        except (fault, ValueError):
            joined = b""
        if len(joined) == table[:, 2].sum():
            return joined, len(joined)
    parts: list[Any] = []
    done = 0
    for begin, size, room, codec in rows:
        part: Any = data[begin : begin + size]
        if codec != RAW:
            decompress, fault = functions[codec]
            try:
                part = decompress(part, room)
            except (fault, ValueError):
                break
        if len(part) != room:
            break
        parts.append(part)
        done += room
    return b"".join(parts), done


@register_jitable
def _u32(data, at):
    value = np.int64(0)
    for k in range(4):
        value |= np.int64(data[at + k]) << 8 * k
    return value


@register_jitable
def _fits(data, at, end, codec, room):
    """Return whether the decompressed size in a part's header is at most ``room`` bytes, or the header has no size.

    Only the format Zstandard contains this size.
    """
    if codec != ZSTD:
        return True
    if end - at < 6 or _u32(data, at) != 0xFD2FB528:
        return False
    flags = np.int64(data[at + 4])
    place = at + 5 + (0 if flags & 32 else 1) + (1 << (flags & 3) >> 1)
    size = (1 if flags & 32 else 0) if flags >> 6 == 0 else 1 << (flags >> 6)
    if size == 0:
        return True
    if place + size > end:
        return False
    stated = np.int64(0)
    for k in range(size):
        stated |= np.int64(data[place + k]) << 8 * k
    return 0 <= stated + (256 if size == 2 else 0) <= room


def find_parts(data, at, length, size, chunks, table):
    """Find the compressed parts of chunks.

    size : size of a decompressed chunk [bytes]
    chunks : (n, 3), written: for each chunk the flags, the size of an item [bytes], and the size of a block [bytes]
    table : (m, 4), written: for each part the offset, the size, the decompressed size [bytes], and the codec. If there
        are more parts than rows, the further parts are only counted

    Return the number of valid chunks before the first damaged or unknown chunk, and the number of their parts.
    """
    parts = 0
    for c in range(at.size):
        begin, end = at[c], at[c] + length[c]
        if not (0 <= begin and begin + HEAD <= end and end <= data.size) or _u32(data, begin + 4) != size:
            return c, parts
        flags, item, block = np.int64(data[begin + 2]), np.int64(data[begin + 3]), _u32(data, begin + 8)
        chunks[c, 0], chunks[c, 1], chunks[c, 2] = flags, item, block
        if flags & COPY:
            if begin + HEAD + size > end:
                return c, parts
            chunks[c, 0], chunks[c, 2] = 0, size
            if parts < table.shape[0]:
                table[parts] = begin + HEAD, size, size, RAW
            parts += 1
            continue
        found = parts_of(data, begin, end, size, flags, item, block, table[parts:])
        if found < 0:
            return c, parts
        parts += found
    return at.size, parts


@register_jitable
def parts_of(data, begin, end, size, flags, item, block, table):
    """Find the compressed parts of one chunk. Return their number, or -1 for a damaged chunk or an unknown variant."""
    codec, n, item = flags >> 5, 0, max(item, 1)
    if data[begin] != 2 or flags & OTHERS or not (codec == LZ4 or codec == ZLIB or codec == ZSTD):
        return -1
    if not 0 < block <= size or begin + HEAD + 4 * ((size + block - 1) // block) > end:
        return -1
    for first in range(0, size, block):
        there = min(block, size - first)
        k = begin + _u32(data, begin + HEAD + 4 * (first // block))
        pieces = item if not flags & WHOLE and there == block else 1
        if there % pieces:
            return -1
        for _ in range(pieces):
            if k + 4 > end or k + 4 + _u32(data, k) > end:
                return -1
            packed, room = _u32(data, k), there // pieces
            kind = RAW if packed == room else codec
            if kind != RAW and not _fits(data, k + 4, k + 4 + packed, codec, room):
                return -1
            if n < table.shape[0]:
                table[n] = k + 4, packed, room, kind
            n += 1
            k += 4 + packed
    return n


def unshuffle(unpacked, chunks, rows, planes, out):
    """Undo the shuffling of each block of each chunk. Bytes after the last whole item are not shuffled.

    unpacked : the decompressed chunks, one after another
    chunks : see `find_parts`
    rows, planes : scratch memory, see `bits_to_bytes`
    """
    size = out.shape[1]
    for c in range(out.shape[0]):
        flags, item, block = chunks[c, 0], chunks[c, 1], max(chunks[c, 2], 1)
        for first in range(0, size, block):
            there = min(block, size - first)
            data, to = unpacked[c * size + first : c * size + first + there], out[c, first : first + there]
            n = there // max(item, 1)
            if flags & BITS and item > 0 and n % 8 == 0:  # as c-blosc does
                stride = bits_to_bytes(data, item, n, rows, planes)
                bytes_to_items(planes.view(np.uint8), stride, item, n, to)
            elif flags & BYTES and not flags & BITS and item > 1:
                bytes_to_items(data, n, item, n, to)
            else:
                n = 0
            to[n * item :] = data[n * item :]
