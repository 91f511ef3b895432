"""The control loop: one compiled function in one thread, which turns input messages into command messages.

In each period the loop wakes at the deadline, takes messages from all input ports, sets the ages of the inputs, runs a
tick, publishes on all output ports, calls the observers, and updates its counters. No Python runs between taking and
publishing, so neither the interpreter lock nor the garbage collector can delay a command. The loop depends neither on
the neural network nor on a middleware: it only calls functions by their addresses (module `port`).

Modes
-----
realtime : deadlines are times on CLOCK_MONOTONIC: ``phase_ns`` plus multiples of ``period_ns``. The sleep ends 30 us
    before the deadline (a tenth of the period if that is shorter), and the loop polls the clock until the deadline. It
    takes all waiting messages. An input's age is the time since its newest message arrived. The loop skips and counts a
    period that it cannot keep; it does not catch up with bursts of ticks.
    With a ``trigger``, a message of that input wakes the loop instead of the deadline. The tick comes immediately, but
    not sooner than half a period after the last tick. If there is no message, the tick comes one and a half periods
    after the last tick, and is counted in ``timeouts``. Each tick still advances the network by one period; slew limits
    use the time that has really passed.
lockstep : messages wake the loop (ports post ``Loop.semaphore``), which runs at ordinary priority. A tick takes one
    message from each input. The tick runs when every input has returned a message, well-formed or not. The loop does
    not wait for an input that can stop the commands. Ages need no clock: an input with a fresh sample has age 0, the
    age of any other input grows by a period, and an input that never had a sample has age -1. If the messages of a tick
    have different stamps, the newest stamp T is the stamp of the tick, and the tick is counted (``stamp_mismatch``). A
    fresh input with an older stamp s then has age T - s, so that its age limit applies. The loop drops no message and
    skips no tick: if it waited for equal stamps, a sender that restarts at time 0 would stop the commands for ever.
    After ``timeout_s`` without any message, the loop counts and reports the missing inputs, and continues to wait.
free : ticks run without waiting and without a clock, for replay and benchmarks. Ages are set as in lockstep, but
    without stamps. Ports get the number of the tick times period_ns as ``now``.

In realtime, commands are stamped with CLOCK_REALTIME. In the other modes a command gets the newest stamp of the tick's
messages, so that it can be matched to its inputs. If no message has a stamp, the stamp is one period after that of the
last tick.

When a loop stops, it sets every command to its safe values and publishes the commands once, as the final safe command.
This needs neither Python nor a join of the thread. If outputs ramp to their safe values (``ramps``), a realtime loop
first runs one tick per period in the state of a fault, until the outputs have reached these values, for at most 1 s. In
the other modes outputs do not ramp, because time stops in lockstep when no messages come.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import numpy as np

from ..engine.atomics import read_word, write_word
from ..engine.compile import compile_function
from ..engine.control_words import DRIVER, ELAPSED, LEARNING
from ..engine.kernels.guard import GUARD_WORDS
from ..engine.slots import EMPTY, SLOT_WORDS
from ..errors import DescriptionError, RuntimeFault
from . import cycle, histogram
from . import table as words
from .clock import check_libc
from .handover import Handover
from .port import MODES, InputPort, Port
from .rights import Rights, ask

__all__ = ["Loop"]

NULL = "must not be null: compiled code would jump or write there"
#: word of an input's row -> optional attribute of the port
OPTIONAL = {words.IN_OWN_AGE: "writes_age", words.IN_LIMIT: "limit_ns", words.IN_UNAWAITED: "unawaited"}


def _rows(name: str, width: int, keys: Sequence[str], rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Return one of the loop's further tables, (n, width) int64. A row contains the values of ``keys``, then zeros.

    Raises DescriptionError for a null address, with ``name``, the argument of `Loop`, in the message.
    """
    table = np.zeros((len(rows), width), np.int64)
    for k, row in enumerate(rows):
        for key, value in zip(keys, row, strict=True):
            if value <= 0:
                raise DescriptionError(f"{name}[{k}].{key}", value, NULL)
        table[k, : len(keys)] = row
    return table


def _port_rows(name: str, width: int, keys: Sequence[str], ports: Sequence[InputPort | Port]) -> np.ndarray:
    return _rows(name, width, keys, [[getattr(port, key) for key in keys] for port in ports])


def _check(
    mode: str, period_ns: int, timeout_s: float, tick: int, inputs: Sequence[InputPort], trigger: InputPort | None
) -> None:
    if mode not in MODES:
        raise DescriptionError("mode", mode, f"must be one of {', '.join(MODES)}")
    if period_ns < 1:
        raise DescriptionError("period_ns", period_ns, "must be at least 1 ns")
    if not timeout_s > 0:
        raise DescriptionError("timeout_s", timeout_s, "must be > 0 s")
    if mode == "lockstep" and not inputs:
        raise DescriptionError("inputs", [], "lockstep needs an input to wait for", "use mode realtime")
    if trigger is not None and (mode != "realtime" or trigger not in inputs):
        raise DescriptionError("trigger", trigger.name, "must be one of the inputs, in mode realtime")
    if tick <= 0:
        raise DescriptionError("tick.address", tick, NULL)


class Loop:
    """A control loop: in each tick it takes messages from input ports, runs the network, and publishes on output ports.

    Parameters
    ----------
    tick : address of a C callback ``void(int64 table)``, which runs one tick
    table : argument of that callback
    period_ns : control period [ns]
    inputs, outputs, observers : ports, called in this order; see `port`
    safe : for every output (address of its command, address of its safe values, n); command and safe values are n
        float64 each
    mode : "realtime", "lockstep" or "free"
    control : address of the control words in the io block; 0: there are none. Through them the loop informs the guard
        of missed periods, late publications and the end of the loop
    guard : address of the guard's words in the state; 0: there is no guard
    ramps : whether outputs ramp to their safe values. When it stops, the loop then continues to run ticks until all
        outputs have reached these values
    publish_budget_s : realtime: if outputs and observers of a tick took longer than this time, the next tick is a
        fault; 0: no limit
    most_missed : realtime: if more periods than this passed in a row without a tick, the next tick is a fault; 0: no
        limit
    halt : address of an int64. A value other than 0 stops the loop, as `stop` does; 0: there is no such int64
    trigger : realtime: one of ``inputs``, whose messages wake the loop; its port must post ``semaphore``. None: the
        clock wakes the loop
    phase_ns : offset of the deadlines from multiples of the period on CLOCK_MONOTONIC [ns]
    priority : SCHED_FIFO priority, only requested in realtime; 0: ordinary scheduling
    cpus : CPUs for the thread; None: any
    lock_memory : realtime: whether to request that the memory of the process is locked
    timeout_s : lockstep: time without a message after which the missing inputs are counted
    hold : context managers that the thread enters around the loop, so that objects that the ports use stay alive
    keep : owner of the memory of ``table``, ``safe`` and the inputs' headers. The loop keeps a reference to this
        object. A running loop itself lives until it is stopped, even if there is no other reference to it
    memory : (TABLE_WORDS,) int64 zeros for the loop's table, which another process may also read; None: a new array
    handover : realtime: the exchange of the commands' motion with a supervisor process; None: there is no supervisor
    name : name of the thread, which messages contain, too
    """

    def __init__(
        self, tick: int, table: int, period_ns: int, inputs: Sequence[InputPort] = (), outputs: Sequence[Port] = (),
        safe: Sequence[tuple[int, int, int]] = (), *, observers: Sequence[Port] = (), mode: str = "realtime",
        control: int = 0, guard: int = 0, ramps: bool = False, publish_budget_s: float = 0.0, most_missed: int = 0,
        halt: int = 0, trigger: InputPort | None = None, phase_ns: int = 0, priority: int = 80,
        cpus: Iterable[int] | None = None, lock_memory: bool = True, timeout_s: float = 1.0,
        hold: Sequence[AbstractContextManager] = (), keep: object = None, memory: np.ndarray | None = None,
        handover: Handover | None = None, name: str = "control loop",
    ) -> None:  # fmt: skip
        _check(mode, period_ns, timeout_s, tick, inputs, trigger)
        check_libc()
        self.mode, self.name, self.period_ns = mode, name, period_ns
        self.inputs, self._hold, self._keep = tuple(inputs), tuple(hold), (keep, tuple(outputs), tuple(observers))
        realtime, cpus = mode == "realtime", None if cpus is None else tuple(cpus)
        self._wanted = {"priority": priority if realtime else 0, "cpus": cpus, "memory": lock_memory and realtime}
        self.rights = Rights()
        self.wake, self.duration, self.latency = histogram.new(), histogram.new(), histogram.new()
        self._semaphore = np.zeros(8, np.int64)  # a sem_t has 32 bytes
        ctypes.CDLL(None).sem_init(ctypes.c_void_p(self.semaphore), 0, 0)
        self._nobody = np.zeros(max(GUARD_WORDS, LEARNING), np.int64)  # words for a loop without guard or control words
        self._handover, self._table = handover, np.zeros(words.TABLE_WORDS, np.int64) if memory is None else memory
        self._inputs = _port_rows("inputs", words.IN_WORDS, ("function", "context", "slot"), inputs)
        for word, key in OPTIONAL.items():
            self._inputs[:, word] = [getattr(port, key, 0) for port in inputs]
        self._rows = {
            words.INPUTS: self._inputs,
            words.OUTPUTS: _port_rows("outputs", words.OUT_WORDS, ("function", "context"), outputs),
            words.OBSERVERS: _port_rows("observers", words.OUT_WORDS, ("function", "context"), observers),
            words.SAFES: _rows("safe", words.SAFE_WORDS, ("command", "values", "length"), safe),
        }
        settings = {
            words.MODE: MODES[mode], words.PERIOD: period_ns, words.PHASE: phase_ns % period_ns,
            words.TIMEOUT: round(timeout_s * 1e9), words.TICK: tick, words.TICK_TABLE: table,
            words.SEMAPHORE: self.semaphore, words.CONTROL: control or self._nobody.ctypes.data,
            words.GUARD: guard or self._nobody.ctypes.data, words.RAMPS: ramps,
            words.BUDGET: round(publish_budget_s * 1e9), words.HALT: halt, words.MOST_MISSED: most_missed,
            words.HANDOVER: 0 if handover is None else handover.context,
            words.TRIGGER: 0 if trigger is None else self._inputs[self.inputs.index(trigger)].ctypes.data,
            words.WAKE_HISTOGRAM: self.wake.ctypes.data, words.TICK_HISTOGRAM: self.duration.ctypes.data,
            words.LATENCY_HISTOGRAM: self.latency.ctypes.data,
            **{word: rows.ctypes.data for word, rows in self._rows.items()},
            **{word + 1: len(rows) for word, rows in self._rows.items()},
        }  # fmt: skip
        self._table[list(settings)] = list(settings.values())
        self._thread: threading.Thread | None = None
        self._process, self._lock = os.getpid(), threading.RLock()  # held to start, run or reset the loop
        self._run = compile_function(cycle.run, "void(int64)")
        self.reset()
        self._table[words.WARM] = 1  # touch the memory that the loop uses, without a tick or a port
        self._run(self.table)
        self._table[words.WARM] = 0

    @property
    def semaphore(self) -> int:
        """Address of a ``sem_t``, which a port posts when a message has arrived.

        In lockstep all input ports must post this semaphore, in realtime only the port of the trigger.
        """
        return int(self._semaphore.ctypes.data)

    @property
    def table(self) -> int:
        """Address of the compiled loop's int64 table (`snn_control.realtime.table`). A watchdog needs this address."""
        return int(self._table.ctypes.data)

    @property
    def grid(self) -> dict[str, int | bool]:
        """The times of the ticks as JSON data: period_ns, phase_ns, and woken (true if messages wake the loop)."""
        period, phase, trigger = self._table[[words.PERIOD, words.PHASE, words.TRIGGER]].tolist()
        return {"period_ns": period, "phase_ns": phase, "woken": trigger != 0}

    @property
    def running(self) -> bool:
        """True while the compiled loop runs; False after the final safe command, and in a forked child process."""
        return self._process == os.getpid() and bool(read_word(self.table + 8 * words.RUNNING))

    @property
    def heartbeat_age_ns(self) -> int:
        """Time since the loop last updated its heartbeat [ns]."""
        return max(time.monotonic_ns() - read_word(self.table + 8 * words.HEARTBEAT), 0)

    @property
    def ticks(self) -> int:
        """Number of ticks since the last reset."""
        return read_word(self.table + 8 * words.TICKS)

    def reset(self) -> None:
        """Clear statistics, input ages and the headers of the inputs, as before the first tick.

        Raises RuntimeFault while the loop runs.
        """
        with self._alone("reset"):
            self._table[words.STOP :] = 0
            self._table[words.TICK_STAMP] = -self.period_ns  # so that ticks without stamps count from 0
            self._inputs[:, words.IN_GOT :] = 0
            for word in (DRIVER, ELAPSED):
                write_word(int(self._table[words.CONTROL]) + 8 * word, 0)
            for port in self.inputs:
                (ctypes.c_int64 * SLOT_WORDS).from_address(port.slot)[:] = list(EMPTY)
            for array in (self.wake, self.duration, self.latency):
                array[:] = 0
            if self._handover is not None:
                self._handover.begin()

    def run(self, ticks: int) -> None:
        """Run ``ticks`` more ticks in the calling thread, without new rights, without reset and final safe command."""
        if ticks < 1:
            raise DescriptionError("ticks", ticks, "must be at least 1")
        with self._alone("run"):
            self._table[words.STOP] = self._table[words.FINAL_COMMAND] = 0
            self._table[words.TICK_LIMIT] = self._table[words.TICKS] + ticks
            self._run(self.table)

    def start(self, ticks: int = 0) -> Rights:
        """Reset the loop and run it in a new thread. Return the rights that the system granted to this thread.

        ticks : maximum number of ticks; 0: the loop runs until `stop`
        """
        with self._alone("start"):
            self.reset()
            self._table[words.FINAL_COMMAND], self._table[words.TICK_LIMIT] = 1, ticks
            self._table[words.HEARTBEAT] = self._table[words.LAST_TICK] = time.monotonic_ns()
            return self._begin()

    def _begin(self) -> Rights:
        begun = threading.Event()
        faults: list[BaseException] = []

        def body() -> None:
            try:
                with ExitStack() as stack:
                    for manager in self._hold:
                        stack.enter_context(manager)
                    self.rights = ask(**self._wanted)  # type: ignore[arg-type]
                    self._table[words.RUNNING] = 1
                    begun.set()
                    self._run(self.table)
            except BaseException as error:
                faults.append(error)
            finally:
                atexit.unregister(self.stop)
                begun.set()

        # a daemon, because the interpreter's exit stops the loop and must not wait for the thread
        self._process, self._thread = os.getpid(), threading.Thread(target=body, name=self.name, daemon=True)
        atexit.register(self.stop)
        try:
            self._thread.start()
            begun.wait()
        except RuntimeError as error:  # the system has no more threads
            atexit.unregister(self.stop)
            self._thread = None
            faults.append(error)
        if faults:
            self.stop()
            raise RuntimeFault(f"{self.name} did not start: {faults[0]}") from faults[0]
        return self.rights

    def stop(self, timeout: float = 2.0) -> bool:
        """Stop the loop, which then publishes the final safe command. Return whether its thread has ended.

        Stopping takes up to a tick, and up to 1 s more if outputs ramp. Call this from any thread or from a signal
        handler.

        timeout : longest time to wait for the end of the thread [s]
        """
        if self._thread is None:
            return True
        if not self._lock.acquire(timeout=timeout):  # another thread starts or stops the loop
            return False
        try:
            if self._thread is not None:
                write_word(self.table + 8 * words.STOP, 1)
                ctypes.CDLL(None).sem_post(ctypes.c_void_p(self.semaphore))
                if self._thread.ident is None:  # a signal during `start`: the thread stops at its first check
                    return False
                self._thread.join(timeout)
                if self._thread.is_alive():
                    return False
                self._thread = None
            return True
        finally:
            self._lock.release()

    def alive(self, max_age: float) -> bool:
        """Return whether the loop runs and has updated its heartbeat within the last ``max_age`` [s].

        A loop updates its heartbeat in every tick, and every 20 ms while it waits. An older heartbeat means that the
        tick or a port hangs.
        """
        return self.running and self.heartbeat_age_ns <= max_age * 1e9

    def waiting(self) -> tuple[str, ...]:
        """Return the names of the inputs for which the loop waits in lockstep. In other modes the tuple is empty."""
        if self.mode != "lockstep":
            return ()
        got = self._inputs[:, words.IN_GOT].copy()
        return tuple(port.name for port, one in zip(self.inputs, got, strict=False) if not one)

    def stats(self) -> dict:
        """Return statistics of the loop since its start.

        docs/reference/nodes.md ("Values on /diagnostics") explains each key. ``wake``, ``tick`` and ``latency`` contain
        count, mean, p50, p99, p99.9, max and overflow, with times in ns. ``inputs`` maps the name of each input to its
        counters: taken, errors, timeouts, and the counters of its port.
        """
        table, rows = self._table.copy(), self._inputs.copy()
        return {
            "mode": self.mode, "running": self.running,
            **{key: int(table[word]) for key, word in words.COUNTERS.items()},
            "taken": int(rows[:, words.IN_TAKEN].sum()), "take_errors": int(rows[:, words.IN_ERRORS].sum()),
            "starved": bool(table[words.STARVED]), "waiting": self.waiting(),
            "wake": histogram.summary(self.wake), "tick": histogram.summary(self.duration),
            "latency": histogram.summary(self.latency),
            "inputs": {
                port.name: {key: int(row[word]) for key, word in words.INPUT_COUNTERS.items()} | port.counters()
                for port, row in zip(self.inputs, rows, strict=True)
            },
            "heartbeat_age_ns": self.heartbeat_age_ns,
            "tick_age_ns": max(time.monotonic_ns() - int(table[words.LAST_TICK]), 0),
        }  # fmt: skip

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Context in which no other thread can start, run or reset the loop.

        Raises RuntimeFault while the loop runs or another thread controls it.
        """
        if not self._lock.acquire(blocking=False):
            raise RuntimeFault(f"{self.name}: {what} while another thread starts, runs or stops it: wait for it")
        try:
            if self._thread is not None and self._thread.is_alive():
                raise RuntimeFault(f"{self.name}: {what} while it runs: stop it first")
            yield
        finally:
            self._lock.release()
