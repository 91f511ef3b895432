"""Recordings in HDF5 from a file in the page cache to columns t (int64), x, y (uint16), p (uint8).

The dense stream of `events_decode` is written in two layouts. One is that of DSEC: Blosc with Zstandard and shuffled
bits, in chunks as h5py chooses them. The other is Metavision's with the codec ECF. ``--file`` uses a file instead. Each
other reader runs in turn with ours in one process: h5py with hdf5plugin as in DSEC's own tools, and evlib. The result
is the median of the ratios of CPU times in user mode. Time in the kernel, which clears the memory for the columns,
depends on other load; it is printed as well. Readers that are not installed are named and skipped.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from snn_control.events import Events
from tests.events.ecf_encoder import RECORD, chunk

from .events_decode import DENSE, HEIGHT, WIDTH, Columns, Decode, ours, same, stream
from .processes import exit_code, verdict

FASTEST = 60  # M events/s, the bar
OF_PEERS = 0.9  # share of the speed of each other reader, the bar
PART = 16_384  # events in a chunk of Metavision
DISTINCT = 16  # chunks that are encoded; the stream repeats them later


def write_dsec(path: Path, events: Events) -> Columns:
    import h5py
    import hdf5plugin

    how = {"chunks": True, "maxshape": (None,), **hdf5plugin.Blosc(cname="zstd", clevel=1, shuffle=2)}
    with h5py.File(path, "w") as file:
        for name, kind in zip("txyp", ("u4", "u2", "u2", "u1")):
            file.create_dataset(f"events/{name}", data=getattr(events, name).astype(kind), **how)
        file["t_offset"] = np.int64(49_000_000_000)
    return events.t + 49_000_000_000, events.x, events.y, events.p


def write_ecf(path: Path, events: Events) -> Columns:
    """Write chunks with rows in runs and pairs of column and polarity, which is the form that dense streams get."""
    import h5py

    n = len(events) // PART * PART
    first = events[: DISTINCT * PART]
    span = int(first.t[-1]) + 1
    chunks = [chunk(first[k : k + PART], pairs=True) for k in range(0, len(first), PART)]
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((PART,))
        plist.set_filter(0x8ECF, h5py.h5z.FLAG_OPTIONAL, ())
        group, kind, space = file.create_group("CD").id, h5py.h5t.py_create(RECORD), h5py.h5s.create_simple((n,))
        dataset = h5py.h5d.create(group, b"events", kind, space, plist)
        for k in range(n // PART):
            turn, raw = k // DISTINCT, chunks[k % DISTINCT]
            start = int.from_bytes(raw[4:12], "little") + turn * span  # the time of origin
            dataset.write_direct_chunk((k * PART,), raw[:4] + start.to_bytes(8, "little") + raw[12:])
    repeated = np.arange(n) % len(first)
    whole = first[repeated]
    whole = replace(whole, t=whole.t + np.arange(n) // len(first) * span)
    return whole.t, whole.x, whole.y, whole.p


def by_h5py() -> Decode:
    """As the reader of DSEC does, with the conversion to our columns."""
    import h5py
    import hdf5plugin  # noqa: F401 - registers its filters

    def decode(path: Path) -> Columns:
        with h5py.File(path) as file:
            if "events/t" not in file:
                raise ValueError("h5py has no codec ECF")
            t = file["events/t"][:].astype(np.int64)
            t += int(file["t_offset"][()])
            x, y, p = (file[f"events/{name}"][:] for name in "xyp")
        return t, x, y, p

    return decode


def by_evlib() -> Decode:
    import evlib

    def decode(path: Path) -> Columns:
        frame = evlib.load_events(str(path)).collect()
        t = frame["t"].to_numpy().astype(np.int64)
        x, y = (frame[name].to_numpy().astype(np.uint16) for name in "xy")
        return t, x, y, (frame["polarity"].to_numpy() > 0).view(np.uint8)

    return decode


#: reader -> function that makes it; raises ImportError if it is not installed
PEERS: dict[str, Callable[[], Decode]] = {"h5py": by_h5py, "evlib": by_evlib}


def seconds(decode: Decode, path: Path) -> tuple[float, float]:
    """Return the CPU time in user mode and in the kernel; the columns are freed between calls."""
    begin = resource.getrusage(resource.RUSAGE_SELF)
    columns = decode(path)
    end = resource.getrusage(resource.RUSAGE_SELF)
    del columns
    return end.ru_utime - begin.ru_utime, end.ru_stime - begin.ru_stime


def compare(path: Path, expected: Columns, pairs: int, skipped: set[str]) -> dict[str, Any]:
    """Run each peer in turn with ours; print and return millions of events a second, and ratios."""
    note, n = same(ours(path), expected), len(expected[0])
    print(f"{path.name}: {n} events, {path.stat().st_size / n:.2f} bytes each{note and ', '}{note}")
    user, kernel = np.median([seconds(ours, path) for _ in range(pairs)], axis=0).tolist()
    figures: dict[str, Any] = {"ours": n / user / 1e6, "with_kernel": n / (user + kernel) / 1e6, "note": note}
    whole = figures["with_kernel"]
    print(f"{'ours':>14} {figures['ours']:8.0f} M events/s, {whole:.0f} with the kernel's time", flush=True)
    for name, make in PEERS.items():
        try:
            theirs = make()
            note = same(theirs(path), expected)
        except ImportError:
            skipped.add(name)
            continue
        except Exception as error:  # other readers may raise anything for a file that they do not support
            print(f"{name:>14}   cannot read it: {error}")
            continue
        times = np.array([[seconds(one, path)[0] for one in (ours, theirs)] for _ in range(pairs)])
        ratio, speed = float(np.median(times[:, 1] / times[:, 0])), n / np.median(times, axis=0) / 1e6
        figures[name] = {"theirs": speed[1], "ours": speed[0], "ratio": ratio, "note": note}
        print(f"{name:>14} {speed[1]:8.0f} M events/s, ours {speed[0]:.0f}, ratio {ratio:.2f}  {note}", flush=True)
    return figures


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks events_files", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two million events and three pairs")
    parser.add_argument("--file", type=Path, help="HDF5 file to read instead, the longer the better")
    options = parser.parse_args(arguments)
    n, pairs = (2_000_000, 3) if options.quick else (20_000_000, 9)
    found: dict[str, Any] = {}
    skipped: set[str] = set()
    if options.file:
        found["file"] = compare(options.file, ours(options.file), pairs, skipped)
    else:
        events = replace(stream(DENSE, n, np.random.default_rng(1))[1], width=WIDTH, height=HEIGHT)
        with tempfile.TemporaryDirectory() as folder:
            for name, write in {"dsec": write_dsec, "ecf": write_ecf}.items():
                path = Path(folder) / f"{name}.h5"
                found[name] = compare(path, write(path, events), pairs, skipped)
    if skipped:
        print(f"not installed, skipped: {', '.join(sorted(skipped))} (pip install h5py hdf5plugin evlib)")
    ratios = [one["ratio"] for part in found.values() for one in part.values() if isinstance(one, dict)]
    passed = min(ratios, default=1) >= OF_PEERS and all(p["ours"] >= FASTEST and not p["note"] for p in found.values())
    print(
        verdict(
            passed, f"bar: at least {FASTEST} M events/s on one core, and {OF_PEERS} of the speed of each other reader"
        )
    )
    return found | {"skipped": sorted(skipped), "passed": passed}


if __name__ == "__main__":
    sys.exit(exit_code(main()))
