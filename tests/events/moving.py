"""Events of a bar that moves over a sensor: what is exact about them is the direction."""

from __future__ import annotations

import numpy as np

from snn_control.events import Events

__all__ = ["bar", "save"]

WIDTH = 12  # of the bar [pixel]


def bar(speed: float, axis: int = 0, size: tuple[int, int] = (128, 128), noise: float = 1.0, seed: int = 0) -> Events:
    """A dark bar crosses the picture once: OFF at its front, ON at its back, an event of each polarity a pixel.

    speed : [pixel/s], along x (axis 0) or y (axis 1); negative: to the left, upwards
    noise : events [1/s] of each pixel, of either polarity
    """
    rng = np.random.default_rng(seed)
    length, across = size[axis], size[1 - axis]
    parts = []
    for edge, polarity in ((0, 0), (-WIDTH, 1)):
        place, other = (grid.reshape(-1) for grid in np.mgrid[:length, :across])
        t = (place - edge + rng.random(place.size)) / abs(speed)
        along = place if speed > 0 else length - 1 - place
        parts.append((t, along, other, np.full(place.size, polarity)))
    seconds = max(t.max() for t, *_ in parts)
    n = int(noise * size[0] * size[1] * seconds)
    parts.append((rng.uniform(0, seconds, n), rng.integers(0, length, n), rng.integers(0, across, n),
                  rng.integers(0, 2, n)))  # fmt: skip
    t, along, other, p = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(t, kind="stable")
    x, y = (along, other) if axis == 0 else (other, along)
    columns = np.rint(t * 1e9).astype(np.int64), x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8)
    return Events(*(column[order] for column in columns), unit="ns", width=size[0], height=size[1])


def save(path, events: Events):
    """As .npz, a recording that says its size and unit."""
    np.savez(path, t=events.t, x=events.x, y=events.y, p=events.p, width=events.width or 0, height=events.height or 0,
             unit=events.unit)  # fmt: skip
    return path
