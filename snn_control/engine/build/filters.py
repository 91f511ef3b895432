"""Lowerings of the event filters, and allocation of the arrays for the events of an input."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ...coding import BackgroundActivity, EventsInput, HotPixels, Polarity, RateLimit, Refractory, Region
from .builder import Builder, blamed, lowering_of
from ..lowering import FilterLowering
from ..kernels.filters import TOKEN
from ..program import PRE, Place, element

__all__ = ["FILTERS", "EventColumns", "add_columns", "event_columns"]

Words = dict[str, int | Place]


@dataclass(frozen=True)
class EventColumns:
    """The arrays of an events input.

    slot : header with the number and age of the events, see `snn_control.engine.slots`
    t, x, y, p : (capacity,) columns: time int64 [ns], column uint16, row uint16, polarity uint8
    kept : (1 + capacity,) uint32, list of the events that passed the filters, see `snn_control.engine.kernels.filters`;
        0 if there are no filters
    counters : (2,) int64, numbers of events inside and outside the frame, which the first operation that reads the
        columns counts
    """

    slot: Place
    t: Place
    x: Place
    y: Place
    p: Place
    kept: Place | int
    counters: Place


def add_columns(b: Builder, spec: EventsInput, slot: Place) -> list[str]:
    """Allocate the columns of an events input, and emit the operations of its filters. Return the filters' names."""
    lay, name, n = b.layout, spec.name, spec.capacity
    for key, dtype in (("t", "int64"), ("x", "uint16"), ("y", "uint16"), ("p", "uint8")):
        lay.io(f"{name}.{key}", dtype, n)
    lay.state(f"{name}.events", "int64", 2)
    if not spec.filters:
        return []
    lay.io(f"{name}.kept", "uint32", n + 1)
    filters = list(spec.filters)
    # the first filter must be a region, as it creates the list of kept events: the whole frame, unless one is given
    chain = filters if isinstance(filters[0], Region) else [Region(0, 0, *spec.size), *filters]
    removed = lay.state(f"{name}.removed", "int64", len(chain))
    c, (width, height) = event_columns(b, spec), spec.size
    words = {"slot": c.slot, "kept": c.kept, "capacity": n, "x": c.x, "y": c.y, "width": width, "height": height}
    for k, one in enumerate(chain):
        lowering = lowering_of(f"inputs.{name}.filters", one, "filters", "is not a filter of events")
        with blamed(f"inputs.{name}.filters[{k - len(chain) + len(filters)}]", "filters", one):
            own = lowering.operands(b, spec, one, c) | {"removed": element(removed, k)}
            if lowering.kernel == "region":
                own["first"] = k == 0
            b.emit(PRE, lowering.kernel, **words, **own, label=name)
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", type(one).__name__).lower() for one in filters]
    before = [names[:k].count(name) for k, name in enumerate(names)]  # the second one is background_activity_2
    return [f"{name}_{n + 1}" if n else name for name, n in zip(names, before)]


def event_columns(b: Builder, spec: EventsInput) -> EventColumns:
    """Return the arrays of an events input, for the input's encoder."""
    names = b.layout.names
    slot, t, x, y, p, counters = (names[f"{spec.name}.{key}"] for key in ("slot", "t", "x", "y", "p", "events"))
    return EventColumns(slot, t, x, y, p, names.get(f"{spec.name}.kept", 0), counters)


def _region(b: Builder, spec: EventsInput, one: Region, c: EventColumns) -> Words:
    return {"left": one.x, "top": one.y, "columns": one.width, "rows": one.height, "counters": c.counters}


def _hot_pixels(b: Builder, spec: EventsInput, one: HotPixels, c: EventColumns) -> Words:
    return {"mask": b.layout.constant("", np.packbits(one.hot(*spec.size), bitorder="little"))}


def _refractory(b: Builder, spec: EventsInput, one: Refractory, c: EventColumns) -> Words:
    last = b.layout.state("", "uint32", spec.size[0] * spec.size[1] * (1 + one.each_polarity))
    return {"t": c.t, "p": c.p, "last": last, "period": round(one.period * 1e6), "apart": one.each_polarity}


def _background(b: Builder, spec: EventsInput, one: BackgroundActivity, c: EventColumns) -> Words:
    last = b.layout.state("", "uint32", (spec.size[0] + 2) * (spec.size[1] + 2))
    return {"t": c.t, "last": last, "window": round(one.window * 1e6), "support": one.support}


def _rate_limit(b: Builder, spec: EventsInput, one: RateLimit, c: EventColumns) -> Words:
    part = 1 << TOKEN
    refill = max(1, round(one.rate * b.dt * b.steps * part))
    most = max(part, refill if one.burst is None else round(one.burst * part))
    return {"tokens": b.layout.state("", "int64", 1, most), "refill": min(refill, most), "most": most}


FILTERS = {
    "region": (Region, FilterLowering("region", _region)),
    "hot_pixels": (HotPixels, FilterLowering("hot_pixels", _hot_pixels)),
    "refractory": (Refractory, FilterLowering("refractory", _refractory)),
    "background_activity": (BackgroundActivity, FilterLowering("background", _background)),
    "polarity": (
        Polarity,
        FilterLowering("one_polarity", lambda b, spec, one, c: {"p": c.p, "keep": one.keep == "on"}),
    ),
    "rate_limit": (RateLimit, FilterLowering("rate_limit", _rate_limit)),
}
