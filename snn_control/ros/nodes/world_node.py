"""The world node: it runs a Gymnasium environment, publishes a controller's inputs and applies its commands.

The parameter ``mode`` selects the clock of the simulation:

realtime : the environment makes one step in each of its periods, by the machine's clock. The simulation starts when
    every output has received its first command. Each step applies the newest commands; after 0.1 s without a command,
    an output's action is zero. Late steps are skipped and counted.
lockstep : the node publishes /clock and the inputs of time T_k, waits for one command of each output, then steps. The
    run is deterministic, and as fast as the machine or the parameter ``speed`` allows. The node ignores commands that
    arrived before it published T_k and, if inputs are stamped, commands with a stamp before T_k. So it does not take a
    controller's final safe command for the command of this step.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from ...coding import EventsInput, ValueInput
from ...controller_file import load_spec, nearest
from ...engine.compile import compile_function
from ...engine.slots import ARRIVAL, FRESH, STAMP
from ...errors import DescriptionError, RuntimeFault, counted, in_file, message_of
from ...gym_adapter.flat import flat_environment
from ...gym_adapter.period import stated_period
from ...gym_adapter.spaces import as_action, check_action, check_image
from ...realtime.clock import semaphore_drain, semaphore_wait
from ...realtime.port import FREE, LOCKSTEP, REALTIME
from ...realtime.rights import set_fifo
from ...record.episode_recorder import EpisodeRecorder
from ...record.run_folder import new_record
from ...resources import controller_path
from ..ports.topics import groups, need_topics
from .diagnostics import OK, WARN, Reporter, describe_mismatch, status
from .process import Parameter, ProcessNode, Stop, dds_threads, io_node, run_node
from .world_topics import Camera, Commands, Frames, Pictures, Sensors

__all__ = ["WorldNode", "main"]

COMMAND_HOLD = 0.1  # s: longest time for which a command is applied
WAIT_CHUNK = 0.02  # s
ARGUMENTS = """Arguments of the environment: a YAML mapping as a string, -p 'arguments:="{frequency: 0.8}"'"""


def wait_semaphore(semaphore, deadline, scratch):
    posted = semaphore_wait(semaphore, deadline, scratch)
    semaphore_drain(semaphore)
    return posted


class WorldNode(ProcessNode):
    """Node that runs a Gymnasium environment for a controller; the README lists its topics and parameters."""

    NAME = "world"
    EXAMPLE = "-p world:=my_worlds:MyRobot-v0 -p controller_file:=my_robot.yaml"
    PARAMETERS: Mapping[str, Parameter] = {
        "world": Parameter("", "Gymnasium id, or module:id", required="must be given"),
        "arguments": Parameter("{}", ARGUMENTS),
        "controller_file": Parameter(
            "", "Controller file, or name of a shipped one, whose ros section names topics and fields",
            required="must be given",
        ),
        "mode": Parameter("realtime", "realtime or lockstep", words=("realtime", "lockstep")),
        "seed": Parameter(0, "Seed of the first episode", 0, 2**31 - 1),
        "duration": Parameter(0.0, "Simulated time of the run [s]; 0: until stopped", 0.0, 1e6),
        "episodes": Parameter(0, "Number of episodes to run; 0: until stopped", 0, 2**31 - 1),
        "speed": Parameter(0.0, "Most simulated time in a second, in lockstep [s]; 0: no limit", 0.0, 1e6),
        "step": Parameter(0.0, "Duration of one step [s]; 0: as the environment states it", 0.0, 10.0),
        "priority": Parameter(0, "SCHED_FIFO priority of the simulation; 0: none", 0, 98),
        "encoding": Parameter("mono", "Encoding of the event packets sent: mono or evt3", words=("mono", "evt3")),
        "patience": Parameter(60.0, "Maximum time to wait for the controller [s]", 0.1, 1e6),
        "record": Parameter("", "File (.npz) for the record of the run; empty: none"),
    }  # fmt: skip

    def __init__(self, stop: Stop, **options: Any) -> None:
        super().__init__(stop, **options)
        given, file = self.given, self.given.controller_file
        self.mode, self.record = given.mode, given.record
        self.check_written("record")
        self.spec = load_spec(controller_path(file, "controller_file"))
        self.lockstep = self.mode == "lockstep"
        if given.speed and not self.lockstep:
            raise DescriptionError("speed", given.speed, "is for lockstep; by the clock it is 1", "leave it out")
        self.env = self._make(given.world, given.arguments)
        period, says = (given.step, "parameter step") if given.step else stated_period(self.env)
        self.step_ns = round(period * 1e9)
        self._io = io_node(self)
        with in_file(file), dds_threads():
            self._connect()
        self.recorder = EpisodeRecorder([i.name for i in self.spec.inputs])
        self._scratch = np.zeros(2, np.int64)
        self.skipped = self.steps = self.episodes = self.outdated = 0
        self._returns = np.zeros(2)  # return of this episode; sum of all completed episodes
        # commands can be matched by their stamps if the controller sees stamps
        self._stamped = any(sensor.stamped for sensor in self.sensors)
        self._reporter, self._reported = Reporter(self), (time.monotonic(), 0, 0)
        self._begun = self.over = False
        self.get_logger().info(f"{given.world}: a step is {period:g} s ({says}), {self.mode}")
        if self.step_ns != round(self.spec.period * 1e9):
            text = f"the period of {file} is {self.spec.period:g} s, a step of the world {period:g} s"
            self.get_logger().warning(f"{text}: set the parameter step, unless the two differ on purpose")
        self.steady_timer(0.001, self._run)

    def _make(self, world: str, arguments: str) -> Any:
        import gymnasium

        try:
            keywords = yaml.safe_load(arguments) or {}
        except (yaml.YAMLError, ValueError, RecursionError):
            keywords = None
        if not isinstance(keywords, dict):
            raise DescriptionError("arguments", arguments, "must be a YAML mapping, e.g. '{frequency: 0.8}'")
        sys.path.append(os.getcwd())  # a module of the current folder is found, as with ``python -m``
        try:
            return flat_environment(gymnasium.make(world, disable_env_checker=True, **keywords))
        except Exception as error:  # an environment may raise any exception
            given = f" with {keywords}" if keywords else ""
            raise DescriptionError("world", world, f"cannot be made{given}: {message_of(error)}") from None

    def _check_spaces(self) -> None:
        """Check that the controller file's inputs and outputs fit the environment's observation and action."""
        spaces = getattr(self.env.observation_space, "spaces", None)
        inputs = {i.name: i for i in self.spec.inputs}
        if not isinstance(spaces, dict):
            if len(inputs) != 1:
                rule = "must be one input: the environment's observation is one array"
                raise DescriptionError("inputs", list(inputs), rule)
            spaces = {next(iter(inputs)): self.env.observation_space}
        for name, one in inputs.items():
            if name not in spaces:
                raise DescriptionError("inputs", name, "is not in the environment's observation", nearest(name, spaces))
            size = int(np.prod(spaces[name].shape or (1,)))
            if isinstance(one, EventsInput) and one.source == "frames":
                check_image(f"inputs.{name}.size", one.size, f"environment's '{name}'", spaces[name])
            elif isinstance(one, EventsInput):
                if spaces[name].shape[-1:] != (4,):
                    rule = f"takes events, the environment gives shape {spaces[name].shape}, not rows of t, x, y, p"
                    raise DescriptionError("inputs", name, rule)
            elif isinstance(one, ValueInput) and one.size != size:
                raise DescriptionError(f"inputs.{name}.size", one.size, f"must be the environment's: {size}")
        outputs = {o.name: (o.size, getattr(o.decoder, "actions", None)) for o in self.spec.outputs}
        check_action(outputs, self.env.action_space)
        period_ns = round(self.spec.period * 1e9)
        if self.lockstep and period_ns != self.step_ns:
            rule = f"must be the environment's step in lockstep: {self.step_ns * 1e-9:g} s"
            raise DescriptionError("period", self.spec.period, rule, "change it, or the world's parameter step")

    def _connect(self) -> None:
        self._check_spaces()
        spec, io, lockstep = self.spec, self._io, self.lockstep
        need_topics("inputs", spec.inputs, spec.ros_inputs)
        need_topics("outputs", spec.outputs, spec.ros_outputs)
        inputs, numeric, self.sensors = {i.name: i for i in spec.inputs}, {}, list[Any]()
        for name, topic in spec.ros_inputs.items():
            one = inputs[name]
            if isinstance(one, EventsInput) and one.source == "frames":
                self.sensors.append(Frames(self, io, one, topic, lockstep))
            elif isinstance(one, EventsInput):
                self.sensors.append(Camera(self, io, one, topic, self.given.encoding, lockstep))
            elif isinstance(one, ValueInput) and topic.grid is not None:
                self.sensors.append(Pictures(self, io, one, topic, lockstep))
            else:
                numeric[name] = topic
        self.sensors += [Sensors(self, io, names, spec, lockstep) for names in groups(numeric, "inputs").values()]
        self.commands = [Commands(self, io, o.name, spec, o.size, lockstep) for o in spec.outputs]
        self._semaphore = np.zeros(8, np.int64)
        ctypes.CDLL(None).sem_init(ctypes.c_void_p(self._semaphore.ctypes.data), 0, 0)
        for command in self.commands:
            command.port.attach_semaphore(int(self._semaphore.ctypes.data))
        self._wait = compile_function(wait_semaphore, "int64(int64,int64,int64)")
        if lockstep:
            self._clock_publisher = io.create_publisher(Clock, "/clock", 1000)  # steps may be faster than a reader

    # running -------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        """Run the whole simulation in one callback, so that no other callback delays a step."""
        if self._begun:
            return
        self._begun = True
        if self.given.priority and set_fifo(self.given.priority) != self.given.priority:
            self.get_logger().warning(f"SCHED_FIFO {self.given.priority} was not granted to the simulation")
        try:
            if self._meet():
                self._lockstep() if self.lockstep else self._realtime()
        except Exception as error:
            trace = f"the world ends:\n{traceback.format_exc()}"  # of the environment
            self.get_logger().error(str(error) if isinstance(error, RuntimeFault) else trace)
            self.exit_code = 1
        if self.steps:
            over = self.episodes if self.over else self.episodes - 1
            now, all_over = self._returns
            gained = f"mean return {all_over / over:g}" if over else f"return {now:g} so far"
            many = f"{counted(self.steps, 'step')}, {counted(over, 'whole episode')}, {gained}"
            self.get_logger().info(f"ends after {many}, {self.skipped} skipped")
        self.finished = True

    def _missing(self) -> str | None:
        sensors = [(end, True, end.publisher.get_subscription_count()) for end in self.sensors]
        for end, publishing, matched in [*sensors, *((end, False, end.port.matched()) for end in self.commands)]:
            if matched == 0:
                topic = end.topic
                why = describe_mismatch(self, topic.topic, topic.type, end.qos, publishing=publishing)
                return why or f"{self.resolve_topic_name(topic.topic)}: the other end exists, but is not matched yet"
        return None

    def _meet(self) -> bool:
        """Wait until each topic has a matching publisher or subscriber. Return False if the node is stopped meanwhile.

        Raises RuntimeFault after `patience` seconds.
        """
        begin = told = time.monotonic()
        while (missing := self._missing()) is not None:
            if self._stop():
                return False
            self._report(missing)
            now = time.monotonic()
            if now - begin > self.given.patience:
                raise RuntimeFault(f"waited {self.given.patience:g} s: {missing}")
            if now - told > 2.0:
                self.get_logger().info(f"waiting: {missing}")
                told = now
            time.sleep(0.02)
        return True

    def _action(self, old_ns: int | None) -> Any:
        """Return the environment's action, composed of the newest command of each output.

        An output without a command contributes zeros, as does an output whose newest command is older than ``old_ns``
        [ns]; None: no limit of age.
        """
        now = time.monotonic_ns()
        parts = []
        for command in self.commands:
            arrival = int(command.slot[ARRIVAL])
            late = arrival < 0 or (old_ns is not None and now - arrival > old_ns)
            parts.append(np.zeros_like(command.values) if late else command.values)
        return as_action(np.concatenate(parts), self.env.action_space)

    def _publish(self, observation: Any, stamp_ns: int) -> None:
        if not isinstance(observation, dict):
            observation = {self.spec.inputs[0].name: observation}
        for sensor in self.sensors:
            sensor.publish(observation, stamp_ns)

    def _reset(self) -> Any:
        observation, _ = self.env.reset(seed=self.given.seed + self.episodes)
        self.episodes += 1
        return observation

    def _step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.steps += 1
        self._returns[0] += float(reward)
        self._report()
        if self.record:
            self.recorder.add(self.steps, action, reward, observation, info)
        if terminated or truncated:
            self.recorder.end_of_episode(self.steps)
            self._returns[:] = 0.0, self._returns.sum()
            self.over = self.episodes == self.given.episodes
            return observation if self.over else self._reset()
        return observation

    def _report(self, waiting: str = "") -> None:
        """Publish a status on /diagnostics, at most once per second. The simulation calls this method in each step.

        waiting : text about the topic that the simulation waits for; empty: it does not wait
        """
        before, steps, skipped = self._reported
        now = time.monotonic()
        if now - before < 1.0:
            return
        self._reported = (now, self.steps, self.skipped)
        rate, missed = (self.steps - steps) / (now - before), self.skipped - skipped
        values = {"steps": self.steps, "skipped": self.skipped, "episodes": self.episodes, "rate_hz": rate,
                  "outdated_commands": self.outdated}  # fmt: skip
        level = WARN if waiting or missed > 0.01 * (self.steps - steps) else OK
        text = waiting or f"{rate:.1f} steps/s, {missed} skipped since the last report, {self.skipped} in total"
        self._reporter.publish([status(self, "world", level, text, values)])

    def _more(self) -> bool:
        over = self.given.duration > 0 and self.steps * self.step_ns >= self.given.duration * 1e9
        return not over and not self.over and not self._stop()

    def _realtime(self) -> None:
        observation = self._reset()
        # the world starts with its controller
        if not self._await_commands(lambda c: c.take(REALTIME) > 0, "waits for the first command on"):
            return
        self._reported = (time.monotonic(), self.steps, self.skipped)  # the rate excludes the time of waiting
        deadline = (time.monotonic_ns() // self.step_ns + 2) * self.step_ns
        hold = round(COMMAND_HOLD * 1e9)
        while self._more():
            self._publish(observation, time.time_ns())
            time.sleep(max(0, deadline - time.monotonic_ns()) * 1e-9)
            for command in self.commands:
                command.take(REALTIME)
            observation = self._step(self._action(hold))
            deadline += self.step_ns
            late = time.monotonic_ns() - deadline
            if late > 0:
                skipped = -(-late // self.step_ns)
                deadline += skipped * self.step_ns
                self.skipped += skipped

    def _lockstep(self) -> None:
        observation, due = self._reset(), 0.0
        pause = self.step_ns * 1e-9 / self.given.speed if self.given.speed else 0.0
        while self._more():
            while (left := due - time.monotonic()) > 0 and not self._stop():
                time.sleep(min(left, WAIT_CHUNK))
            due = time.monotonic() + pause
            stamp = (self.steps + 1) * self.step_ns
            for command in self.commands:  # messages that are not answers, such as the final safe command
                command.take(FREE)
            self._clock_publisher.publish(Clock(clock=Time(nanoseconds=stamp).to_msg()))
            self._publish(observation, stamp)
            answered = partial(self._answered, stamp=stamp)
            if not self._await_commands(answered, "lockstep waits for a command on", " in lockstep"):
                return
            observation = self._step(self._action(None))

    def _answered(self, command: Commands, stamp: int) -> bool:
        """Return whether the command for the present step has arrived, even if its message is malformed.

        stamp : stamp of the present step [ns]; a command with an earlier stamp belongs to an earlier step
        """
        while command.take(LOCKSTEP) > 0:
            its = int(command.slot[STAMP])
            if not (self._stamped and command.slot[FRESH] > 0 and 0 < its < stamp):
                return True
            self.outdated += 1
        return False

    def _await_commands(self, came: Callable[[Commands], bool], status: str, where: str = "") -> bool:
        """Wait until ``came`` is true for the commands of all outputs. Return False if the node is stopped meanwhile.

        came : function that reads the messages of an output, and returns whether its command has arrived
        status : text for /diagnostics while this function waits
        where : last words of the error's text

        Raises RuntimeFault after `patience` seconds.
        """
        semaphore, scratch = int(self._semaphore.ctypes.data), int(self._scratch.ctypes.data)
        left, begin = list(self.commands), time.monotonic()
        while True:
            left = [command for command in left if not came(command)]
            if not left:
                return True
            if self._stop():
                return False
            topic = left[0].topic.topic
            self._report(f"{status} {topic}")
            if time.monotonic() - begin > self.given.patience:
                raise RuntimeFault(f"no command on {topic} for {self.given.patience:g} s{where}")
            self._wait(semaphore, time.monotonic_ns() + round(WAIT_CHUNK * 1e9), scratch)

    def finish(self) -> None:
        """Save the recording and close the environment."""
        if self.record:
            facts = {"steps": self.steps, "skipped": self.skipped, "episodes": self.episodes, "step_ns": self.step_ns}
            with self.saving(self.record), new_record(Path(self.record)) as file:
                self.recorder.save(file, facts)
                self.get_logger().info(f"record: {file}")
            self.record = ""
        for command in self.commands:
            command.port.detach()
        self.env.close()
        self._io.destroy_node()


#: entry point of the executable ``world_node``; returns the exit code
main = partial(run_node, WorldNode)

if __name__ == "__main__":
    sys.exit(main())
