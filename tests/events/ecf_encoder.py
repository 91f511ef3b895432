"""A slow encoder of Prophesee's codec ECF, written from the table in `snn_control.events.files.ecf`."""

from __future__ import annotations

import struct
from itertools import groupby

import numpy as np

from snn_control.events import Events

__all__ = ["RECORD", "chunk", "write_metavision"]

RECORD = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")], align=True)


def _runs(values):
    for value, group in groupby(values):
        count = sum(1 for _ in group)
        while count:
            yield value, min(count, 65535)
            count -= min(count, 65535)


def _times(t):
    out, now = [struct.pack("<q", t[0])], t[0]
    for value, count in _runs(t):
        step, now = value - now, value
        nibbles = 0
        if step >= 15:
            while step:
                out.append(bytes([0xF0 | step & 15]))
                step >>= 4
            nibbles = 1
        low = 0 if nibbles else step
        out.append(bytes([low << 4 | min(count, 15)]) + (struct.pack("<H", count) if count >= 15 else b""))
    return b"".join(out)


def _grouped(values, bits, word):
    """Four values of ``bits`` in three words each. The low bits of the second and third fill up the word before."""
    out, third = [], bits // 3
    for k in range(0, len(values), 4):
        a, b, c, d = (*values[k : k + 4], 0, 0, 0)[:4]
        out += [
            a << third | b & (1 << third) - 1,
            b >> third << 2 * third | c & (1 << 2 * third) - 1,
            c >> 2 * third << 3 * third | d,
        ]
    return struct.pack(f"<{len(out)}{word}", *out)


def _masked(x):
    out, k = [], 0
    while k < len(x):
        first, mask, k = x[k], 0, k + 1
        while k < len(x) and 0 < x[k] - first <= 5 and not mask & (1 << 5 - (x[k] - first)) and (
            mask & (1 << 5 - (x[k] - first)) - 1 == 0
        ):  # fmt: skip
            mask |= 1 << 5 - (x[k] - first)
            k += 1
        out.append(first << 5 | mask)
    return struct.pack(f"<{len(out)}H", *out)


def chunk(events: Events, packed=False, pairs=False) -> bytes:
    """The bytes of a chunk, with rows, columns and polarities in one of the three forms."""
    t, x, y, p = (getattr(events, name).tolist() for name in "txyp")
    head = struct.pack("<I", len(t) << 2 | packed << 1 | pairs) + _times(t)
    if packed:
        return head + _grouped([b << 12 | a << 1 | c for a, b, c in zip(x, y, p)], 24, "I")
    rows = b"".join(
        struct.pack("<H", row << 5 | min(n, 31)) + (struct.pack("<H", n) if n >= 31 else b"") for row, n in _runs(y)
    )
    if pairs:
        return head + rows + _grouped([a << 1 | c for a, c in zip(x, p)], 12, "H")
    signs = b"".join(
        bytes([sign << 7 | min(n, 127)]) + (struct.pack("<H", n) if n >= 127 else b"") for sign, n in _runs(p)
    )
    return head + rows + _masked(x) + signs


def write_metavision(path, events: Events, size=16384, forms=((False, False), (True, False), (False, True))):
    """An HDF5 file as Metavision writes it; the chunks are in each of the forms by turns."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["version"], file.attrs["geometry"] = "1.0", f"{events.width}x{events.height}"
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((size,))
        plist.set_filter(0x8ECF, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((len(events),), (h5py.h5s.UNLIMITED,))
        group = file.create_group("CD")
        dataset = h5py.h5d.create(group.id, b"events", h5py.h5t.py_create(RECORD), space, plist)
        for k in range(0, len(events), size):
            packed, pairs = forms[k // size % len(forms)]
            dataset.write_direct_chunk((k,), chunk(events[k : k + size], packed, pairs))
        triggers = np.zeros(2, [("p", "<i2"), ("t", "<i8"), ("id", "<i2")])
        triggers["p"], triggers["t"], triggers["id"] = [1, 0], [5, 9], [3, 3]
        file.create_group("EXT_TRIGGER").create_dataset("events", data=triggers, chunks=(size,), maxshape=(None,))
