"""EVT3 from a file in the page cache to columns t (int64), x, y (uint16), p (uint8): ours compared with other decoders.

There are three streams of a 1280x720 sensor, synthesized with the statistics of recorded ones: a dense one (about 2.8
bytes an event: 64 % of the words single events, 19 % rows, 14 % groups of masks with two events each), a sparse one
(about 7 bytes: time, row and event by turns, the high time repeated every 16 us), and one of well filled masks.
``--file`` uses a RAW file instead. Each other decoder runs in turn with ours in one process. The result is the median
of nine pairs of CPU times, so that other load on the machine matters less; wall times are printed as well. For decoders
that give records, the conversion to columns counts too. Decoders that are not installed are named and skipped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snn_control.engine.compile import compile_function
from snn_control.events import Events, open_recording
from snn_control.events.files.prophesee import read_header

from .processes import exit_code, verdict

WIDTH, HEIGHT, BAR = 1280, 720, 1.0
HEADER = f"% evt 3.0\n% format EVT3;height={HEIGHT};width={WIDTH}\n% geometry {WIDTH}x{HEIGHT}\n% end\n".encode()
DTYPES = (np.int64, np.uint16, np.uint16, np.uint8)
REPEAT = 16  # us between two words of the high time

Columns = tuple[np.ndarray, ...]
Decode = Callable[[Path], Columns]


@dataclass(frozen=True)
class Kind:
    """Statistics of a stream, as means: time between two time words [us]; single events and groups of masks in one
    time, and in one row of it; share of groups among these; events in a group."""

    step: float
    in_time: float
    in_row: float
    groups: float
    in_group: float


DENSE, SPARSE, MASKS = Kind(1, 24, 3.6, 0.05, 2.1), Kind(8, 1.05, 1, 0, 1), Kind(1, 20, 10, 0.9, 10)


def stream(kind: Kind, n: int, rng: np.random.Generator) -> tuple[np.ndarray, Events]:
    """Make about ``n`` events, as the words that a sensor writes, and as columns."""
    units = int(n / (1 + kind.groups * (kind.in_group - 1)))
    fresh = np.flatnonzero(rng.random(units) < 1 / kind.in_time)
    fresh[0] = 0
    step = 1 + rng.exponential(kind.step - 1, len(fresh)).astype(np.int64)
    t = np.repeat(np.cumsum(step), np.diff(fresh, append=units))
    new_time = np.diff(t, prepend=-1) > 0
    new_row = new_time | (rng.random(units) < 1 / kind.in_row)
    y = np.repeat(rng.integers(0, HEIGHT, new_row.sum()), np.diff(np.flatnonzero(new_row), append=units))
    x, p = rng.integers(0, WIDTH - 32, units), rng.integers(0, 2, units)
    group = rng.random(units) < kind.groups
    bits = rng.random((units, 32)) < kind.in_group / 32
    bits[~group] = False
    bits[:, 0] |= ~group
    high = np.where(new_time, np.minimum(np.diff(t // REPEAT, prepend=-1), 64), 0)
    unit, pixel = np.nonzero(bits)
    events = Events(t[unit], (x[unit] + pixel).astype(np.uint16), y[unit].astype(np.uint16), p[unit].astype(np.uint8))
    mask = bits @ (1 << np.arange(32))
    parts = (
        (high, 8 << 12 | t >> 12 & 0xFFF), (new_time, 6 << 12 | t & 0xFFF), (new_row, y),
        (~group, 2 << 12 | p << 11 | x), (group, 3 << 12 | p << 11 | x), (group, 4 << 12 | mask & 0xFFF),
        (group, 4 << 12 | mask >> 12 & 0xFFF), (group, 5 << 12 | mask >> 24),
    )  # fmt: skip
    times = np.stack([count for count, _ in parts], axis=1).ravel()
    return np.repeat(np.stack([word for _, word in parts], axis=1).ravel().astype(np.uint16), times), events


def words_of(path: Path) -> np.ndarray:
    with open(path, "rb") as file:
        begin = read_header(file)[1]
    return np.asarray(np.memmap(path, np.uint16, "r", begin))


def ours(path: Path) -> Columns:
    events = open_recording(path).read()
    return events.t, events.x, events.y, events.p


def plain_loop(data, t, x, y, p):
    """Decode the encoding directly from its table, as a plain loop in compiled Python."""
    high, low, loops, row, base, polarity, n = 0, 0, 0, 0, 0, 0, 0
    for word in data:
        kind, d = np.int64(word) >> 12, np.int64(word) & 0xFFF
        if kind == 2:
            t[n], x[n], y[n], p[n] = loops << 24 | high << 12 | low, d & 0x7FF, row, d >> 11
            n += 1
        elif kind == 4 or kind == 5:
            bits = 12 if kind == 4 else 8
            for bit in range(bits):
                if d >> bit & 1:
                    t[n], x[n], y[n], p[n] = loops << 24 | high << 12 | low, base + bit, row, polarity
                    n += 1
            base += bits
        elif kind == 3:
            base, polarity = d & 0x7FF, d >> 11
        elif kind == 0:
            row = d & 0x7FF
        elif kind == 6:
            low = d
        elif kind == 8:
            loops += d < high
            high = d
    return n


SIGNATURE = "int64(Array(uint16,1,'C',readonly=True),int64[::1],uint16[::1],uint16[::1],uint8[::1])"


def plain(path: Path) -> Columns:
    data = words_of(path)
    columns = [np.empty(12 * len(data), dtype) for dtype in DTYPES]
    n = compile_function(plain_loop, SIGNATURE)(data, *columns)
    return tuple(column[:n] for column in columns)


def by_evutils() -> Decode:
    from evutils.io import EventReader

    def decode(path: Path) -> Columns:
        events = EventReader(str(path)).read_all()
        return events.t, events.x, events.y, events.p

    return decode


def by_expelliarmus() -> Decode:
    from expelliarmus import Wizard

    return lambda path: columns_of(Wizard(encoding="evt3").read(str(path)))


def by_faery() -> Decode:
    import faery

    return lambda path: columns_of(faery.events_stream_from_file(str(path)).to_array())


def by_evt3() -> Decode:
    import evt3

    def decode(path: Path) -> Columns:
        events = evt3.decode_file(str(path))
        return events.t, events.x, events.y, events.p

    return decode


def columns_of(events: np.ndarray) -> Columns:
    """Return the columns of an array of records, whose fields may have other names."""
    names = [(name, "on") if name == "p" and "on" in events.dtype.names else (name, name) for name in "txyp"]
    return tuple(np.ascontiguousarray(events[field], dtype) for (_, field), dtype in zip(names, DTYPES))


#: decoder -> function that makes it; raises ImportError if it is not installed
PEERS: dict[str, Callable[[], Decode]] = {
    "plain loop": lambda: plain, "evutils": by_evutils, "evt3 (Rust)": by_evt3, "faery": by_faery,
    "expelliarmus": by_expelliarmus,
}  # fmt: skip


def seconds(decode: Decode, path: Path) -> tuple[float, float]:
    """Return CPU time and wall time; the columns are freed between calls."""
    begin, wall = time.process_time(), time.perf_counter()
    columns = decode(path)
    found = time.process_time() - begin, time.perf_counter() - wall
    del columns
    return found


def same(found: Columns, expected: Columns) -> str:
    """Return "" or which columns differ."""
    if len(found[0]) != len(expected[0]):
        return f"gives {len(found[0])} events of {len(expected[0])}"
    wrong = [name for name, a, b in zip("txyp", found, expected) if not np.array_equal(a, b)]
    return f"wrong {', '.join(wrong)}" if wrong else ""


def compare(path: Path, expected: Columns, pairs: int, skipped: set[str]) -> dict[str, Any]:
    """Run each peer in turn with ours; print and return millions of events a second, and the ratio of ours to
    theirs."""
    figures = {}
    assert same(ours(path), expected) == ""
    for name, make in PEERS.items():
        try:
            theirs = make()
            note = same(theirs(path), expected)
        except ImportError:
            skipped.add(name)
            continue
        except Exception as error:  # other decoders may raise anything for a stream that they do not support
            print(f"{name:>14}   cannot read it: {error}")
            continue
        times = np.array([[seconds(one, path) for one in (ours, theirs)] for _ in range(pairs)])
        speed = len(expected[0]) / np.median(times[:, :, 0], axis=0) / 1e6
        ratio, wall = np.median(times[:, 1] / times[:, 0], axis=0).tolist()
        figures[name] = {"ours": speed[0], "theirs": speed[1], "ratio": ratio, "wall_ratio": wall, "note": note}
        print(f"{name:>14} {speed[1]:8.0f} {speed[0]:8.0f} {ratio:8.2f} {wall:8.2f}  {note}", flush=True)
    return figures


def report(name: str, path: Path, expected: Columns, pairs: int, skipped: set[str]) -> dict[str, Any]:
    words = words_of(path)
    size, shares = words.nbytes / len(expected[0]), np.bincount(words >> 12, minlength=16) / len(words)
    mix = ", ".join(f"{kind:X} {100 * share:.1f}" for kind, share in enumerate(shares) if share > 5e-4)
    print(f"{name}: {len(expected[0])} events of {size:.2f} bytes; types of words [%]: {mix}")
    print(f"{'[M events/s]':>14} {'theirs':>8} {'ours':>8} {'ratio':>8} {'wall':>8}")
    return compare(path, expected, pairs, skipped) | {"bytes_an_event": size}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks events_decode", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a million events and three pairs")
    parser.add_argument("--file", type=Path, help="RAW file of EVT3 to decode instead, the longer the better")
    options = parser.parse_args(arguments)
    n, pairs = (1_000_000, 3) if options.quick else (10_000_000, 9)
    found: dict[str, Any] = {}
    skipped: set[str] = set()
    if options.file:
        found["file"] = report(options.file.name, options.file, ours(options.file), pairs, skipped)
    for name, kind in {} if options.file else {"dense": DENSE, "sparse": SPARSE, "masks": MASKS}.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.raw"
            words, events = stream(kind, n, np.random.default_rng(1))
            path.write_bytes(HEADER + words.tobytes())
            found[name] = report(name, path, (events.t, events.x, events.y, events.p), pairs, skipped)
    if skipped:
        print(f"not installed, skipped: {', '.join(sorted(skipped))} (pip install evutils evt3 faery expelliarmus)")
    ratios = [one["ratio"] for part in found.values() for one in part.values() if isinstance(one, dict)]
    passed = min(ratios) >= BAR
    print(verdict(passed, f"bar: at least {BAR} times the speed of each"))
    return found | {"skipped": sorted(skipped), "passed": passed}


if __name__ == "__main__":
    sys.exit(exit_code(main()))
