"""Encoders: convert the checked numbers or events of an input to currents, once per tick."""

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..memory import f32, u32
from ..rows import Number, Record, Scalars, address, count, flag, kernel, read, scalar, written
from ..slots import COUNT, FRESH, SLOT_WORDS
from . import ONE, ZERO, settle
from .events import listed
from .functions import HALF, exponential

RESPONSES = ("sum", "binary", "saturate")
SUM, BINARY, SATURATE = range(3)
SET, ADD, COUNT_IT = range(3)  # the effect of an event on its cell
WHOLE = 1 << 24  # a float32 counts exactly up to here
# indices are uint64: for a signed index compiled code would check at each use whether it counts from the end
U64_1, U64_2, U64_39, U64_40, U64_63 = (np.uint64(n) for n in (1, 2, 39, 40, 63))


@kernel(version=2)
def population(
    dimensions: count, m: count, values: read("f32", "dimensions"), out: written("f32", "dimensions * m"),
    centres: read("f32", "dimensions * m"), params: read("f32", "2 * dimensions"), cutoff: scalar("f32"),
):  # fmt: skip
    """Encode each value by Gaussian receptive fields: out = drive exp(-((x - centre) / sigma)^2 / 2).

    This is the encoder of PopSAN (Tang et al. 2020). If the exponential is below ``cutoff``, out is 0.

    m : number of receptive fields (neurons) for each value
    params : pair (1 / sigma, drive) for each value
    """
    for d in range(dimensions):
        for k in range(d * m, d * m + m):
            z = (values[d] - centres[k]) * params[2 * d]
            response = exponential(-HALF * (z * z))
            out[k] = params[2 * d + 1] * response if response >= cutoff else ZERO


@kernel(version=2)
def fields(
    dimensions: count, m: count, values: read("f32", "dimensions"), out: written("f32", "m"),
    centres: read("f32", "dimensions * m"), inverse: read("f32", "dimensions"),
    numbers: Scalars("f32", "drive", "cutoff"),
):  # fmt: skip
    """Encode a vector of values by multivariate Gaussian receptive fields.

    The current of a neuron is out = drive exp(-sum over the dimensions of ((x - centre) / sigma)^2 / 2). If the
    exponential is below ``cutoff``, out is 0.

    inverse : 1 / sigma of each dimension
    """
    for k in range(m):
        square = ZERO
        for d in range(dimensions):
            z = (values[d] - centres[k * dimensions + d]) * inverse[d]
            square += z * z
        response = exponential(-HALF * square)
        out[k] = numbers.drive * response if response >= numbers.cutoff else ZERO


@kernel()
def signed(n: count, values: read("f32", "n"), out: written("f32", "2 * n"), gain: read("f32", "n")):
    """Encode each value x in two channels: max(gain x, 0) and max(-gain x, 0)."""
    for i in range(n):
        y = gain[i] * values[i]
        out[i] = y if y > ZERO else ZERO
        out[n + i] = -y if y < ZERO else ZERO


@kernel()
def changes(
    n: count, values: read("f32", "n"), out: written("f32", "2 * n"), sent: written("f32", "n"),
    threshold: read("f32", "n"), whole: flag,
):  # fmt: skip
    """Emit a pulse of 1, ON or OFF, if a value differs from its reference by at least the threshold.

    A larger difference also causes only one pulse. After a pulse, the reference becomes the value if ``whole`` is true;
    otherwise it moves by one threshold towards the value.

    sent : reference of each value
    """
    for i in range(n):
        moved = values[i] - sent[i]
        on, off = moved >= threshold[i], moved <= -threshold[i]
        out[i], out[n + i] = ONE if on else ZERO, ONE if off else ZERO
        if on | off:
            step = threshold[i] if on else -threshold[i]
            sent[i] = values[i] if whole != 0 else sent[i] + step


@register_jitable(forceinline=True)
def to_cell(out, cell, weight, how):
    if how == COUNT_IT:
        out[cell] += np.uint32(1)
    elif how == ADD:
        out[cell] += weight
    else:
        out[cell] = weight


class Grid(Record):
    """The events of a tick, and a grid of ``columns`` x ``rows`` cells over the sensor. ``kept`` is the list of events
    that passed the filters; 0 means all events. The grid covers ``lines`` rows of pixels, of which ``above`` / 2 lie
    above the frame. ``of_on`` is the index of the first cell for ON events. ``weights`` are two numbers: the weight of
    an OFF event and the weight of an ON event. ``counters`` are two numbers of events: inside and outside the frame.
    ``cells`` is scratch memory."""

    def __init__(self):
        super().__init__(
            slot=read("i64", SLOT_WORDS), kept=written("u32", "1 + capacity", missing=True), capacity=count,
            x=read("u16", "capacity"), y=read("u16", "capacity"), width=count, height=count, p=read("u8", "capacity"),
            cells=written("u32", "capacity"), columns=count, rows=count, lines=count, above=Number(0),
            of_on=Number(0), weights=read("f32", 2),
            counters=written("i64", 2),
        )  # fmt: skip

    def check(self, parameter, w):
        super().check(parameter, w)
        if w.kept:
            listed(w)
        beyond = w.above > 2 * (w.lines - w.height) or w.lines > 65536
        if w.columns > w.width or w.rows > w.lines or beyond or w.of_on > w.n - w.columns * w.rows:
            raise ProgramError(
                f"a grid of {w.columns} x {w.rows} and {w.of_on} on {w.width} x {w.height} of {w.above} / 2 + "
                f"{w.lines}: only {w.n} cells"
            )


@register_jitable(forceinline=True)
def cell_along(middle, size, cell_of, half):
    """Return the index of the grid cell that contains the centre of a pixel, along one axis.

    A pixel centre on the boundary of two cells belongs to the cell farther from the middle of the axis. A mirrored
    picture therefore has mirrored cells.

    middle : coordinate of the pixel centre [half-pixels]
    size : length of the axis [pixel]
    cell_of : ceil(2^39 cells / size)
    half : floor(2^39 / size)

    Rounding errors are below 2^-22 of a cell. A pixel centre is either on a boundary or at least 2^-17 of a cell away.
    """
    before = (middle - size) >> U64_63  # 1 where the outer cell is the previous one; faster than a comparison
    return (middle * cell_of - before * half) >> U64_40


@register_jitable(forceinline=True)
def to_cells(c, out, how):
    """Apply each event of this tick to its grid cell in ``out``, in order of arrival.

    c : events and grid, see `Grid`
    how : SET writes the weight of the event's polarity into the cell; ADD adds this weight; COUNT_IT adds 1

    The cells of all events are computed first, because the compiler can vectorise this part.
    """
    x, y, p, cells, width, height = c.x, c.y, c.p, c.cells, np.uint64(c.width), np.uint64(c.height)
    columns, of_on, lines, above = np.uint32(c.columns), np.uint32(c.of_on), np.uint64(c.lines), np.uint64(c.above)
    across = ((np.uint64(c.columns) << U64_39) + width - U64_1) // width
    down = ((np.uint64(c.rows) << U64_39) + lines - U64_1) // lines
    half_column, half_line = (U64_1 << U64_39) // width, (U64_1 << U64_39) // lines
    count = np.uint64(max(min(c.slot[COUNT], c.capacity), 0)) if c.slot[FRESH] > 0 else np.uint64(0)
    for k in range(count):
        column = cell_along(U64_2 * np.uint64(x[k]) + U64_1, width, across, half_column)
        line = cell_along(U64_2 * np.uint64(y[k]) + U64_1 + above, lines, down, half_line)
        cells[k] = np.uint32(line) * columns + np.uint32(column) + np.uint32(p[k] != 0) * of_on
    if c.kept.size > 0:  # the first filter has checked the frame and counted
        for j in range(U64_1, np.uint64(c.kept[0]) + U64_1):
            k = c.kept[j]
            to_cell(out, np.uint64(cells[k]), c.weights[np.uint64(p[k] != 0)], how)
    else:
        seen = 0
        for k in range(count):
            if (np.uint64(x[k]) < width) & (np.uint64(y[k]) < height):
                to_cell(out, np.uint64(cells[k]), c.weights[np.uint64(p[k] != 0)], how)
                seen += 1
        c.counters[0] += seen
        c.counters[1] += np.int64(count) - seen


@kernel(version=5)
def pool(grid: Grid(), n: count, out: address("f32", "n", written=True)):
    """Pool the events of this tick on a grid: each event adds the weight of its polarity to its grid cell."""
    sums, counts = f32(out, n), u32(out, n)
    for i in range(n):
        sums[i] = ZERO
    if (grid.weights[0] == ONE) & (grid.weights[1] == ONE) & (grid.capacity < WHOLE):
        to_cells(grid, counts, COUNT_IT)  # as whole numbers in the same memory: faster, with the same sums
        for i in range(n):
            sums[i] = np.float32(counts[i])
    else:
        to_cells(grid, sums, ADD)


@kernel(version=4)
def surface(grid: Grid(), n: count, out: written("f32", "n"), decay: scalar("f32")):
    """Update a surface of active events: all grid cells decay, then each event writes its weight into its cell."""
    for i in range(n):
        out[i] = settle(out[i] * decay)
    to_cells(grid, out, SET)


@kernel()
def respond(
    n: count, sums: read("f32", "n"), out: written("f32", "n"), numbers: Scalars("f32", "decay", "ceiling"),
    response: Number(0, len(RESPONSES) - 1),
):  # fmt: skip
    """Low-pass filter the pooled events of each grid cell: out <- decay out + response(s).

    s is the sum of the cell's events in this tick. The response is s itself (sum), the sign of s (binary), or s limited
    to [-ceiling, ceiling] (saturate).
    """
    for i in range(n):
        s = sums[i]
        if response == BINARY:
            s = (ONE if s > ZERO else ZERO) - (ONE if s < ZERO else ZERO)
        elif response == SATURATE:
            s = min(max(s, -numbers.ceiling), numbers.ceiling)
        out[i] = settle(out[i] * numbers.decay) + s
