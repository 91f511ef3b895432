"""A thread beside the loop that runs no Python: it receives signals immediately, and ends a process that hangs.

A call into a middleware can block for ever, and then Python's main thread, its handlers of signals and the loop may all
wait for the same lock. This thread waits for none: it is one compiled function that uses only the C library.

- It is the first to receive signals, from a signalfd: they are blocked in the thread that creates it, so that neither
  a busy interpreter nor a main thread that waits for a processor delays them. In threads that existed before (those of
  an imported library) they are not blocked: there Python's C handler writes into a pipe, which this thread reads too.
  A signal sets the word ``halt``, which stops a loop with its final safe command. If the process still exists `GRACE_S`
  later, it is ended; a process that needs more time calls `Watchdog.allow`.
- If the heartbeat of a watched loop stops for longer than allowed, nothing inside the process can be relied on: a
  program is started that publishes the safe command from a process of its own, and this one is ended with exit code 1.

Time is counted in completed waits of `WAIT_MS`, so a process that was paused does not seem to hang.
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
    POLL, PROCESS, HALT, END, LOOP, ROUNDS, HANGS, STILL, LAST_BEAT, SINCE_SIGNAL, GRACE, CODE,
    PROGRAM, ARGUMENTS, ENVIRONMENT, HANG_TEXT, HANG_LENGTH, GRACE_TEXT, GRACE_LENGTH, WORDS,
) = range(20)  # fmt: skip

_poll = types.ExternalFunction("poll", types.int32(types.intp, types.intp, types.int32))
_write = types.ExternalFunction("write", types.intp(types.int32, types.intp, types.intp))
_sem_post = types.ExternalFunction("sem_post", types.int32(types.intp))
_posix_spawn = types.ExternalFunction(
    "posix_spawn", types.int32(types.intp, types.intp, types.intp, types.intp, types.intp, types.intp)
)
_exit = types.ExternalFunction("_exit", types.void(types.int32))


def watch(table):
    """Body of the watchdog's thread: handle signals and check the loop's heartbeat until END is set."""
    o = i64(table, WORDS)
    while load_acquire(table + 8 * END) == 0:
        store_release(table + 8 * ROUNDS, o[ROUNDS] + 1)
        loop = load_acquire(table + 8 * LOOP)
        if _poll(o[POLL], 2, WAIT_MS) > 0:
            # only the first signal counts: later ones must not delay the countdown
            store_u32(o[POLL], NO_FILE)
            store_u32(o[POLL] + 8, NO_FILE)
            store_release(table + 8 * HALT, 1)
            if loop != 0:
                _sem_post(load_i64(loop + 8 * SEMAPHORE))
            continue
        if o[HALT] != 0:
            o[SINCE_SIGNAL] += 1
            if o[SINCE_SIGNAL] > o[GRACE]:
                if o[CODE] != 0:
                    _write(2, o[GRACE_TEXT], o[GRACE_LENGTH])
                _exit(o[CODE])
        beat = load_acquire(loop + 8 * HEARTBEAT) if loop != 0 else np.int64(0)
        running = loop != 0 and load_acquire(loop + 8 * RUNNING) != 0
        o[STILL] = o[STILL] + 1 if running and beat == o[LAST_BEAT] else 0
        o[LAST_BEAT] = beat
        if running and o[STILL] >= o[HANGS]:
            if o[ARGUMENTS] != 0:
                _posix_spawn(o[PROCESS], o[PROGRAM], 0, 0, o[ARGUMENTS], load_i64(o[ENVIRONMENT]))
            _write(2, o[HANG_TEXT], o[HANG_LENGTH])
            _exit(1)


def _signal_file(signals: Collection[int]) -> int:
    """A non-blocking file descriptor from which the signals are read."""
    libc, mask = ctypes.CDLL(None, use_errno=True), np.zeros(16, np.uint64)  # sigset_t
    mask[0] = sum(1 << (number - 1) for number in signals)
    file = libc.signalfd(-1, ctypes.c_void_p(mask.ctypes.data), os.O_NONBLOCK | os.O_CLOEXEC)
    if file < 0:
        raise RuntimeFault(f"signalfd: {os.strerror(ctypes.get_errno())}")
    return file


class Watchdog:
    """Watches the signals of this process and, between `guard` and `release`, one loop.

    It must be created by the main thread.

    signals : signals that stop the loop; they have no other effect any more
    priority : SCHED_FIFO of its thread, 0: ordinary
    """

    def __init__(self, signals: Collection[int], priority: int = 0) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for number in signals:
            signal.signal(number, lambda *_: None)
        self._signals, self._pipe = _signal_file(signals), os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        self._poll = np.array([self._signals, 1, self._pipe[0], 1], np.int32)  # two struct pollfd; POLLIN
        self._started = np.zeros(1, np.int32)  # pid_t
        self._grace_text = np.frombuffer(b"snn_control: signalled, and does not end by itself: ended\n", np.uint8)
        self._table = np.zeros(WORDS, np.int64)
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
        self.allow(GRACE_S)
        self._arguments: tuple = ()
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
        """From now on, a signalled process may take so long to end [s]; after that it is ended with this exit code."""
        self._table[[SINCE_SIGNAL, GRACE, CODE]] = 0, round(seconds * 1000 / WAIT_MS), code

    @property
    def halt(self) -> int:
        """Address of an int64 that is 1 after the first signal."""
        return self._words + 8 * HALT

    @property
    def halted(self) -> bool:
        return bool(self._table[HALT])

    def guard(self, loop: int, hangs_s: float, program: Sequence[str] = ()) -> None:
        """End this process if a loop hangs.

        loop : address of its table
        hangs_s : longest time without a heartbeat [s]
        program : program to start in that case, path and arguments; empty: none
        """
        self.release()
        text = f"snn_control: the loop's heartbeat stopped for {hangs_s:g} s: ended\n"
        self._hang_text = np.frombuffer(text.encode(), np.uint8)
        words = [os.fsencode(word) for word in program]
        array = (ctypes.c_char_p * (len(words) + 1))(*words)
        self._arguments = (words, array)
        self._table[HANGS] = max(1, round(hangs_s * 1000 / WAIT_MS))
        self._table[[HANG_TEXT, HANG_LENGTH]] = self._hang_text.ctypes.data, self._hang_text.size
        self._table[PROGRAM] = ctypes.cast(ctypes.c_char_p(words[0]), ctypes.c_void_p).value if words else 0
        self._table[ARGUMENTS] = ctypes.addressof(array) if words else 0
        self._table[STILL] = 0
        write_word(self._words + 8 * LOOP, loop)

    def release(self) -> None:
        """Stop watching the loop; after this returns, the loop's memory may be freed."""
        if read_word(self._words + 8 * LOOP) != 0:
            write_word(self._words + 8 * LOOP, 0)
            # the present round, and one that started before it could see the 0, may still read the loop's table
            last = read_word(self._words + 8 * ROUNDS) + 2
            while self._thread.is_alive() and read_word(self._words + 8 * ROUNDS) < last:
                time.sleep(WAIT_MS / 1000)
        self._arguments = ()

    def close(self) -> None:
        """End the thread; the signals have no effect from now on."""
        atexit.unregister(self.close)
        write_word(self._words + 8 * END, 1)
        self._thread.join()
        signal.set_wakeup_fd(-1)
        for file in (self._signals, *self._pipe):
            os.close(file)
