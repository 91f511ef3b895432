"""The controller as a lifecycle node: "configure" loads and warms up the controller, "activate" starts the loop.

On the transitions "deactivate" and "shutdown", on an error and on a signal, the loop publishes the safe command and
stops. The loop exchanges messages through rcl, on a second node that no executor spins, called the io node. The
lifecycle node provides parameters, services and diagnostics.

One process can run several controllers, each with its own loop: ``controller_node left right --ros-args --params-file
FILE``.
"""

from __future__ import annotations

import dataclasses
import sys
import time
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn

from ...analysis.lint import lint
from ...controller import Controller
from ...controller_file import ControllerSpec, load_spec
from ...engine.kernels import guard as guard_words
from ...engine.tick import tick_address
from ...errors import DescriptionError, RuntimeFault, SnnControlError, in_file
from ...files import writing
from ...realtime import table as loop_words
from ...realtime.fault_log import FaultLog
from ...realtime.handover import Handover
from ...realtime.loop import Loop
from ...record.state_copy import StateCopy
from ...resources import controller_path
from ..ports.topics import at_rate, command_ports, drain, ends_of, for_dry_run, input_ports
from ..supervision.life_sign import ACKNOWLEDGED, LifeSign, notify
from ..supervision.safe_messages import messages_of, published_in_faults
from ..supervision.supervisor import Supervisor
from .console import Console
from .diagnostics import Reporter
from .live_page import LivePage
from .loop_parameters import heartbeat_limit, trigger_of
from .process import Parameter, ProcessNode, Stop, dds_threads, io_node, missing_rights, run_node
from .run_recorder import RunRecorder
from .services import offer_services
from .tunable_parameters import TunableParameters
from .watch import Watch

__all__ = ["ControllerNode", "main"]

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
STOPS_WITHIN = 2.0  # s
MATCHED_WITHIN = 2.0  # s, in lockstep: time after the first matched output in which the others must be matched
HANGS_S, HANGS_PERIODS = 0.5, 5  # a loop without a heartbeat for the longer of these two times counts as hanging


class ControllerNode(ProcessNode, LifecycleNode):
    """Node that runs a controller file: it subscribes to the input topics and publishes the commands.

    The README lists its topics, parameters and services.

    In lockstep, the loop of an active controller starts only when each command topic is matched with a subscription.
    The world waits for a command after each of its messages. A command published before the world's subscription is
    matched would be lost. Until then, the world's messages wait in the queues of the node's subscriptions.
    """

    NAME, PRIORITY, guarded = "controller", 80, True
    EXAMPLE = "-p controller_file:=my_robot.yaml -p mode:=realtime"
    DECLARES_MORE, SEVERAL = True, True
    PARAMETERS: Mapping[str, Parameter] = {
        "controller_file": Parameter(
            "", "Controller file (.yaml), or name of a shipped one", required="must name a controller file",
        ),
        "mode": Parameter(
            "realtime", "realtime: by the clock; event: by the trigger's messages; lockstep: with a simulated world",
            words=("realtime", "event", "lockstep"),
        ),
        "trigger": Parameter("", "Input whose messages wake the loop in mode event; empty: the only input"),
        "rate": Parameter(0.0, "Control rate [Hz]; 0: the file's period", 0.0, 20000.0),
        "phase": Parameter(0.0, "Offset of the ticks from the whole multiples of the period [s]", 0.0, 1.0),
        "priority": Parameter(
            PRIORITY, "SCHED_FIFO priority of the loop, at least one above that of the DDS threads; 0: none", 0, 98,
        ),
        "cpu": Parameter(-1, "CPU of the loop; -1: any", -1, 1023),
        "publish_budget": Parameter(0.05, "Maximum time for a tick's publications [s]; more is a fault", 0.001, 10.0),
        "supervise": Parameter(
            0.0, "Age of the loop's heartbeat at which a separate process publishes the safe command [s]; 0: none; "
            "below 0: 0.05 s, or two periods if they are longer", -1.0, 10.0,
        ),
        "record": Parameter("", "File of the run: .npz, written at its end, or .mcap, written during it; empty: none"),
        "dry_run": Parameter(False, "Publish commands on dry_run/TOPIC, where no robot listens"),
        "bond": Parameter("", "Topic of a bond for a lifecycle manager; Nav2's watches the topic bond; empty: none"),
        "fault_after": Parameter(
            0.0, "With record: a fault is saved this long after it began [s]; 0: never", 0.0, 600.0,
        ),
        "fault_before": Parameter(10.0, "Time before a fault that is saved with it [s]", 0.0, 3600.0),
        "watch": Parameter("", "Populations published on ~/watch/NAME, separated by commas, or all; empty: none"),
        "watch_rate": Parameter(10.0, "Rate of the messages on ~/watch/NAME [Hz]", 0.1, 200.0),
        "state": Parameter("", "File (.npz) of learned weights: read at the start, written at the end; empty: none"),
        "autostart": Parameter(True, "Configure and activate at the start"),
    }  # fmt: skip

    def __init__(self, stop: Stop, **options: Any) -> None:
        super().__init__(stop, **options)
        self.file, self.mode, self.record = self.given.controller_file, self.given.mode, self.given.record
        self.spec: ControllerSpec | None = None
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.controller: Controller | None = None
        self.loop: Loop | None = None
        self.faults: FaultLog | None = None
        self.copies: StateCopy | None = None
        self.run_recorder: RunRecorder | None = None
        self.supervisor: Supervisor | None = None
        self._watch: Watch | None = None
        self._live_page: LivePage | None = None
        self._io: Any = None
        self._learned = False  # whether the loop has run since the file `state` was written
        self.held_up, self._first_matched = "", 0.0  # why the loop of an active controller does not run yet
        self._reporter, self._console = Reporter(self), Console(self)
        self.steady_timer(1.0, lambda: self._console.log_changes(self._reporter.report()))
        self._life = LifeSign(self, self.given.bond)
        self._matching = self.steady_timer(0.02, self._start_when_matched)
        self._matching.cancel()
        offer_services(self)
        self._tuning = TunableParameters(self)
        transitions = (self.trigger_configure, self.trigger_activate) if self.given.autostart else ()
        # a signal can arrive at any time: if it came during one transition, the next is skipped
        if not all(stop() or begin() == SUCCESS for begin in transitions):
            self.exit_code, self.finished = 2, True

    # lifecycle -----------------------------------------------------------------------------------------------
    def on_configure(self, state: State) -> TransitionCallbackReturn:
        try:
            self._configure()
            self.warn_of_unknown()
        except SnnControlError as error:
            self.get_logger().error(str(self._cause(error)))
        except Exception:  # rclpy would not report it
            self.get_logger().error(f"cannot be configured:\n{traceback.format_exc()}")
        else:
            return SUCCESS
        self._release_resources()
        return FAILURE

    def _cause(self, error: SnnControlError) -> SnnControlError:
        """Return the error to report after configuring failed with ``error``.

        If no controller file was read and a parameter's name is misspelt, return the error about this parameter.
        """
        try:
            if self.spec is None:
                self.warn_of_unknown()
        except SnnControlError as misspelt:
            return misspelt
        return error

    def _configure(self) -> None:
        if self.record and not self.record.endswith((".npz", ".mcap")):
            raise DescriptionError("record", self.record, "must end with .npz or .mcap")
        if self.given.fault_after and not self.record:
            raise DescriptionError("fault_after", self.given.fault_after, "needs a record", "add record:=FILE.npz")
        for parameter in ("record", "state"):
            self.check_written(parameter)
        self.spec = at_rate(load_spec(controller_path(self.file, "controller_file")), self.given.rate)
        if self.given.dry_run:
            self.spec = for_dry_run(self.spec)
            topics = ", ".join(sorted({topic.topic for topic in self.spec.ros_outputs.values()}))
            self.get_logger().warning(f"a dry run: commands go to {topics}")
        lockstep = self.mode == "lockstep"
        if not lockstep and self.get_parameter("use_sim_time").value:
            self.get_logger().warning("use_sim_time does not change the pace of mode realtime; see mode lockstep")
        if lockstep and self.spec.repeat != 1:
            rule = "must be 1 in lockstep, where a message is a tick"
            fix = f"let the world step {self.spec.repeat} times as fast, or use mode realtime"
            raise DescriptionError(f"{self.file}: repeat", self.spec.repeat, rule, fix)
        self.controller = Controller.from_spec(self.spec)
        self._tuning.declare(self.spec, self.controller)
        self.load_learned(self.controller)
        self.controller.step({})  # compiles what is missing
        self.controller.reset()
        bound = self.controller.bound
        self._io = io_node(self)
        with in_file(self.file), dds_threads():
            self.inputs = input_ports(self, self._io, self.spec, bound, lockstep)
            self.outputs = command_ports(self, self._io, self.spec, bound, lockstep)
        for line in lint(self.spec):
            self.get_logger().warning(f"{self.file}: {line}")
        if self.record:
            self.run_recorder = RunRecorder(self, self.record, self.controller, self.spec)
        if self.given.watch:
            self._watch = Watch(self, self.controller, self.given.watch, self.given.watch_rate)
        self._live_page = LivePage(self, self.controller, self.spec, f"{self.get_name()}: {self.file}")
        self.faults, self.copies = FaultLog(bound), StateCopy(bound)
        recorders = [] if self.run_recorder is None else self.run_recorder.recorders
        watched = [] if self._watch is None else self._watch.observers
        feed = self._live_page.feed
        self._make_loop(self.controller, self.spec, [self.faults, *recorders, *watched, feed.observer, self.copies])
        feed.loop = self.loop

    def _make_loop(self, controller: Controller, spec: ControllerSpec, observers: list[Any]) -> None:
        """Create supervisor, ports, and the loop that connects ports and controller. Raises DescriptionError."""
        lockstep, bound, trigger = self.mode == "lockstep", controller.bound, trigger_of(self, spec)
        handover, supervise = None, heartbeat_limit(self, controller)
        heard = published_in_faults(spec, self.outputs)
        if not lockstep:
            numbers = [port.n_rows for port, _ in heard]
            self.supervisor = Supervisor(loop_words.TABLE_WORDS, Handover.words_of(bound), numbers)
            handover = Handover(bound, self.supervisor.motion)
            for (port, _), rows in zip(heard, self.supervisor.rows, strict=True):
                port.share(rows)
            if self.run_recorder is not None:
                self.run_recorder.recorders[1].follow(handover)
        self.loop = Loop(
            tick_address(), bound.table, controller.period_ns, self.inputs, self.outputs, ends_of(spec, bound),
            observers=observers, mode="lockstep" if lockstep else "realtime", trigger=trigger,
            control=bound.address("control"), guard=bound.address("guard"),
            ramps=any(o.ramp or o.stays for o in spec.outputs), publish_budget_s=self.given.publish_budget,
            most_missed=spec.guard.missed, halt=self._stop.halt, phase_ns=round(self.given.phase * 1e9),
            priority=self.given.priority, cpus=None if self.given.cpu < 0 else [self.given.cpu],
            hold=[*self.inputs, *self.outputs], keep=controller, handover=handover, name=self.get_name(),
            memory=self.supervisor.table if self.supervisor is not None else None,
        )  # fmt: skip
        if self.supervisor is not None and handover is not None:
            priority = self.given.priority + 1 if self.given.priority else 0
            told = messages_of(self, controller, heard) | {"motion": handover.told() | self.loop.grid}
            told |= {name: getattr(loop_words, name.upper()) for name in ("heartbeat", "running", "publishing")}
            if supervise:
                self.supervisor.start(told, supervise, priority)
            else:
                self.supervisor.wait_for_a_hang(told, priority)
        for port in self.inputs if lockstep else [] if trigger is None else [trigger]:
            port.attach_semaphore(self.loop.semaphore)

    def load_learned(self, controller: Controller) -> bool:
        """Load the learned weights from the file of the parameter ``state``. Return False if this file does not exist.

        Raises DescriptionError or ProgramError if the weights do not fit the controller.
        """
        if self.given.state and not controller.program.facts.learning:
            raise DescriptionError("state", self.given.state, f"nothing in {self.file} learns", "leave it out")
        if not Path(self.given.state).is_file():  # also for "", which is a folder
            return False
        controller.load_learned(self.given.state)
        return True

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        if self.loop is None or self.controller is None or self.spec is None or self.faults is None:
            return FAILURE
        granted = 0
        try:
            self.controller.reset()
            self.load_learned(self.controller)
            if self.mode != "lockstep" and self.spec.guard.release > 0:  # the first command waits for valid ticks
                self.controller.bound.array("guard")[guard_words.FAULTED] = 1
            if self.run_recorder is not None:
                with writing("record", self.record):
                    self.run_recorder.begin()
            self._reporter.forget()
            self._console.restart()
            if self.mode != "lockstep":
                drain(self.inputs)  # in lockstep the world waits for an answer to each message
            for port in self.inputs:
                port.clear()
            self.faults.restart()
            if self._live_page is not None:
                self._live_page.feed.restart()
            if (supervisor := self.supervisor) is not None:  # not in lockstep
                if supervisor.beside and not supervisor.alive:
                    raise RuntimeFault("the supervisor is gone: configure the node anew")
                self._stop.begins()
                rights = self.loop.start()
                self._learned = True
                self._stop.guard(self.loop.table, self._hangs, supervisor.program, self.get_name())
                rights = dataclasses.replace(rights, missing=missing_rights(rights.missing))
                granted = rights.priority
                if rights.missing:
                    self.get_logger().warning(rights.warnings())
            else:
                self._first_matched, self.held_up = 0.0, "waits for its outputs to be matched"
                self._matching.reset()
        except SnnControlError as error:
            self.get_logger().error(str(error))
            if self.run_recorder is not None:
                self.run_recorder.end()
            return FAILURE
        priority = f"SCHED_FIFO {granted}" if granted else "ordinary priority"
        self.get_logger().info(f"{self.file}: {1e9 / self.loop.period_ns:g} Hz, {self.mode}, {priority}")
        notify(f"READY=1\nSTATUS=active: {self.file}")
        return super().on_activate(state)

    @property
    def commanding(self) -> bool:
        """Whether the loop runs and its heartbeat is recent."""
        loop = self.loop
        return loop is not None and loop.running and loop.heartbeat_age_ns < self._hangs * 1e9

    @property
    def _hangs(self) -> float:
        """Age of the heartbeat above which the node treats the loop as hanging [s]."""
        assert self.loop is not None
        return max(HANGS_S, HANGS_PERIODS * self.loop.period_ns * 1e-9)

    def _start_when_matched(self) -> None:
        """In lockstep, start the loop once all command topics have subscribers.

        If some still have none `MATCHED_WITHIN` seconds after the first match, start the loop without them.
        """
        if self.loop is None or not self.held_up:
            self._matching.cancel()
            return
        unmatched = ", ".join(port.topic for port in self.outputs if port.matched() == 0)
        now = time.monotonic()
        if self._first_matched == 0.0 and any(port.matched() for port in self.outputs):
            self._first_matched = now
        if unmatched and (self._first_matched == 0.0 or now - self._first_matched < MATCHED_WITHIN):
            if unmatched not in self.held_up:
                self.held_up = f"waits for a subscriber of {unmatched}"
                self.get_logger().info(f"lockstep {self.held_up}")
            return
        self._matching.cancel()
        self.held_up = ""
        if unmatched:
            self.get_logger().warning(f"lockstep starts although nothing subscribes to {unmatched}")
        try:
            self.loop.start()
            self._learned = True
        except RuntimeFault as error:
            self.get_logger().error(str(error))

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        if not self._stop_loop():
            return FAILURE  # the node still publishes commands, so it is still active
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        return SUCCESS if self._release_resources() else FAILURE

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        return SUCCESS if self._stop_loop() and self._release_resources() else FAILURE

    def on_error(self, state: State) -> TransitionCallbackReturn:
        self.get_logger().error("an error in a transition: the loop ends with the safe command")
        return self.on_shutdown(state)

    def _stop_loop(self) -> bool:
        """Stop the loop if it runs, then save the recording and the learned weights. Return whether the loop ended."""
        self.held_up = ""
        if self.loop is None:
            return True
        within = max(STOPS_WITHIN, self._hangs + 1.0)  # the watchdog handles a loop that hangs
        if not self.loop.stop(within):
            self.get_logger().error(f"the loop did not end within {within:g} s")
            self.exit_code = 1
            return False  # the watchdog ends a process that hangs
        self._life.end()
        self._stop.release(self.loop.table)
        for publisher in self._io.publishers:  # before the publishers are destroyed
            publisher.wait_for_all_acked(ACKNOWLEDGED)
        if self.run_recorder is not None:
            self.run_recorder.end()
        if self.given.state and self.controller is not None and self._learned:
            self._learned = False
            with self.saving(self.given.state, "state"):
                self.controller.save_state(self.given.state)
        return True

    def _release_resources(self) -> bool:
        if self.loop is not None and not self.loop.stop(STOPS_WITHIN):
            return False  # its thread still uses the ports
        for port in self.inputs:
            port.detach()
        self._tuning.undeclare()
        for resource in (self.run_recorder, self._watch, self._live_page, self.supervisor):
            if resource is not None:
                resource.close()
        self.inputs, self.outputs = [], []
        if self._io is not None:
            self._io.destroy_node()
        self.loop = self.faults = self.controller = self.copies = None
        self.run_recorder = self._watch = self._live_page = self.supervisor = self._io = None
        return True

    def finish(self) -> None:
        """Shut down: publish the final safe command, then destroy the loop and the io node."""
        notify("STOPPING=1")
        if self._stop_loop():
            self._release_resources()


#: entry point of the executable ``controller_node``; returns the exit code
main = partial(run_node, ControllerNode)

if __name__ == "__main__":
    sys.exit(main())
