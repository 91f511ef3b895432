"""Draw the events of a recording or a run in one figure: pictures, rate, activity of pixels, intervals, x-y-t.

`Survey` processes the events in chunks, in memory of bounded size. `survey_arrays` computes the arrays of a survey that
a run folder stores. `draw_recording` draws a survey.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..events import Events
from .kit import EVENT_OFF, EVENT_ON, MUTED, WIDTH, colour_bar, legend_above, photo, rate_prefix
from .table import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

__all__ = ["Survey", "draw_recording", "event_arrays", "event_counters", "events_of_episode", "survey_arrays"]

BINS = 512  # largest number of bins of the rate over time
POINTS = 30_000  # largest number of points in the x-y-t picture
LEAST_BIN = 1000  # ns
MOST_SIDE = 4096  # rows and columns of a sensor; events beyond them are errors of the recording
INTERVALS = np.logspace(-6, 2, 97)  # s
PIECE = 500_000  # number of events that are counted at a time
EVERY = 4  # every 4th row and column of the sensor is used for the intervals


class Survey:
    """Statistics of a stream of events. Call ``add`` with the chunks of the stream in order.

    begins : time of the first event [s], if the stream is part of a longer stream; it shifts the time axes

    The results are these attributes:

    first, last : time of the first event and latest time of an event [ns]; None without events
    on, off : number of ON events and number of OFF events
    rate : (bins, 2) int64, ON and OFF events in bins of ``bin_ns`` from ``first`` on
    pixels : (rows, columns) int64, number of events of each pixel; at most 4096 rows and columns; events beyond are
        ignored
    intervals : (96,) int64, histogram of the times between successive events of a pixel, for the pixels of every 4th
        row and column; the bins are INTERVALS [s]
    jumps : times [ns after the first event] at which the clock went back by a millisecond or more
    points : (n, 4) float64, a sample of at most 30,000 events: time [s after the first event], x, y, p
    """

    def __init__(self, begins: float = 0.0) -> None:
        self.begins = begins
        self.first: int | None = None
        self.last: int | None = None
        self.on = self.off = 0
        self.bin_ns = LEAST_BIN
        self._rate = np.zeros((2 * BINS, 2), np.int64)
        self.pixels: np.ndarray = np.zeros((1, 1), np.int64)
        self.intervals = np.zeros(len(INTERVALS) - 1, np.int64)
        self.jumps: list[int] = []
        self._before: np.ndarray = np.full((1, 1), -1, np.int64)
        self._points: list[np.ndarray] = []
        self._every, self._seen = 1, 0
        self._newest = 0  # time of the last event that was added [ns]

    def add(self, events: Events) -> None:
        """Update all statistics with the next chunk of events."""
        if not len(events):
            return
        t = events.ns
        if self.first is None or self.last is None:
            self.first = self.last = int(t[0])
            self._newest = self.first
        back = np.flatnonzero(np.diff(t, prepend=self._newest) < -1_000_000)
        self._newest = int(t[-1])
        self.jumps += [int(t[k - 1] if k else self.last) - self.first for k in back[: 20 - len(self.jumps)]]
        steady = np.maximum(np.maximum.accumulate(t), self.last) - self.first
        self.last = int(steady[-1]) + self.first
        on = int(np.count_nonzero(events.p))
        self.on, self.off = self.on + on, self.off + len(events) - on
        self._count_rate(steady, events.p)
        if max(int(events.x.max()), int(events.y.max())) >= MOST_SIDE:
            inside = (events.x < MOST_SIDE) & (events.y < MOST_SIDE)
            events, t, steady = events[inside], t[inside], steady[inside]
            if not len(events):
                return
        self.grow(int(events.y.max()) + 1, int(events.x.max()) + 1)
        rows, columns = self.pixels.shape
        places = events.y.astype(np.intp) * columns + events.x
        self.pixels += np.bincount(places, minlength=rows * columns).reshape(rows, columns)
        self._count_intervals(events, t)
        self._keep_points(events, steady)

    def _count_rate(self, t: np.ndarray, p: np.ndarray) -> None:
        while t[-1] // self.bin_ns >= 2 * BINS:  # merge pairs of bins
            self._rate[:BINS] = self._rate.reshape(BINS, 2, 2).sum(axis=1)
            self._rate[BINS:] = 0
            self.bin_ns *= 2
        codes = t // self.bin_ns * 2 + (p == 0)
        self._rate += np.bincount(codes, minlength=4 * BINS).reshape(2 * BINS, 2)

    def grow(self, rows: int, columns: int) -> None:
        """Enlarge ``pixels`` to the size of the sensor, if it is smaller."""
        old = self.pixels.shape
        rows, columns = max(min(rows, MOST_SIDE), old[0]), max(min(columns, MOST_SIDE), old[1])
        if (rows, columns) != old:
            self.pixels = np.pad(self.pixels, ((0, rows - old[0]), (0, columns - old[1])))
            few = (-(-rows // EVERY), -(-columns // EVERY))
            room = [(0, new - now) for new, now in zip(few, self._before.shape)]
            self._before = np.pad(self._before, room, constant_values=-1)

    def _count_intervals(self, events: Events, t: np.ndarray) -> None:
        few = (events.x % EVERY == 0) & (events.y % EVERY == 0)
        t = t[few]
        places = (events.y[few] // EVERY).astype(np.intp) * self._before.shape[1] + events.x[few] // EVERY
        order = np.argsort(places, kind="stable")
        t, places = t[order], places[order]
        same = np.diff(places, prepend=-1) == 0
        before = np.empty_like(t)
        before[1:] = t[:-1]
        last = self._before.reshape(-1)
        before[~same] = last[places[~same]]
        gaps = (t - before)[before >= 0]
        last[places] = t
        self.intervals += np.histogram(np.maximum(gaps, 0) * 1e-9, INTERVALS)[0]

    def _keep_points(self, events: Events, t: np.ndarray) -> None:
        rows = np.arange(-self._seen % self._every, len(t), self._every)
        kept = (t[rows] * 1e-9, events.x[rows], events.y[rows], events.p[rows])
        self._points.append(np.stack([c.astype(np.float64) for c in kept], axis=1))
        self._seen += len(t)
        while sum(map(len, self._points)) > POINTS:
            points, self._every = np.concatenate(self._points), 2 * self._every
            self._points = [points[::2]]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all data of the survey as arrays, from which `of` restores the survey.

        The size of the arrays is bounded, except for that of ``pixels``.
        """
        times = [self.bin_ns, self.first or 0, self.last or 0]
        return {
            "times": np.array(times, np.int64), "begins": np.array(self.begins), "rate": self.rate,
            "pixels": self.pixels, "intervals": self.intervals, "jumps": np.array(self.jumps, np.int64),
            "points": self.points.astype(np.float32),
        }  # fmt: skip

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Survey:
        """Restore a survey from the result of `arrays`. The restored survey accepts no further events.

        Raises KeyError if an array is missing.
        """
        survey = cls(float(arrays["begins"]))
        survey.bin_ns, survey.first, survey.last = (int(value) for value in arrays["times"])
        survey._rate, survey.pixels = arrays["rate"], arrays["pixels"]
        survey.on, survey.off = (int(total) for total in survey.rate.sum(axis=0))
        survey.intervals, survey.jumps = arrays["intervals"], arrays["jumps"].tolist()
        survey._points = [arrays["points"].astype(np.float64)]
        return survey

    @property
    def points(self) -> np.ndarray:
        return np.concatenate([np.zeros((0, 4)), *self._points])

    @property
    def rate(self) -> np.ndarray:
        return self._rate[: max(1, -(-self._span // self.bin_ns))]

    @property
    def _span(self) -> int:
        return 1 + (0 if self.first is None or self.last is None else self.last - self.first)

    @property
    def seconds(self) -> float:
        """Time from the first event to the last event [s]."""
        return (self._span - 1) * 1e-9

    @property
    def silences(self) -> list[tuple[float, float]]:
        """Start and end [s] of intervals without events that are at least two bins long; at most 50 intervals."""
        edges = np.flatnonzero(np.diff(np.r_[0, self.rate.sum(axis=1) == 0, 0]))
        stretches = edges.reshape(-1, 2)
        long = stretches[np.diff(stretches, axis=1)[:, 0] >= 2][:50]
        width = self.bin_ns * 1e-9
        return [(self.begins + a * width, self.begins + b * width) for a, b in long.tolist()]


# --- from a run's record ---------------------------------------------------------------------------


def events_of_episode(world: Mapping[str, np.ndarray], name: str, step: float, width: int, height: int) -> Events:
    """Return the events of a camera from the recorded arrays of an episode (`record.episode_recorder`).

    name : name of the camera in the observation
    step : duration of a step of the world [s]
    width, height : size of the sensor [pixel]
    """
    rows = world.get(f"events.{name}", np.zeros((0, 4)))
    steps = world.get(f"events.{name}.step", np.zeros(0, np.int64))
    # time of its step plus time within the step
    t = np.rint(((steps - 1) * step + rows[:, 0].astype(np.float64)) * 1e9).astype(np.int64)
    x, y, p = rows[:, 1].astype(np.uint16), rows[:, 2].astype(np.uint16), rows[:, 3].astype(np.uint8)
    return Events(t, x, y, p, "ns", width, height)


def event_arrays(events: Events) -> dict[str, np.ndarray]:
    """Return the `survey_arrays` of events whose times count from the start of the run."""
    begins = float(events.ns[0]) * 1e-9 if len(events) else 0.0
    size = events.width or 0, events.height or 0
    return survey_arrays((events[k : k + PIECE] for k in range(0, len(events), PIECE)), size, begins)


def survey_arrays(pieces: Iterable[Events], size: tuple[int, int], begins: float = 0.0) -> dict[str, np.ndarray]:
    """Return the statistics of events as arrays for a run folder (names: `record.run_folder`).

    The dictionary is empty if there are no events.

    pieces : chunks of events
    size : width and height of the sensor [pixel]; 0, 0: unknown
    begins : time of the first event [s after the start of the run]
    """
    survey = Survey(begins)
    for piece in pieces:
        survey.add(piece)
    if survey.first is None:
        return {}
    survey.grow(size[1], size[0])
    return {f"events_{key}": value for key, value in survey.arrays().items()}


def event_counters(*records: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten the counters of an input to one dictionary. Nested counters get names like ``filters hot_pixels``."""
    flat: dict[str, Any] = {}
    for record in records:
        for key, value in record.items():
            if isinstance(value, Mapping):
                flat.update({f"{key} {inner}": item for inner, item in event_counters(value).items()})
            elif isinstance(value, int | float) and not isinstance(value, bool):
                flat[key] = value
    return flat


# --- figure ---------------------------------------------------------------------------------------


def draw_recording(
    figure: Figure, survey: Survey, moments: Sequence[tuple[float, np.ndarray]] = (), title: str = ""
) -> tuple[str, str]:
    """Draw a survey in one figure. Return the caption and the alternative text.

    moments : list of (time [s after the first event], image); the images are shown above the plots
    """
    heights = [WIDTH / len(moments) * np.divide(*moments[0][1].shape[:2]) + 0.3] if moments else []
    heights += [2.2, 3.4, 4.2]
    figure.set_size_inches(WIDTH, sum(heights) + 0.6)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    if moments:
        _draw_moments(figure, grid[0], moments, survey)
    draw_rate(figure.add_subplot(grid[-3]), survey)
    of_the_sensor = float(np.clip(0.75 * survey.pixels.shape[1] / survey.pixels.shape[0], 0.5, 1.2))
    below = grid[-2].subgridspec(1, 2, width_ratios=[of_the_sensor, 1.2])
    _draw_activity(figure.add_subplot(below[0]), survey.pixels)
    _draw_intervals(figure.add_subplot(below[1]), survey)
    _draw_cloud(figure.add_subplot(grid[-1], projection="3d"), survey)
    total = survey.on + survey.off
    share = f"{survey.on / total:.0%} ON" if total else "none"
    said = f"{count(total, 'event')} ({share}) in {number(survey.seconds)} s"
    return said, f"Moments, event rate, activity of the pixels, intervals and x-y-t of a recording: {said}."


def _unit(survey: Survey) -> tuple[float, str]:
    """Return the scale and the name of a time unit that suits the duration of a survey."""
    units = ((1.0, "s"), (1e3, "ms"), (1e6, "µs"))
    return next((unit for unit in units if survey.seconds * unit[0] >= 1.0), units[-1])


def _draw_moments(
    figure: Figure, place: SubplotSpec, moments: Sequence[tuple[float, np.ndarray]], survey: Survey
) -> None:
    scale, unit = _unit(survey)
    gaps = np.diff([t for t, _ in moments]) * scale
    digits = int(np.clip(2 - np.floor(np.log10(gaps.min())), 0, 6)) if len(gaps) and gaps.min() > 0 else 3
    grid = place.subgridspec(1, len(moments))
    for k, (t, image) in enumerate(moments):
        axes = figure.add_subplot(grid[k])
        photo(axes, image, f"{t * scale:.{digits}f} {unit}")
        axes.spines[:].set_visible(False)


def draw_rate(axes: Axes, survey: Survey) -> None:
    """Draw the rate of events over time: ON events above the axis and OFF events below.

    Intervals without events are grey. Dashed lines mark the times at which the sensor's clock stepped back.
    """
    width = survey.bin_ns * 1e-9
    rates = survey.rate / width
    if len(rates) > 1:  # the last bin is incomplete, so it has no rate
        rates[-1] = rates[-2]
    scale, prefix = rate_prefix(rates.max(initial=0))
    times, of_times = _unit(survey)
    edges = survey.begins + np.append(np.arange(len(rates)) * width, max(survey.seconds, width * (len(rates) - 0.99)))
    edges *= times
    for k, (name, colour) in enumerate((("ON", EVENT_ON), ("OFF", EVENT_OFF))):
        axes.stairs((1, -1)[k] * rates[:, k] / scale, edges, fill=True, color=colour, alpha=0.85, lw=0, label=name)
    for k, (begin, end) in enumerate(survey.silences):
        axes.axvspan(begin * times, end * times, color=MUTED, alpha=0.18, lw=0, label="no event" if k == 0 else None)
    for k, t in enumerate(survey.jumps):
        label = "clock steps back" if k == 0 else None
        axes.axvline((survey.begins + t * 1e-9) * times, color="#b3261e", lw=1, ls=(0, (3, 2)), label=label)
    axes.axhline(0, color=MUTED, lw=0.7)
    axes.set_xlim(edges[0], edges[-1])
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.set_title("Events over time: ON upwards, OFF downwards")
    axes.set(xlabel=f"time [{of_times}]", ylabel=f"rate [{prefix or '1'}/s]")
    legend_above(axes, 4)


def _draw_activity(axes: Axes, pixels: np.ndarray) -> None:
    """Draw the number of events of each pixel as an image with a logarithmic colour scale."""
    from matplotlib.colors import LogNorm

    most = max(float(pixels.max(initial=0)), 2.0)
    shown = axes.imshow(np.maximum(pixels, 0.5), norm=LogNorm(0.5, most), cmap="cividis", interpolation="nearest")
    axes.grid(False)
    axes.set_title("Activity of the pixels")
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]", anchor="W")
    colour_bar(axes, shown, "events per pixel [count]")


def _draw_intervals(axes: Axes, survey: Survey) -> None:
    axes.stairs(survey.intervals, INTERVALS, fill=True, color=MUTED, alpha=0.7, lw=0)
    axes.set_xscale("log")
    used = np.flatnonzero(survey.intervals)
    if len(used):
        axes.set_xlim(INTERVALS[max(0, used[0] - 2)], INTERVALS[min(len(INTERVALS) - 1, used[-1] + 3)])
    axes.set_title("Intervals of a pixel")
    axes.set(xlabel="from event to event [s]", ylabel="intervals [count]")
    axes.set_ylim(bottom=0)


def _draw_cloud(axes: Axes, survey: Survey) -> None:
    from matplotlib.ticker import MaxNLocator

    t, x, y, p = survey.points.T
    scale, unit = _unit(survey)
    t = (t + survey.begins) * scale
    area = float(np.clip(4000 / max(1, len(t)), 0.5, 6.0))
    for chosen, colour in ((p == 0, EVENT_OFF), (p != 0, EVENT_ON)):
        axes.scatter(t[chosen], x[chosen], y[chosen], s=area, c=colour, lw=0, alpha=0.6, rasterized=True, clip_on=False)  # type: ignore[misc]
    axes.set_title("Place and time of the events", loc="left", x=-0.72)  # the axes are a square, the box is wider
    axes.set(ylim=(0, survey.pixels.shape[1]), zlim=(survey.pixels.shape[0], 0))  # y points down
    axes.set_xlabel(f"time [{unit}]", labelpad=14)
    axes.set_ylabel("column [pixel]", labelpad=4)
    axes.zaxis.set_rotate_label(False)  # type: ignore[attr-defined]
    axes.set_zlabel("row [pixel]", labelpad=2, rotation=90)  # type: ignore[attr-defined]
    for axis, most in ((axes.xaxis, 8), (axes.yaxis, 2), (axes.zaxis, 3)):  # type: ignore[attr-defined]
        axis.set_major_locator(MaxNLocator(most))
        axis.set_pane_color((0.97, 0.97, 0.98))  # type: ignore[union-attr]
    axes.tick_params(labelsize=9, pad=1)
    axes.set_box_aspect((3.4, 1, 0.9), zoom=1.62)  # type: ignore[arg-type, call-arg]
    axes.view_init(elev=17, azim=-72)  # type: ignore[attr-defined]
