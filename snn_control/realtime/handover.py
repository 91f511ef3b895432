"""Pass the motion of the commands between a loop and its supervisor process; this module is the loop's side.

The supervisor continues the commands if the loop fails. The *motion* is the state of the command limiter: commands,
their rates and averages (`snn_control.engine.command_limiter`). In each tick, the loop commits its motion to shared
memory (`shared_motion`). When a loop runs again, it continues from the supervisor's motion. The supervisor's motion is
then an input of the next tick, like control words. The loop records this input (`LOADED`, `COPY`), so that a replay
computes the same bits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.atomics import fence, load_acquire, read_word, store_release, write_word
from ..engine.bound import Bound
from ..engine.kernels import guard as guard_words
from ..engine.kernels.guard import LIMITS, guard
from ..engine.memory import i64, load_i64
from ..engine.program import Place, Program
from ..errors import ProgramError
from . import shared_motion as shared
from .shared_motion import BASE, BEGUN, COMMITTED, HEAD, PLACES, TAKEN, THEIRS, WHEN

__all__ = ["Handover", "commit", "go_on_from", "take_over"]

# words of the context: address of the shared memory, and words of a motion; addresses of the guard's BEGUN and motion;
# newest claim seen; time of the motion taken over last; number of motions taken over; address of a copy of the last
SHARED, MOTION, BEGUN_AT, OWN, SEEN, HANDED, LOADED, COPY, WORDS = range(9)


@register_jitable
def _copy(to, source, words):
    a, b = i64(to, words), i64(source, words)
    for k in range(words):
        a[k] = b[k]


@register_jitable
def _place(c, k):
    return c[SHARED] + 8 * (PLACES + c[MOTION] * k)


@register_jitable
def commit(context, when):
    """Write the motion of a tick to the shared memory. Call this after writing the heartbeat and before publishing.

    Return False if a supervisor has claimed the motion since `take_over`; the loop must then not publish its command.

    when : time of the tick, as in `shared_motion.WHEN`
    """
    c = i64(context, WORDS)
    fence()
    if load_acquire(c[SHARED] + 8 * TAKEN) != c[SEEN]:
        return False
    number = load_i64(c[SHARED] + 8 * COMMITTED) + 1
    place = _place(c, number % 2)
    head = i64(place, HEAD)
    head[WHEN], head[BASE], head[BEGUN] = when, 0, load_i64(c[BEGUN_AT])
    _copy(place + 8 * HEAD, c[OWN], c[MOTION] - HEAD)
    store_release(c[SHARED] + 8 * COMMITTED, number)
    return True


@register_jitable
def take_over(context):
    """Continue from the supervisor's motion if the supervisor has sent a command since the last call.

    Write the heartbeat before this call. Return the time of the supervisor's last command, 0 before its first command.
    """
    c = i64(context, WORDS)
    fence()
    taken, seen = load_acquire(c[SHARED] + 8 * TAKEN), c[SEEN]
    if taken == seen:
        return c[HANDED]
    while taken != seen:  # copy again if the supervisor wrote meanwhile
        seen = taken
        _copy(c[COPY], _place(c, THEIRS + seen % 2), c[MOTION])
        fence()
        taken = load_acquire(c[SHARED] + 8 * TAKEN)
    c[SEEN] = seen
    head = i64(c[COPY], HEAD)
    if head[BASE] == load_i64(c[SHARED] + 8 * COMMITTED):  # else claimed too late, and not published
        c[HANDED] = head[WHEN]
        c[LOADED] += 1
        _copy(c[OWN], c[COPY] + 8 * HEAD, c[MOTION] - HEAD)
    return c[HANDED]


def _row(program: Program) -> dict[str, Any]:
    """Return the operands of the guard by name. The guard is the last operation of every controller's program."""
    return dict(zip(guard.words, program.operations[-1].operands, strict=True))


def motion_of(program: Program) -> Place:
    """Return where the state vector contains the motion of the commands, as int64 words."""
    row = _row(program)
    return replace(row["motion"], dtype="<i8", shape=(row["m"] * row["words_per_element"],))


def go_on_from(bound: Bound, words: np.ndarray) -> None:
    """Make a controller continue from the motion of another process. Do not call this function while a loop runs.

    words : int64 words of the motion, without the head of `shared_motion`

    Raises ProgramError if the motion belongs to another controller or exceeds the limits.
    """
    motion, state = motion_of(bound.program), bound.state.copy()
    if words.shape != motion.shape:
        raise ProgramError(f"a motion of {words.size} words: this Program's has {motion.shape[0]}")
    motion.view(state)[:] = words
    bound.restore(state)


class Handover:
    """Exchanges the state of the command limiter (commands, rates and averages) between a loop and its supervisor.

    memory : shared memory, an int64 array of zeros with `Handover.words_of` elements
    """

    def __init__(self, bound: Bound, memory: np.ndarray) -> None:
        self._own = motion_of(bound.program)
        self.motion = np.zeros(HEAD + self._own.shape[0], np.int64)
        begun = bound.address(_row(bound.program)["words"]) + 8 * guard_words.BEGUN
        self._block = np.array([
            memory.ctypes.data, self.motion.size, begun, bound.address(self._own), 0, 0, 0, self.motion.ctypes.data,
        ])  # fmt: skip
        self._keep, self._memory, self.context = bound, memory, int(self._block.ctypes.data)

    @classmethod
    def words_of(cls, bound: Bound) -> int:
        """Return the size of the shared memory that a controller needs, in int64 words."""
        return shared.words_of(HEAD + motion_of(bound.program).shape[0])

    def begin(self) -> None:
        """Commit the motion in the present state, while no loop runs and no supervisor sends commands."""
        self._block[SEEN], self._block[HANDED] = read_word(self._word(TAKEN)), 0
        number = int(self._memory[COMMITTED]) + 1
        place = self._memory[PLACES + self.motion.size * (number % 2) :][: self.motion.size]
        place[:HEAD], place[HEAD:] = 0, self._own.view(self._keep.state)
        write_word(self._word(COMMITTED), number)

    def _word(self, word: int) -> int:
        return int(self._memory.ctypes.data) + 8 * word

    def told(self) -> dict[str, Any]:
        """Return the arguments of `ros.supervision.continuation.Continued`, with which a supervisor continues commands.

        They are JSON data: the guard's limits per period, and how each output moves to its safe value.
        """
        row, constants = _row(self._keep.program), self._keep.program.constants
        limits = LIMITS.rows_of(row["limits"].view(constants).reshape(-1).view(np.uint8), row["m"])
        return {
            "limits": {name: side.tolist() for name, side in limits._asdict().items()},
            "way": row["way"].view(constants).tolist(),
        }
