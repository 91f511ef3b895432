"""Damaged recordings through every reader: ``python -m tests.events.fuzz_files [BYTES] [--formats NAME ...]``.

Small recordings in each format are changed at random: bits flipped, bytes replaced by large numbers, parts cut out,
repeated or cut off, and the rest put in place of the beginning. Each copy must be read to some end, with counters, or
be refused in one line. BYTES of changed files are read for each format. Memory may grow by 64 MiB over the first
hundred copies, and no copy may take ten seconds. Set NUMBA_BOUNDSCHECK=1 and an empty SNN_CONTROL_CACHE to have every
index checked.
"""

from __future__ import annotations

import argparse
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from snn_control.errors import SnnControlError
from snn_control.events import open_recording
from snn_control.events.writing import write_recording
from snn_control.events.writing_hdf5 import write_hdf5
from tests.damage import HUGE
from tests.events.ecf_encoder import write_metavision
from tests.events.other_files import aedat2, aedat3, bag1_of_events, event_stream, write_dsec, write_mvsec
from tests.events.recordings import some_events

EVENTS = replace(some_events(300), x=some_events(300).x % 240, y=some_events(300).y % 180, width=240, height=180)
MOST_MEMORY = 64 << 10  # KiB
LONGEST = 10  # s


def _array(path: Path) -> None:
    rows = np.zeros(len(EVENTS), [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    for name in "txyp":
        rows[name] = getattr(EVENTS, name)
    with open(path, "wb") as file:
        np.save(file, rows)


def _text(suffix: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        other = path.with_suffix(suffix)
        write_recording(other, lambda: [EVENTS], "us", 240, 180)
        other.rename(path)

    return write


#: format -> functions that write a recording
FORMATS: dict[str, tuple[Callable[[Path], object], ...]] = {
    "es": (
        lambda path: path.write_bytes(event_stream(EVENTS)),
        lambda path: path.write_bytes(event_stream(EVENTS, atis=True)),
    ),
    "aedat2": (
        lambda path: path.write_bytes(aedat2(EVENTS, "DAVIS240C")),
        lambda path: path.write_bytes(aedat2(EVENTS, "DVS128")),
    ),
    "aedat3": (lambda path: path.write_bytes(aedat3(EVENTS)),),
    "ros1": tuple(
        lambda path, how=how: path.write_bytes(bag1_of_events(EVENTS, 30, compression=how))
        for how in ("none", "bz2", "lz4")
    ),
    "npy": (_array,),
    "npz": (_text(".npz"),),
    "text": (_text(".txt"), _text(".csv")),
    "hdf5": (
        lambda path: write_dsec(path, EVENTS, chunks=(100,), compression="gzip", shuffle=True),
        lambda path: write_mvsec(path, EVENTS, EVENTS[:60], chunks=(50, 3)),
    ),
    "blosc": (lambda path: write_hdf5(path, lambda: [EVENTS], 240, 180),),
    "ecf": (lambda path: write_metavision(path, EVENTS, 100),),
}


def changed(raw: bytes, rng: np.random.Generator) -> bytes:
    """A copy with one to four changes; each may move what follows."""
    data = bytearray(raw)
    for _ in range(int(rng.integers(1, 5))):
        at, kind = int(rng.integers(0, max(len(data), 1))), int(rng.integers(7))
        size = int(rng.integers(1, 1 << int(rng.integers(1, 9))))
        if kind == 0 and data:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + 8] = HUGE[int(rng.integers(len(HUGE)))]
        elif kind == 2:
            data[at : at + size] = rng.bytes(size)
        elif kind == 3:
            del data[at : at + size]
        elif kind == 4:
            data[at:at] = data[at : at + size]
        elif kind == 5:
            data[at : at + 4] = int(rng.integers(0, 1 << 32)).to_bytes(4, "little")
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def read(path: Path) -> str:
    """What became of a file: "read", or "refused"."""
    for topic in (None, "left"):
        try:
            recording = open_recording(path, topic)
            n = sum(len(chunk) for chunk in recording.chunks())
            if n > 2000 * path.stat().st_size or any(count < 0 for count in recording.counters.values()):
                raise SystemExit(f"{path}: {n} events, {recording.counters}")
            return "read"
        except SnnControlError as error:
            if "\n" in str(error):
                raise SystemExit(f"{path}: a message of several lines: {error}") from None
    return "refused"


def fuzz(name: str, most: int, seed: int, folder: Path) -> None:
    rng, path, seeds = np.random.default_rng([seed, *name.encode()]), folder / f"{name}.bin", []
    for write in FORMATS[name]:
        write(path)
        seeds.append(path.read_bytes())
        if read(path) != "read":
            raise SystemExit(f"{name}: the recording itself is not read")
    done = copies = memory = 0
    outcomes: Counter[str] = Counter()
    begin = time.perf_counter()
    while done < most:
        data = changed(seeds[copies % len(seeds)], rng)
        path.write_bytes(data)  # stays there if this process ends by a signal
        signal.alarm(LONGEST)
        outcomes[read(path) if data else "refused"] += 1
        signal.alarm(0)
        done, copies = done + len(data), copies + 1
        if copies == 100:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory if memory else 0
    if grown > MOST_MEMORY:
        raise SystemExit(f"{name}: {grown} KiB more memory after {copies} copies")
    seconds = time.perf_counter() - begin
    print(f"{name:>8}: {done} bytes, {copies} copies, {dict(outcomes)}, {grown} KiB more, {seconds:.0f} s", flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.events.fuzz_files",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bytes", nargs="?", type=int, default=10_000_000, help="bytes for each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--folder", type=Path, default=None, help="for the changed files (default: a new one)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.formats:
            fuzz(name, options.bytes, options.seed, options.folder or Path(folder))


if __name__ == "__main__":
    main()
