"""References of the filters of events, and of the ways from events to cells."""

from __future__ import annotations

import numpy as np

from snn_control.coding import BackgroundActivity, EventsInput, HotPixels, Polarity, RateLimit, Refractory, Region
from snn_control.testing import floats, settle
from tests.reference.scalars import ONE, ZERO, f32

WRAP = 1 << 32


def moment(t):
    """us of ns, modulo 2^32; never 0."""
    return max(1, (int(t) % (1 << 64)) // 1000 % WRAP)


def apart(now, then):
    """Distance of two moments, in either direction."""
    return min((now - then) % WRAP, (then - now) % WRAP)


def shorten(kept, removed, passes, places=None):
    """Keep in the list the events for which ``passes(place)`` holds; the entry after the end is the last examined."""
    places, n = kept[1 : 1 + int(kept[0])].tolist() if places is None else places, 0
    for k in places:
        kept[1 + n] = k
        n += bool(passes(k))
    removed[0] += len(places) - n
    kept[0] = n


def region(
    slot, kept, capacity, x, y, width, height, removed, first, left, top, columns, rows, counters
):  # fmt: skip
    def passes(k):
        return left <= x[k] < left + columns and top <= y[k] < top + rows

    if not first:
        return shorten(kept, removed, passes)
    count = min(int(slot[2]), capacity) if slot[0] > 0 else 0
    framed = sum(x[k] < width and y[k] < height for k in range(count))
    counters += framed, count - framed
    removed[0] -= count - framed  # which are no loss of this filter
    shorten(kept, removed, passes, range(count))


def hot_pixels(slot, kept, capacity, x, y, width, height, removed, mask):
    bits = np.unpackbits(mask, bitorder="little")
    shorten(kept, removed, lambda k: not bits[int(y[k]) * width + int(x[k])])


def refractory(slot, kept, capacity, x, y, width, height, removed, t, p, last, period, each):
    def passes(k):
        pixel = int(y[k]) * width + int(x[k])
        if each:
            pixel = 2 * pixel + int(p[k] != 0)
        now, then = moment(t[k]), int(last[pixel])
        if then and apart(now, then) < period:
            return False
        last[pixel] = now
        return True

    count = int(kept[0])
    whole = kept[1 : 1 + count].tolist() == list(range(count))
    shorten(kept, removed, passes)
    if whole:  # what stands behind the list then
        kept[1 + kept[0] : 1 + count] = np.arange(kept[0], count)


def background(slot, kept, capacity, x, y, width, height, removed, t, last, window, support):
    def passes(k):
        now, picture = moment(t[k]), last.reshape(height + 2, width + 2)
        row, column = int(y[k]) + 1, int(x[k]) + 1
        around = picture[row - 1 : row + 2, column - 1 : column + 2].ravel().tolist()
        del around[4]  # its own
        picture[row, column] = now
        return sum(then > 0 and apart(now, then) <= window for then in around) >= support

    shorten(kept, removed, passes)


def one_polarity(slot, kept, capacity, x, y, width, height, removed, p, keep):
    shorten(kept, removed, lambda k: (p[k] != 0) == bool(keep))


def rate_limit(slot, kept, capacity, x, y, width, height, removed, tokens, refill, most):
    tokens[0] = min(int(tokens[0]) + refill, most)
    count = int(kept[0])
    allowed = min(int(tokens[0]) >> 20, count)
    tokens[0] -= allowed << 20
    if allowed < count:
        owed = [(count // 2 + j * allowed) // count for j in range(count + 1)]
        passed = iter(np.diff(owed))
        shorten(kept, removed, lambda k: next(passed))


def places(slot, kept, capacity, x, y, width, height, counters):
    """Which events an encoder reads."""
    if not isinstance(kept, int):
        return kept[1 : 1 + int(kept[0])].tolist()
    count = min(int(slot[2]), capacity) if slot[0] > 0 else 0
    framed = [k for k in range(count) if x[k] < width and y[k] < height]
    counters += len(framed), count - len(framed)
    return framed


def cell_along(middle: int, size: int, cells: int) -> int:
    """Of ``cells`` along ``size`` pixels; ``middle`` of a pixel, in halves. On a boundary: the outer one."""
    cell, beyond = divmod(middle * cells, 2 * size)
    return cell - (beyond == 0 and middle < size)


def lead(slot, kept, capacity, x, y, width, height, p, cells, columns, rows, lines, above, of_on, counters):
    """Write the cells of all events; returns which of them an encoder reads."""
    for k in range(min(int(slot[2]), capacity) if slot[0] > 0 else 0):
        column = cell_along(2 * int(x[k]) + 1, width, columns)
        line = cell_along(2 * int(y[k]) + 1 + above, lines, rows)
        cells[k] = (line * columns + column + int(p[k] != 0) * of_on) % 2**32
    return places(slot, kept, capacity, x, y, width, height, counters)


def pool(
    slot, kept, capacity, x, y, width, height, p, cells, columns, rows, lines, above, of_on, weights, counters, n, out
):
    out[:] = ZERO
    grid = columns, rows, lines, above, of_on
    for k in lead(slot, kept, capacity, x, y, width, height, p, cells, *grid, counters):
        out[cells[k]] += weights[int(p[k] != 0)]


def surface(
    slot, kept, capacity, x, y, width, height, p, cells, columns, rows, lines, above, of_on, weights, counters, n, out,
    decay,
):  # fmt: skip
    for i in range(n):
        out[i] = settle(out[i] * decay[0])
    grid = columns, rows, lines, above, of_on
    for k in lead(slot, kept, capacity, x, y, width, height, p, cells, *grid, counters):
        out[cells[k]] = weights[int(p[k] != 0)]


def respond(n, sums, out, numbers, response):
    decay, ceiling = numbers
    for i in range(n):
        s = sums[i]
        if response == 1:
            s = ONE if s > 0 else -ONE if s < 0 else ZERO
        elif response == 2:
            s = ceiling if s > ceiling else -ceiling if s < -ceiling else s
        out[i] = settle(out[i] * decay) + s


# random operands ------------------------------------------------------------------------------------------------
def events_case(rng, n, outside=False):
    """slot, kept, capacity, x, y, width, height; and t and p."""
    width, height, capacity = n, int(rng.integers(1, 12)), int(rng.integers(1, 60))
    over = 2 if outside else 0
    slot = np.array([rng.integers(0, 3), 0, rng.integers(0, 70), 0, 0, 0, 0, 0], np.int64)
    x = rng.integers(0, width + over, capacity).astype(np.uint16)
    y = rng.integers(0, height + over, capacity).astype(np.uint16)
    t = rng.choice([0, 10_000, 4_294_967_290_000, 1 << 60]) + np.cumsum(rng.integers(0, 3000, capacity))
    if rng.random() < 0.3:
        t[rng.integers(0, capacity) :] -= rng.integers(0, 100_000)
    p = rng.integers(0, 3, capacity).astype(np.uint8)
    chosen = np.flatnonzero(rng.random(capacity) < 0.7)
    kept = np.zeros(capacity + 1, np.uint32)
    kept[0], kept[1 : 1 + chosen.size] = chosen.size, chosen
    return [slot, kept, capacity, x, y, width, height], t.astype(np.int64), p


def filter_case(rng, n):
    row, t, p = events_case(rng, n)
    return [*row, np.zeros(1, np.int64)], t, p


def times_case(rng, t, size):
    """(size,) uint32: some pixels never fired, some lately."""
    last = (t[rng.integers(0, t.size, size)] // 1000 + rng.integers(-9, 9, size)).astype(np.uint64) % WRAP
    return np.where(rng.random(size) < 0.4, 0, last).astype(np.uint32)


def region_case(rng, n):
    first = int(rng.integers(0, 2))
    row, _, _ = events_case(rng, n, outside=bool(first))
    width, height = row[5:7]
    left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
    columns, rows = int(rng.integers(1, width - left + 1)), int(rng.integers(1, height - top + 1))
    return [*row, np.zeros(1, np.int64), first, left, top, columns, rows, np.zeros(2, np.int64)]


def hot_pixels_case(rng, n):
    row, _, _ = filter_case(rng, n)
    return [*row, rng.integers(0, 256, (row[5] * row[6] + 7) // 8).astype(np.uint8)]


def refractory_case(rng, n):
    (row, t, p), each = filter_case(rng, n), int(rng.integers(0, 2))
    return [*row, t, p, times_case(rng, t, row[5] * row[6] * (1 + each)), int(rng.choice([1, 2, 7, 100])), each]


def background_case(rng, n):
    row, t, _ = filter_case(rng, n)
    last = times_case(rng, t, (row[5] + 2) * (row[6] + 2))
    return [*row, t, last, int(rng.choice([1, 5, 50])), int(rng.integers(1, 5))]


def one_polarity_case(rng, n):
    row, _, p = filter_case(rng, n)
    return [*row, p, int(rng.integers(0, 2))]


def rate_limit_case(rng, n):
    row, _, _ = filter_case(rng, n)
    most = int(rng.integers(1 << 20, 40 << 20))
    return [*row, rng.integers(0, most, 1), int(rng.integers(1, 20 << 20)), most]


def cells_case(rng, n):
    filtered = rng.random() < 0.5
    row, _, p = events_case(rng, n, outside=not filtered)
    width, height = row[5:7]
    columns, rows = int(rng.integers(1, width + 1)), int(rng.integers(1, height + 1))
    of_on = columns * rows * int(rng.integers(0, 2))
    if filtered:  # a list is of a tick that has events
        row[0][[0, 2]] = 1, row[2]
    else:
        row[1] = 0
    n, scratch = columns * rows + of_on, rng.integers(0, 2**32, row[2], dtype=np.uint32)
    weights = floats(rng, 2, special=False) if rng.random() < 0.7 else np.ones(2, np.float32)
    above, below = rng.integers(0, 3, 2).tolist()
    grid = columns, rows, row[6] + above + below, above, of_on
    return [*row, p, scratch, *grid, weights, np.zeros(2, np.int64), n, floats(rng, n)]


def surface_case(rng, n):
    return [*cells_case(rng, n), rng.random(1).astype(np.float32)]


def respond_case(rng, n):
    numbers = np.array([rng.choice([0, rng.random()]), rng.uniform(0.1, 2)], np.float32)
    return [n, floats(rng, n, special=False), floats(rng, n), numbers, int(rng.integers(0, 3))]


# a whole chain, from the descriptions -----------------------------------------------------------------------------
class SlowFilters:
    """The filters of an input, one event after the other; a period of ``period`` s."""

    def __init__(self, spec: EventsInput, period: float) -> None:
        self.spec, self.period = spec, period
        self.removed = [0] * len(spec.filters)
        self.last: list[dict] = [{} for _ in spec.filters]
        self.tokens = [self.burst(one) if isinstance(one, RateLimit) else 0 for one in spec.filters]

    def burst(self, one: RateLimit) -> int:
        return max(1 << 20, round((one.rate * self.period if one.burst is None else one.burst) * (1 << 20)))

    def tick(self, rows: list) -> list:
        """The events (t [ns], x, y, p) in the frame that pass the filters."""
        for k, one in enumerate(self.spec.filters):
            if isinstance(one, RateLimit):
                left = self.thinned(k, one, rows)
            else:
                left = [row for row in rows if self.passes(k, one, *row)]
            self.removed[k] += len(rows) - len(left)
            rows = left
        return rows

    def passes(self, k, one, t, x, y, p):
        now, last = max(1, t // 1000), self.last[k]
        if isinstance(one, Region):
            return one.x <= x < one.x + one.width and one.y <= y < one.y + one.height
        if isinstance(one, HotPixels):
            return not one.hot(*self.spec.size)[y, x]
        if isinstance(one, Polarity):
            return p == (one.keep == "on")
        if isinstance(one, Refractory):
            pixel = (x, y, p) if one.each_polarity else (x, y)
            if pixel in last and abs(now - last[pixel]) < round(one.period * 1e6):
                return False
            last[pixel] = now
            return True
        assert isinstance(one, BackgroundActivity)
        near = [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
        active = [pixel for pixel in near if pixel in last and abs(now - last[pixel]) <= round(one.window * 1e6)]
        last[x, y] = now
        return len(active) >= one.support

    def thinned(self, k, one, rows):
        most = self.burst(one)
        self.tokens[k] = min(most, self.tokens[k] + min(most, max(1, round(one.rate * self.period * (1 << 20)))))
        allowed = min(len(rows), self.tokens[k] >> 20)
        self.tokens[k] -= allowed << 20
        left, owed = [], len(rows) // 2
        for row in rows:
            owed += allowed
            if owed >= len(rows):
                owed -= len(rows)
                left.append(row)
        return left


def responded(encoder, sums: np.ndarray) -> np.ndarray:
    """Of a PoolEncoder to the sums of a tick."""
    if encoder.response == "binary":
        return np.sign(sums)
    if encoder.response == "saturate":
        return np.clip(sums, -f32(encoder.ceiling), f32(encoder.ceiling))
    return sums
