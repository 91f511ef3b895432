"""A loop that stood still, and a supervisor: what both command is one motion, and a replay has its bits."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from snn_control.coding import Guard, MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.atomics import read_word
from snn_control.engine.build import build
from snn_control.engine.tick import tick_address
from snn_control.errors import InputError
from snn_control.network import Network
from snn_control.realtime import table as words
from snn_control.realtime.handover import Handover
from snn_control.realtime.loop import Loop
from snn_control.realtime.port import WITHHELD
from snn_control.realtime.ports.memory import ReplayInput
from snn_control.realtime.shared_motion import BASE, COMMITTED, HEAD, PLACES, TAKEN, THEIRS, WHEN
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.record.input_log import InputLog
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.record.replay import replay_log
from snn_control.ros.supervision.continuation import Continued
from tests.motion_judge import beyond_limits
from tests.realtime import ticks
from tests.realtime.record_output import RecordOutput
from tests.realtime.rig import MS, Rig, until

PERIOD, LIMIT, TICKS = 4 * MS, 10 * MS, 240
SLEW, ACCELERATION, JERK = 2.0, 30.0, 1000.0  # a second
PER_PERIOD = SLEW * PERIOD * 1e-9, ACCELERATION * (PERIOD * 1e-9) ** 2, JERK * (PERIOD * 1e-9) ** 3
VALUES = np.where(np.arange(TICKS) // 60 % 2, -0.7, 0.8)[:, None]


def controller(**more) -> Controller:
    given = {"slew": SLEW, "acceleration": ACCELERATION, "jerk": JERK, "safe": 0.0, "ramp": True} | more
    outputs = [Output("u", (MembraneDecoder("x", 1.0),), limits=(-0.8, 0.8), **given)]
    return Controller(build(Network(), [ValueInput("x")], outputs, dt=4e-3, period=4e-3, guard=Guard(1)))


class Supervisor(threading.Thread):
    """What the process of a supervisor does, in a thread; it lists its commands: (period, command)."""

    def __init__(self, loop: Loop, handover: Handover, memory: np.ndarray) -> None:
        super().__init__(daemon=True)
        self.commands: list[tuple[int, float]] = []
        self._beat, self._over = loop.table + 8 * words.HEARTBEAT, False
        self._motion = Continued(handover.told() | loop.grid, memory)

    def run(self) -> None:
        while not self._over:
            now = time.monotonic_ns()
            if now - read_word(self._beat) > LIMIT and self._motion.advance(now):
                if time.monotonic_ns() - read_word(self._beat) > LIMIT and self._motion.newest:
                    if self._motion.periods:
                        self.commands.append((now // PERIOD, self._motion.command[0]))
            time.sleep(max(self._motion.next_ns(now) - time.monotonic_ns(), 0) * 1e-9)

    def close(self) -> None:
        self._over = True
        self.join()


@dataclass
class Run:
    """A controller in a loop that stalls, with a supervisor: what both commanded, and what was recorded."""

    where: str
    live: Controller = field(default_factory=controller)

    def __post_init__(self) -> None:
        bound, slow = self.live.bound, ticks.Port("publish_slowly")
        self.memory = np.zeros(Handover.words_of(bound), np.int64)
        self.handover = Handover(bound, self.memory)
        stall = [(self.where == place) * 60 * MS for place in ("before", "after")]
        self.tick = np.array([tick_address(), bound.table, 0, 40, *stall, 0, 0], np.int64)
        table = np.zeros(words.TABLE_WORDS, np.int64)
        self.out = RecordOutput(bound.address("command"), 1, TICKS)
        self.cells = RecordOutput(table.ctypes.data + 8 * words.LAST_PERIOD, 1, TICKS, dtype=np.int64)
        slow.words[:3] = 0, TICKS // 3 if self.where == "publishing" else 0, 300 * MS
        self.inputs, self.activity = InputLogRecorder(bound), ActivityRecorder(bound)
        self.inputs.follow(self.handover)
        self.loop = Loop(
            ticks.tick("stalling"), self.tick.ctypes.data, PERIOD, [ReplayInput.of(bound, "x", VALUES)],
            [self.out, self.cells, slow], priority=0, lock_memory=False, keep=self.live, memory=table,
            control=bound.address("control"), guard=bound.address("guard"), observers=[self.activity, self.inputs],
            handover=self.handover,
        )  # fmt: skip
        Rig.loops.add(self.loop)
        supervisor = Supervisor(self.loop, self.handover, self.memory)
        self.loop.start(TICKS)
        supervisor.start()
        until(lambda: not self.loop.running)
        supervisor.close()
        assert self.loop.stop()
        _, now, commands = self.out.read()
        published = now != WITHHELD
        own = list(zip(self.cells.read()[2][:, 0].tolist(), commands[:, 0].tolist(), strict=True))
        self.own = [one for one, kept in zip(own, published, strict=True) if kept][:-1]  # without the final command
        self.withheld, self.theirs = int((~published).sum()), supervisor.commands


@pytest.mark.parametrize("where", ["before", "after", "publishing"])
def test_the_commands_of_both_are_one_motion_and_are_repeated(where, tmp_path):
    run = Run(where)
    both = sorted(run.own + run.theirs)
    assert len(run.theirs) > 10
    assert run.withheld > 0 or where == "publishing"
    assert beyond_limits(*zip(*both, strict=True), *PER_PERIOD) == []
    assert np.ptp([value for _, value in both]) > 0.3
    log, record = run.inputs.log(), run.activity.arrays()
    assert log.handed
    log.save(tmp_path / "log.npz")
    found = replay_log(controller(), InputLog.load(tmp_path / "log.npz"), record)
    assert (found.identical, found.ticks) == (True, TICKS)
    assert len([list(one) for one in log.replay(controller())]) == TICKS
    cut = log.up_to(min(log.handed) + 1)
    assert list(cut.handed) == [min(log.handed)]
    with pytest.raises(InputError, match="handed over by a supervisor is not of this controller: a motion of"):
        replay_log(controller(), replace(log, handed={5: np.zeros(3, np.int64)}), record)


def left(memory: np.ndarray) -> np.ndarray:
    """The next place of the supervisor."""
    return memory[PLACES:].reshape(4, -1)[THEIRS + (memory[TAKEN] + 1) % 2]


def claim(memory: np.ndarray, base: int, when: int, value: float) -> None:
    """Claim a motion that stands at a value."""
    place = left(memory)
    place[[WHEN, BASE]] = when, base
    place[HEAD:].view(np.float64)[:] = [value, 0.0, *[value] * (place.size - HEAD - 2)]
    memory[TAKEN] += 1


def stood(live: Controller, change) -> tuple[list[float], list[int]]:
    """The commands of some ticks, and their periods; ``change`` is called after five of them."""
    memory = np.zeros(Handover.words_of(live.bound), np.int64)
    handover, table = Handover(live.bound, memory), np.zeros(words.TABLE_WORDS, np.int64)
    out = RecordOutput(live.bound.address("command"), 1, TICKS)
    cells = RecordOutput(table.ctypes.data + 8 * words.LAST_PERIOD, 1, TICKS, dtype=np.int64)
    loop = Loop(
        tick_address(), live.bound.table, PERIOD, [ReplayInput.of(live.bound, "x", np.full((9, 1), 0.8))],
        [out, cells], priority=0, lock_memory=False, keep=live, memory=table, handover=handover,
        control=live.bound.address("control"), guard=live.bound.address("guard"),
    )  # fmt: skip
    loop.run(5)
    change(memory, table)
    loop.run(3)
    return out.read()[2][:, 0].tolist(), cells.read()[2][:, 0].tolist()


def reach(periods: int) -> float:
    """How far a command comes from rest: a loop that a busy machine holds up moves by all the periods that passed."""
    return ACCELERATION * (periods * PERIOD * 1e-9) ** 2


def test_a_loop_goes_on_from_there():
    commands, cells = stood(controller(), lambda memory, table: claim(memory, memory[COMMITTED], 0, 0.3))
    assert commands[5] == pytest.approx(0.3, abs=reach(cells[5] - cells[4]))
    assert 0.3 < commands[6] < commands[7] < 0.3 + reach(cells[7] - cells[4])


def test_a_motion_from_an_older_commit_was_not_published_and_is_ignored():
    commands, cells = stood(controller(), lambda memory, table: claim(memory, memory[COMMITTED] - 1, 0, 0.3))
    assert 0 < commands[4] < commands[5] < min(reach(cells[5] - cells[0] + 1), 0.3)


def test_a_period_has_one_command():
    def claims(memory, table):
        claim(memory, memory[COMMITTED], table[words.LAST_PERIOD] + 50, 0.3)

    commands, cells = stood(controller(), claims)
    late = cells[5] - cells[4] - 50
    assert late > 0
    assert commands[5] == pytest.approx(0.3, abs=reach(late))


def test_what_is_too_much_to_keep_is_left_out():
    run = Run("publishing")
    run.inputs._block[-1] = 65  # as many were taken over
    first = sorted(run.inputs._handed[:, 0])[0]
    assert run.inputs.log().first_tick >= first - 1
