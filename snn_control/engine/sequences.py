"""Run many ticks of a batch in one compiled call, and record arrays and spikes.

A *row* is one instance of the controller in the batch, with its own state and io block. int64 tables list the arrays
that are copied into a row before a tick, and the arrays that are recorded after the tick. The same compiled function
therefore runs all Programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numba.extending import register_jitable

from .bound import Bound, stride_of
from .compile import compile_function
from .facts import PopulationFacts
from .memory import f32, i64, u8
from .program import IO, PROGRAM, STATE, Place
from .slots import AGE, FRESH, SLOT_WORDS, clear_marks
from .spike_ring import spikes_in_ring, times_fired
from .tick import encode, run_steps

__all__ = ["run"]


@register_jitable
def copy_bytes(to, source, n):
    words, rest = n // 8, n % 8
    a, b = i64(to, words), i64(source, words)
    for k in range(words):
        a[k] = b[k]
    c, d = u8(to + n - rest, rest), u8(source + n - rest, rest)
    for k in range(rest):
        c[k] = d[k]


@register_jitable
def copy_arrays(lists, n, at, row, back):
    """Copy ``n`` arrays of one row of the batch into their recordings at index ``at``.

    If ``back`` is true, copy from the recordings to the arrays instead.

    lists : address of four int64 for each array: address of the array in row 0, bytes from one row to the next, size of
        the array [bytes], and address of the recording
    """
    for k in range(n):
        array = i64(lists + 32 * k, 4)
        here, there = array[0] + row * array[1], array[3] + array[2] * at
        copy_bytes(here if back else there, there if back else here, array[2])


@register_jitable
def copy_spikes(ring, row_of_ring, end, steps, target, row, n):
    """Write the spike counts of ``n`` neurons, float32, for each of the ``steps`` network steps before step ``end``.

    ring : numbers that describe the population's spike ring, see `run_sequences`
    row_of_ring : address of the spike ring
    target : address of the counts of the first step; the counts of the next step follow ``row`` bytes later
    """
    for k in range(steps):
        spikes, to = spikes_in_ring(row_of_ring, ring[1], ring[2], ring[3], end - steps + k), f32(target + k * row, n)
        for i in range(n):
            to[i] = 0
        for j in range(spikes.fired.size):
            to[spikes.fired[j]] = times_fired(spikes, j)


def run_sequences(tables, stride, rows, ticks, steps, repeat, period, clock, starts, blocks, n_blocks, counts, lists):
    """Run the ticks of all rows of a batch: the compiled part of `run`, with addresses instead of arrays.

    tables, stride : address of the table of row 0, and bytes from one row's table to the next
    period : length of a tick [ns]
    blocks : address of five int64 for the state, then five for the io block: address of the block in row 0, bytes from
        row to row, size, address of the initial content for row 0, bytes from row to row of the initial content
    counts : address of the numbers of entries in ``lists``: inputs, arrays set before the network steps, arrays
        recorded before the steps, arrays recorded after the tick, spike rings
    lists : address of the entries, in the order of ``counts``: 4 int64 for an input or an array, 6 for a spike ring
    """
    block, n = i64(blocks, 5 * n_blocks), i64(counts, 5)
    put_at = lists + 32 * n[0]
    early_at = put_at + 32 * n[1]
    keep_at = early_at + 32 * n[2]
    ring_at = keep_at + 32 * n[3]
    for t in range(ticks):
        given = t // repeat if t % repeat == 0 else -1
        for r in range(rows):
            if given >= 0 and starts != 0 and u8(starts + given * rows, rows)[r] != 0:
                for k in range(n_blocks):
                    to, initial = block[5 * k] + r * block[5 * k + 1], block[5 * k + 3] + r * block[5 * k + 4]
                    copy_bytes(to, initial, block[5 * k + 2])
            for k in range(n[0]):
                give = i64(lists + 32 * k, 4)
                slot = i64(give[0] + r * block[6], SLOT_WORDS)
                clear_marks(slot)
                if given >= 0 and give[3] != 0:
                    slot[FRESH], slot[AGE] = 1, 0
                    size = 8 * give[2]
                    copy_bytes(give[1] + r * block[6], give[3] + size * (given * rows + r), size)
                elif slot[AGE] >= 0:
                    slot[AGE] += period
            first_step = encode(tables + r * stride)
            copy_arrays(put_at, n[1], t * rows + r, r, True)
            copy_arrays(early_at, n[2], t * rows + r, r, False)
            run_steps(tables + r * stride, first_step)
            copy_arrays(keep_at, n[3], t * rows + r, r, False)
            end = i64(clock + r * block[1], 2)[1]
            for k in range(n[4]):
                ring = i64(ring_at + 48 * k, 6)
                row = 4 * ring[4]
                target = ring[5] + row * (t * steps * rows + r)
                copy_spikes(ring, ring[0] + r * block[1], end, steps, target, row * rows, ring[4])


SIGNATURE = f"void({','.join(['int64'] * 13)})"


def run(
    bound: Bound, first_io: np.ndarray, given: Mapping[str, np.ndarray] | None, put: Mapping[Place, np.ndarray],
    starts: np.ndarray | None, ticks: int, repeat: int, encoded: Iterable[Place], kept: Iterable[Place],
    rings: Iterable[PopulationFacts],
) -> dict[Place | str, np.ndarray]:  # fmt: skip
    """Run ``ticks`` ticks of each row of a bound Program, and return recordings of arrays and spikes.

    first_io : (bytes,) uint8, content of a row's io block after a reset
    given : name of a value input -> its samples, (ticks / repeat, rows, size) float64, one for every ``repeat``-th
        tick; None: use the present content of the io block, in one tick
    put : array of the state -> values to write into the array before the network steps, (ticks, rows, ...), contiguous
    starts : (ticks / repeat, rows) uint8; 1 resets the row before this tick
    encoded, kept : arrays to record in each tick: ``encoded`` before the network steps, ``kept`` after the tick
    rings : spiking populations whose spikes are recorded

    Return a dict: `Place` of an array -> its values, (ticks, rows, ...); name of a population -> number of spikes of
    each neuron in each step, (ticks, steps, rows, neurons) float32.
    """
    program, rows, found = bound.program, len(bound.state), dict[Place | str, np.ndarray]()
    gives, puts, early, late, lists = (list[int]() for _ in range(5))
    # slot and data of the first row, count of numbers, and their source (0: nothing)
    for one in () if given is None else program.facts.inputs:
        value = one.kind == "value"
        data = bound.address(f"{one.name}.data") if value else 0
        source = given[one.name].ctypes.data if one.name in given else 0  # type: ignore[operator,index]
        gives += [bound.address(f"{one.name}.slot"), data, one.size if value else 0, source]
    for place, values in put.items():  # array of the first row, bytes to that of the next, its size, and its source
        puts += [bound.address(place), bound.state.strides[0], place.n_bytes, values.ctypes.data]
    for places, into in ((encoded, early), (kept, late)):
        for place in places:  # array of the first row, bytes to that of the next, its size, and its destination
            block = {PROGRAM: bound.constants, STATE: bound.state, IO: bound.io}[place.kind]
            found[place] = np.empty((ticks, rows, *place.shape), place.dtype)
            into += [bound.address(place), stride_of(block), place.n_bytes, found[place].ctypes.data]
    for p in rings:  # ring of the first row, bytes of a slot, slots, offset of multiplicities, neurons, destination
        found[p.name] = np.empty((ticks, program.steps, rows, p.size), np.float32)
        ring = bound.address(f"{p.name}.spikes")
        lists += [ring, p.stride, p.slots, p.multiplicity, p.size, found[p.name].ctypes.data]
    words = np.array([*gives, *puts, *early, *late, *lists], np.int64)
    counts = np.array([*(len(rows_of) // 4 for rows_of in (gives, puts, early, late)), len(lists) // 6], np.int64)
    blocks = []
    for block, initial in ((bound.state, bound.initial), (bound.io, first_io)):
        blocks += [block.ctypes.data, stride_of(block), block.shape[1], initial.ctypes.data, stride_of(initial)]
    whole = np.array(blocks, np.int64)
    compile_function(run_sequences, SIGNATURE)(
        bound.table, bound.tables.strides[0], rows, ticks, program.steps, repeat, program.facts.period_ns,
        bound.address("clock"), 0 if starts is None else starts.ctypes.data, whole.ctypes.data, len(whole) // 5,
        counts.ctypes.data, words.ctypes.data,
    )  # fmt: skip
    return found
