"""Publish a running controller's activity for RViz and Foxglove: ``~/watch/POPULATION`` has a point for each neuron.

The messages are of type sensor_msgs/msg/PointCloud2, with these fields:

x, y, z : FLOAT32, position of the neuron; the neurons are arranged in rows, which fill a square
neuron : UINT32, index of the neuron
rate : FLOAT32, spikes per second since the last message
v : FLOAT32, present membrane potential, or the output of a graded population

The loop counts the spikes. The main thread composes the messages while there is a subscriber.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sensor_msgs.msg import PointCloud2

from ...controller import Controller
from ...errors import DescriptionError, nearest
from ...record.spike_counts import SpikeCounts
from ..messages.clouds import cloud_cdr
from ..ports.spikes import raster_positions

__all__ = ["Watch"]

NEURON = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("neuron", "<u4"), ("rate", "<f4"), ("v", "<f4")])


class Watch:
    """Publishes the firing rates and membrane potentials of populations of a configured node.

    names : names of the populations, separated by commas; "all": every population, including those of encoders
    rate : rate of the messages [Hz]
    observers : list of functions that the node's loop calls after each tick; this object appends its own function

    Raises DescriptionError for a name that the controller does not have.
    """

    def __init__(self, node: Any, controller: Controller, names: str, rate: float) -> None:
        known = {one.name: one for one in controller.program.facts.populations}
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        if wanted == ["all"]:
            wanted = list(known)
        for name in wanted:
            if name not in known:
                rule = "is not a population of the controller"
                raise DescriptionError("watch", name, rule, nearest(name, [*known, "all"]))
        self._node, bound = node, controller.bound
        self._membranes = {n: bound.array(f"{n}.v") for n in wanted if f"{n}.v" in bound.program.names}
        self._counts = {name: SpikeCounts(bound, known[name]) for name in wanted if known[name].spiking}
        self.observers = list(self._counts.values())
        self._points, self._publishers = {}, {}
        for name in wanted:
            points = self._points[name] = np.zeros(known[name].size, NEURON)
            points["neuron"] = np.arange(known[name].size)
            for axis, column in zip("xyz", raster_positions(known[name].size).T, strict=True):
                points[axis] = column
            self._publishers[name] = node.create_publisher(PointCloud2, f"~/watch/{name}", 5)
        self._before = {name: one.counts.copy() for name, one in self._counts.items()}
        self._at = time.monotonic()
        self._timer = node.steady_timer(1.0 / rate, self._publish)

    def _publish(self) -> None:
        now = time.monotonic()
        passed, self._at = max(now - self._at, 1e-6), now
        stamp = self._node.get_clock().now().nanoseconds
        for name, points in self._points.items():
            if name in self._counts:
                counts = self._counts[name].counts.copy()
                points["rate"] = (counts - self._before[name]) / passed
                self._before[name] = counts
            if self._publishers[name].get_subscription_count() and self._node.commanding:
                if name in self._membranes:
                    points["v"] = self._membranes[name]
                self._publishers[name].publish(cloud_cdr(points, stamp, name))

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
