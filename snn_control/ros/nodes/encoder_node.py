"""The encoder node: it encodes sensor data as spikes, which it publishes as PointCloud2, one message per tick.

The node uses the compiled encoders, loop and ports of a controller node, but has no network and no commands.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sensor_msgs.msg import PointCloud2

from ...coding import Output, SpikeDecoder
from ...controller import Controller
from ...controller_file import ControllerSpec, RosTopic, load_spec
from ...engine.tick import tick_address
from ...errors import DescriptionError, in_file
from ...events.files.messages import CLOUD_TYPE
from ...network import Network
from ...realtime.loop import Loop
from ...resources import controller_path
from ..ports.spikes import SpikesOutput
from ..ports.topics import at_rate, input_ports, qos_of, resolved
from .diagnostics import Reporter
from .process import Parameter, ProcessNode, Stop, dds_threads, io_node, missing_rights, run_node

__all__ = ["EncoderNode", "encoders_only", "main"]


def _spikes(one: Any) -> bool:
    return getattr(one.encoder, "neuron", None) is not None


def encoders_only(spec: ControllerSpec, names: Sequence[str]) -> ControllerSpec:
    """Return a copy of a controller description that has only inputs and their encoders, no network and no outputs.

    names : inputs of the copy; if empty, all inputs with spiking encoders

    Every remaining input becomes optional. Raises DescriptionError.
    """
    known = [i.name for i in spec.inputs]
    for name in names:
        if name not in known:
            raise DescriptionError("inputs", name, f"is not an input of the file: {', '.join(known)}")
    chosen = [i for i in spec.inputs if (i.name in names if names else _spikes(i))]
    if not chosen:
        raise DescriptionError("inputs", "", "no input of the file has an encoder that spikes")
    for i in chosen:
        if not _spikes(i):
            fix = "give its encoder a neuron, or leave it out of the parameter 'inputs'"
            raise DescriptionError(f"inputs.{i.name}.encoder", None, "must make spikes", fix)
    unused = Output("unused", (SpikeDecoder(chosen[0].name, 0.0, 1.0),))
    ros = {i.name: spec.ros_inputs[i.name] for i in chosen if i.name in spec.ros_inputs}
    inputs = tuple(dataclasses.replace(i, required=False) for i in chosen)
    return dataclasses.replace(
        spec, inputs=inputs, network=Network(), outputs=(unused,), ros_inputs=ros, ros_outputs={}
    )


class EncoderNode(ProcessNode):
    """Node that encodes sensor data as spikes; the README lists its topics and parameters."""

    NAME, PRIORITY, guarded = "encoder", 70, False
    EXAMPLE = "-p controller_file:=my_robot.yaml -r events:=event_camera/events"
    PARAMETERS: Mapping[str, Parameter] = {
        "controller_file": Parameter(
            "", "Controller file whose inputs are encoded", required="must name a controller file"
        ),
        "inputs": Parameter("", "Names of the inputs, separated by commas; empty: all whose encoders spike"),
        "rate": Parameter(0.0, "Rate of the spike messages [Hz]; 0: the file's period", 0.0, 20000.0),
        "priority": Parameter(PRIORITY, "SCHED_FIFO priority; 0: none", 0, 98),
    }
    mode, held_up = "realtime", ""

    def __init__(self, stop: Stop, **options: Any) -> None:
        super().__init__(stop, **options)
        file, wanted, priority = self.given.controller_file, self.given.inputs, self.given.priority
        spec = at_rate(load_spec(controller_path(file, "controller_file")), self.given.rate)
        spec = encoders_only(spec, [name.strip() for name in wanted.split(",") if name.strip()])
        topics = {i.name: f"spikes/{i.name}" for i in spec.inputs}
        spikes = {name: RosTopic(topic, CLOUD_TYPE, reliability="reliable", depth=10) for name, topic in topics.items()}
        self.spec = spec = dataclasses.replace(spec, ros_outputs=spikes)
        self.controller = Controller.from_spec(spec)
        self.controller.step({})
        self.controller.reset()
        bound = self.controller.bound
        self._io = io_node(self)
        with in_file(file), dds_threads():
            self.inputs = input_ports(self, self._io, spec, bound, lockstep=False)
            self.outputs = []
            for name, topic in spikes.items():
                full = resolved(self, f"inputs.{name}", topic.topic)
                publisher = self._io.create_publisher(PointCloud2, full, qos_of(topic, lockstep=False))
                self.outputs.append(SpikesOutput(publisher, bound, name))
        self.loop = Loop(
            tick_address(), bound.table, self.controller.period_ns, self.inputs, observers=self.outputs,
            priority=priority, hold=[*self.inputs, *self.outputs], keep=self.controller, name="encoder",
        )  # fmt: skip
        self._reporter = Reporter(self)
        self.steady_timer(1.0, self._reporter.report)
        rights = self.loop.start()
        rights = dataclasses.replace(rights, missing=missing_rights(rights.missing))
        if priority and rights.missing:
            self.get_logger().warning(rights.warnings())
        self.get_logger().info(f"{', '.join(spikes)} -> spikes, {1e9 / self.controller.period_ns:g} messages/s")

    def finish(self) -> None:
        """Stop the loop, then destroy the node that owns the loop's subscriptions and publishers."""
        if self.loop.stop(2.0):
            self._io.destroy_node()


#: entry point of the executable ``encoder_node``; returns the exit code
main = partial(run_node, EncoderNode)

if __name__ == "__main__":
    sys.exit(main())
