"""Events in the tick: EVT3 decoding with region, refractory period and pooling to 32x32x2, compared with decoding
alone.

The dense stream of `events_decode` at 1280x720 is decoded in slices of 1 ms of its own time into the columns of an
events input, as a port does. Then the operations before the steps of a real bound Program run, through their addresses.
Both run in turn in one process; the result is the median of nine pairs of CPU times. Then each operation is timed
alone, in a chain that has them all.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numba.extending import register_jitable

from snn_control.coding import (
    BackgroundActivity,
    EventsInput,
    HotPixels,
    MembraneDecoder,
    Output,
    Polarity,
    PoolEncoder,
    RateLimit,
    Refractory,
    Region,
    SurfaceEncoder,
)
from snn_control.engine.bound import Bound
from snn_control.engine.build import build
from snn_control.engine.compile import compile_function
from snn_control.engine.memory import i64
from snn_control.engine.program import PRE
from snn_control.engine.slots import COUNT, FRESH
from snn_control.engine.tick import ROW, run_rows
from snn_control.events import Decoder, Events
from snn_control.events import state as words
from snn_control.events.codecs import codec
from snn_control.network import LI, Network, Population, Projection

from .events_decode import DENSE, HEIGHT, WIDTH, words_of
from .events_decode import stream as synthesized
from .processes import exit_code, verdict

BAR, CAPACITY, MILLISECOND = 0.45, 1 << 17, 1_000_000
WHOLE = Region(0, 0, WIDTH, HEIGHT)
POOL = PoolEncoder((32, 32), "split")
ENCODERS = (POOL, SurfaceEncoder((32, 32), 0.02, "split"))
#: filters that remove few events come first, so that all have events to process
FILTERS = (
    WHOLE, HotPixels(pixels=[(7, 7)]), Refractory(1e-3), BackgroundActivity(20e-3), Polarity("on"), RateLimit(5e6),
)  # fmt: skip

decode_slice = register_jitable(codec("evt3").decode_at)


def sweep(state, data, size, columns, slot, first, rows, slices):
    """Decode everything slice by slice, and run the first ``rows`` operations of a table after each slice. Returns the
    number of events."""
    s, header, at, events = i64(state, words.WORDS), i64(slot, 8), 0, 0
    for _ in range(slices):
        n = decode_slice(state, data + at, size - at, columns)
        at += s[words.CONSUMED]
        s[words.UNTIL] += 1_000_000
        header[FRESH], header[COUNT] = 1, n
        run_rows(first, rows)
        events += n
    return events


class Stream:
    """EVT3 words of a dense stream, and the number of slices that they cover."""

    def __init__(self, words_of_stream: np.ndarray, events: Events) -> None:
        self.events, self.data = events, np.ascontiguousarray(words_of_stream).view(np.uint8)
        self.begin, self.end = int(events.ns[0]), int(events.ns[-1])
        self.slices = (self.end - self.begin) // MILLISECOND + 1


class Chain:
    """A Program whose input has these filters and encoder, and the columns of its slot for a decoder."""

    def __init__(self, filters: tuple, encoder: Any) -> None:
        camera = EventsInput("camera", size=(WIDTH, HEIGHT), encoder=encoder, filters=filters, capacity=CAPACITY)
        network = Network((Population("out", 1, LI()),), (Projection("camera", "out", 0.1),))
        output = Output("u", (MembraneDecoder("out", 1.0),))
        self.bound = Bound(build(network, [camera], [output], dt=1e-3, period=1e-3))
        self.operations = [o.kernel for o in self.bound.program.operations if o.section == PRE]
        columns = [self.bound.array(f"camera.{key}").ctypes.data for key in "txyp"]
        self.columns = np.array([*columns, CAPACITY], np.int64)
        self.slot = self.bound.array("camera.slot")

    def sweep(self, stream: Stream, rows: int) -> int:
        """Process a whole stream with the first ``rows`` operations; returns the number of events."""
        state, data = words.new_state(1000, WIDTH, HEIGHT), stream.data
        state[words.UNTIL] = stream.begin + MILLISECOND
        run = compile_function(sweep, "int64(int64,int64,int64,int64,int64,int64,int64,int64)")
        at = (one.ctypes.data for one in (state, data, self.columns, self.slot))
        state_at, data_at, columns_at, slot_at = at
        table = self.bound.table + ROW
        return run(state_at, data_at, data.nbytes, columns_at, slot_at, table, rows, stream.slices)


def seconds(chain: Chain, stream: Stream, rows: int) -> float:
    chain.bound.reset()  # otherwise every pixel would have fired at these times already
    start = time.process_time()
    chain.sweep(stream, rows)
    return time.process_time() - start


def by_operation(encoder: Any, stream: Stream) -> dict[str, float]:
    """Return the nanoseconds for each event that an operation receives: medians over the slices, from the columns
    themselves."""
    chain, events = Chain(FILTERS, encoder), stream.events
    array = chain.bound.array
    columns, kept = [array(f"camera.{key}") for key in "txyp"], array("camera.kept")
    rows = [chain.bound.table + ROW * (1 + k) for k in range(len(chain.operations))]
    calls = [ctypes.CFUNCTYPE(None, ctypes.c_int64)(ctypes.c_int64.from_address(row).value) for row in rows]
    edges = np.searchsorted(events.ns, np.arange(stream.begin, stream.end, MILLISECOND))
    found = []
    for first, last in itertools.pairwise(edges):
        for column, values in zip(columns, (events.ns, events.x, events.y, events.p)):
            column[: last - first] = values[first:last]
        chain.slot[FRESH], chain.slot[COUNT], times = 1, last - first, []
        for k, (call, row) in enumerate(zip(calls, rows)):
            given = last - first if k < 2 else int(kept[0])
            start = time.perf_counter_ns()
            call(row)
            times.append((time.perf_counter_ns() - start) / max(given, 1))
        found.append(times)
    return dict(zip(chain.operations, np.median(found, axis=0).tolist()))


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks events_filters", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a million events and three pairs")
    parser.add_argument("--file", type=Path, help="dense RAW file of EVT3 to use instead; each ms is used once")
    options = parser.parse_args(arguments)
    n, pairs = (1_000_000, 3) if options.quick else (5_000_000, 9)
    if options.file:
        stream = Stream(words_of(options.file), Decoder("evt3", WIDTH, HEIGHT).decode(words_of(options.file)))
    else:
        stream = Stream(*synthesized(DENSE, n, np.random.default_rng(0)))
    n = len(stream.events)
    again = max(1, 2_000_000 // n)
    chain = Chain((WHOLE, Refractory(1e-3)), POOL)
    rows = len(chain.operations)
    assert chain.sweep(stream, rows) == n, "every event is decoded"
    assert chain.bound.array("camera.events")[0] == n
    times = np.array(
        [[sum(seconds(chain, stream, k) for _ in range(again)) / again for k in (0, rows)] for _ in range(pairs)]
    )
    ratio = float(np.median(times[:, 0] / times[:, 1]))
    plain, whole = np.median(times, axis=0) / n * 1e9
    print(f"{n / 1e6:g} M events of {stream.data.nbytes / n:.1f} bytes, {n / stream.slices:,.0f} in a slice of 1 ms")
    print(f"decode {plain:.2f} ns per event; with {', '.join(chain.operations[1:])} {whole:.2f} ns: {ratio:.2f}")
    figures: dict[str, Any] = {"decode_ns": plain, "chain_ns": whole, "ratio": ratio}
    print(f"\n{'operation':>14} {'ns per event given':>18}")
    for encoder in ENCODERS:
        for name, each in by_operation(encoder, stream).items():
            if name != "check_sample" and name not in figures:
                figures[name] = each
                print(f"{name:>14} {each:18.2f}")
    figures["passed"] = ratio >= BAR
    print(verdict(figures["passed"], f"bar: decode and filters at least {BAR} times the speed of decode"))
    return figures


if __name__ == "__main__":
    sys.exit(exit_code(main()))
