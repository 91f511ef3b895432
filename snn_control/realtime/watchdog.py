"""A thread without Python that receives signals immediately, and ends a process whose control loop hangs.

A call into a middleware can block for ever. Then Python's main thread, its signal handlers and the loop may all wait
for the same lock. The watchdog's thread waits for no lock: it is one compiled function that uses only the C library.

- **Signals**: The watchdog is the first to receive signals. The thread that creates the watchdog blocks the signals, so
  that they arrive through a signalfd. Neither a busy interpreter nor a main thread that waits for a processor delays
  them. Threads that existed before, for example threads of an imported library, do not block the signals. If such a
  thread gets a signal, Python's C handler writes into a pipe, which the watchdog reads, too. A signal sets the int64
  ``halt``, which makes the loops stop with their final safe commands. If the process still exists `GRACE_S` later, the
  watchdog ends it. A process that needs more time calls `Watchdog.allow`.
- **Hanging loops**: If the heartbeat of a watched loop stops for longer than allowed, nothing inside the process can be
  relied on. The watchdog starts the programs of all watched loops. Each program publishes a safe command from a new
  process. Then the watchdog ends its own process with exit code 1.

The watchdog measures time by counting completed waits of `WAIT_MS`, so a process that was paused does not seem to hang.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import threading
import time
from collections.abc import Collection, Sequence

import numpy as np
from numba import types
from numba.extending import register_jitable

from ..engine.atomics import load_acquire, read_word, store_release, write_word
from ..engine.compile import compile_function
from ..engine.memory import i64, load_i64, store_u32
from ..errors import RuntimeFault
from .rights import block_signals, set_fifo
from .table import HEARTBEAT, RUNNING, SEMAPHORE

__all__ = ["GRACE_S", "Watchdog"]

WAIT_MS = 10
NO_FILE = 0xFFFFFFFF  # -1: poll ignores it
GRACE_S = 10.0  # time in which a signalled process must end; long, because a busy machine is slow

# Words of the table
(
    POLL, PROCESS, HALT, END, ROUNDS, SINCE_SIGNAL, GRACE, CODE, ENVIRONMENT, GRACE_TEXT, GRACE_LENGTH, WORDS,
) = range(12)  # fmt: skip
# Words of each loop, which follow
LOOP, HANGS, STILL, LAST_BEAT, PROGRAM, ARGUMENTS, HANG_TEXT, HANG_LENGTH, LOOP_WORDS = range(9)
MOST_LOOPS = 16  # largest number in one process

_poll = types.ExternalFunction("poll", types.int32(types.intp, types.intp, types.int32))
_write = types.ExternalFunction("write", types.intp(types.int32, types.intp, types.intp))
_sem_post = types.ExternalFunction("sem_post", types.int32(types.intp))
_posix_spawn = types.ExternalFunction(
    "posix_spawn", types.int32(types.intp, types.intp, types.intp, types.intp, types.intp, types.intp)
)
_exit = types.ExternalFunction("_exit", types.void(types.int32))


@register_jitable
def _hangs(one):
    """Return whether a loop hangs: it runs, but its heartbeat has not changed for the allowed time.

    The time is counted in calls of this function. The watchdog therefore calls it once after each of its waits.
    """
    w, loop = i64(one, LOOP_WORDS), load_acquire(one + 8 * LOOP)
    beat = load_acquire(loop + 8 * HEARTBEAT) if loop != 0 else np.int64(0)
    running = loop != 0 and load_acquire(loop + 8 * RUNNING) != 0
    w[STILL] = w[STILL] + 1 if running and beat == w[LAST_BEAT] else 0
    w[LAST_BEAT] = beat
    return running and w[STILL] >= w[HANGS]


@register_jitable
def _end(o, loops, stop, hung):
    """End the process because a loop hangs: start the programs of all watched loops, report the hanging loop, exit."""
    for one in range(loops, stop, 8 * LOOP_WORDS):
        w = i64(one, LOOP_WORDS)
        if load_acquire(one + 8 * LOOP) != 0 and w[ARGUMENTS] != 0:
            _posix_spawn(o[PROCESS], w[PROGRAM], 0, 0, w[ARGUMENTS], load_i64(o[ENVIRONMENT]))
    w = i64(hung, LOOP_WORDS)
    _write(2, w[HANG_TEXT], w[HANG_LENGTH])
    _exit(1)


def watch(table):
    """Handle signals and check the loops' heartbeats until END is set. The watchdog's thread runs this function."""
    o = i64(table, WORDS)
    loops = table + 8 * WORDS
    stop = loops + 8 * LOOP_WORDS * MOST_LOOPS
    while load_acquire(table + 8 * END) == 0:
        store_release(table + 8 * ROUNDS, o[ROUNDS] + 1)
        if _poll(o[POLL], 2, WAIT_MS) > 0:
            # only the first signal counts: later ones must not delay the countdown
            store_u32(o[POLL], NO_FILE)
            store_u32(o[POLL] + 8, NO_FILE)
            store_release(table + 8 * HALT, 1)
            for one in range(loops, stop, 8 * LOOP_WORDS):
                loop = load_acquire(one + 8 * LOOP)
                if loop != 0:
                    _sem_post(load_i64(loop + 8 * SEMAPHORE))
            continue
        if o[HALT] != 0:
            o[SINCE_SIGNAL] += 1
            if o[SINCE_SIGNAL] > o[GRACE]:
                if o[CODE] != 0:
                    _write(2, o[GRACE_TEXT], o[GRACE_LENGTH])
                _exit(o[CODE])
        for one in range(loops, stop, 8 * LOOP_WORDS):
            if _hangs(one):
                _end(o, loops, stop, one)


def _signal_file(signals: Collection[int]) -> int:
    """Return a non-blocking file descriptor that receives the signals (a signalfd)."""
    libc, mask = ctypes.CDLL(None, use_errno=True), np.zeros(16, np.uint64)  # sigset_t
    mask[0] = sum(1 << (number - 1) for number in signals)
    file = libc.signalfd(-1, ctypes.c_void_p(mask.ctypes.data), os.O_NONBLOCK | os.O_CLOEXEC)
    if file < 0:
        raise RuntimeFault(f"signalfd: {os.strerror(ctypes.get_errno())}")
    return file


class Watchdog:
    """The watchdog of this process. It handles signals, and watches loops from `guard` until `release`.

    The main thread must create it.

    signals : signals that stop the loops. As soon as the watchdog exists, these signals have no other effect
    priority : SCHED_FIFO priority of the watchdog's thread; 0: ordinary scheduling
    """

    def __init__(self, signals: Collection[int], priority: int = 0) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for number in signals:
            signal.signal(number, lambda *_: None)
        self._signals, self._pipe = _signal_file(signals), os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        self._poll = np.array([self._signals, 1, self._pipe[0], 1], np.int32)  # two struct pollfd; POLLIN
        self._started = np.zeros(1, np.int32)  # pid_t
        self._grace_text = np.frombuffer(b"snn_control: did not end after a signal: ended by the watchdog\n", np.uint8)
        self._table = np.zeros(WORDS + MOST_LOOPS * LOOP_WORDS, np.int64)
        environment = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ")
        for word, value in {
            POLL: self._poll.ctypes.data,
            PROCESS: self._started.ctypes.data,
            ENVIRONMENT: ctypes.addressof(environment),
            GRACE_TEXT: self._grace_text.ctypes.data,
            GRACE_LENGTH: self._grace_text.size,
            HALT: not signal.sigpending().isdisjoint(signals),  # signals that came before the thread started
        }.items():
            self._table[word] = value
        self._words = int(self._table.ctypes.data)
        self._kept: dict[int, tuple] = {}  # loop -> what its words point to
        self.allow(GRACE_S)
        run = compile_function(watch, "void(int64)")
        begun = threading.Event()

        def body() -> None:
            block_signals()
            if priority:
                set_fifo(priority)
            begun.set()
            run(self._words)

        self._thread = threading.Thread(target=body, name="watchdog", daemon=True)
        self._thread.start()
        begun.wait()
        atexit.register(self.close)

    def allow(self, seconds: float, code: int = 1) -> None:
        """Allow this process ``seconds`` from now to end by itself after a signal.

        If the process still exists after this time, the watchdog ends it with exit code ``code``.
        """
        self._table[[SINCE_SIGNAL, GRACE, CODE]] = 0, round(seconds * 1000 / WAIT_MS), code

    @property
    def halt(self) -> int:
        """Address of an int64 that becomes 1 with the first signal."""
        return self._words + 8 * HALT

    @property
    def halted(self) -> bool:
        return bool(self._table[HALT])

    def guard(self, loop: int, hangs_s: float, program: Sequence[str] = (), name: str = "") -> None:
        """Watch a loop from now on, and end this process if the loop hangs.

        loop : address of the loop's table
        hangs_s : time without a new heartbeat after which a loop counts as hanging [s]
        program : path and arguments of the program to start if any watched loop hangs; empty: there is none
        name : name of the loop, for the message

        Raises RuntimeFault for more than `MOST_LOOPS` loops.
        """
        self.release(loop)
        slots = self._slots()
        free = np.flatnonzero(slots[:, LOOP] == 0)
        if not len(free):
            raise RuntimeFault(f"a process has at most {MOST_LOOPS} loops")
        text = f"snn_control: {name}{': ' if name else ''}the loop's heartbeat stopped for {hangs_s:g} s: ended\n"
        words, text_bytes = [os.fsencode(word) for word in program], np.frombuffer(text.encode(), np.uint8)
        array = (ctypes.c_char_p * (len(words) + 1))(*words)
        self._kept[loop] = words, text_bytes, array
        slot = slots[free[0]]
        slot[HANGS], slot[STILL] = max(1, round(hangs_s * 1000 / WAIT_MS)), 0
        slot[HANG_TEXT], slot[HANG_LENGTH] = text_bytes.ctypes.data, text_bytes.size
        slot[PROGRAM] = ctypes.cast(ctypes.c_char_p(words[0]), ctypes.c_void_p).value if words else 0
        slot[ARGUMENTS] = ctypes.addressof(array) if words else 0
        write_word(slot.ctypes.data + 8 * LOOP, loop)

    def release(self, loop: int) -> None:
        """Stop watching a loop. As soon as this method has returned, the memory of the loop may be freed."""
        if loop not in self._kept:
            return
        for slot in self._slots():
            if slot[LOOP] == loop:
                write_word(slot.ctypes.data + 8 * LOOP, 0)
        # the current round, and the next if it started before it could see the 0, may still read the loop's table
        last = read_word(self._words + 8 * ROUNDS) + 2
        while self._thread.is_alive() and read_word(self._words + 8 * ROUNDS) < last:
            time.sleep(WAIT_MS / 1000)
        del self._kept[loop]

    def _slots(self) -> np.ndarray:
        return self._table[WORDS:].reshape(MOST_LOOPS, LOOP_WORDS)

    def close(self) -> None:
        """End the watchdog's thread. From then on, the signals have no effect."""
        atexit.unregister(self.close)
        write_word(self._words + 8 * END, 1)
        self._thread.join()
        signal.set_wakeup_fd(-1)
        for file in (self._signals, *self._pipe):
            os.close(file)
