"""The loop's end of a `shared_motion`: what it commits in each tick, and how it goes on after a supervisor.

What was handed over is an input of the next tick, as control words are: it is recorded (`LOADED`, `COPY`), and a replay
has the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.atomics import fence, load_acquire, read_word, store_release, write_word
from ..engine.bound import Bound
from ..engine.kernels import outputs
from ..engine.kernels.outputs import LIMITS, guard
from ..engine.memory import i64, load_i64
from ..engine.program import Place, Program
from ..errors import ProgramError
from . import shared_motion as shared
from .shared_motion import BASE, BEGUN, COMMITTED, HEAD, PLACES, TAKEN, THEIRS, WHEN

__all__ = ["Handover", "commit", "go_on_from", "take_over"]

# words of the context: the memory, and the words of a motion; where the guard's word is, and the parts of its state
# (address and words of each); the newest claim that was seen; the time of the motion that was taken over last, how
# many were, and a copy of it
SHARED, MOTION, BEGUN_AT, PARTS, N_PARTS, SEEN, HANDED, LOADED, COPY, WORDS = range(10)


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
    """Commit the motion of a tick, for the command that is about to be published; False if a supervisor has claimed it
    since `take_over`: the command must be withheld. The heartbeat must have been written before."""
    c = i64(context, WORDS)
    fence()
    if load_acquire(c[SHARED] + 8 * TAKEN) != c[SEEN]:
        return False
    number = load_i64(c[SHARED] + 8 * COMMITTED) + 1
    place, parts = _place(c, number % 2), i64(c[PARTS], 2 * c[N_PARTS])
    head = i64(place, HEAD)
    head[WHEN], head[BASE], head[BEGUN] = when, 0, load_i64(c[BEGUN_AT])
    place += 8 * HEAD
    for k in range(c[N_PARTS]):
        _copy(place, parts[2 * k], parts[2 * k + 1])
        place += 8 * parts[2 * k + 1]
    store_release(c[SHARED] + 8 * COMMITTED, number)
    return True


@register_jitable
def take_over(context):
    """Go on from where a supervisor has come to, if it has commanded; returns the time of its last command, 0: none.
    The heartbeat must have been written before."""
    c = i64(context, WORDS)
    fence()
    taken, seen = load_acquire(c[SHARED] + 8 * TAKEN), c[SEEN]
    if taken == seen:
        return c[HANDED]
    while taken != seen:  # until nothing was written meanwhile
        seen = taken
        _copy(c[COPY], _place(c, THEIRS + seen % 2), c[MOTION])
        fence()
        taken = load_acquire(c[SHARED] + 8 * TAKEN)
    c[SEEN] = seen
    head, parts = i64(c[COPY], HEAD), i64(c[PARTS], 2 * c[N_PARTS])
    if head[BASE] == load_i64(c[SHARED] + 8 * COMMITTED):  # else it was claimed too late, and not published
        c[HANDED] = head[WHEN]
        c[LOADED] += 1
        at = c[COPY] + 8 * HEAD
        for k in range(c[N_PARTS]):
            _copy(parts[2 * k], at, parts[2 * k + 1])
            at += 8 * parts[2 * k + 1]
    return c[HANDED]


def _row(program: Program) -> dict[str, Any]:
    """The operands of the guard, which is the last operation of every controller."""
    return dict(zip(guard.words, program.operations[-1].operands, strict=True))


def parts_of(program: Program) -> list[Place]:
    """The parts of the state that are the motion of the commands: float64 each."""
    row = _row(program)
    return [row[name] for name in ("previous", "step", "ring") if isinstance(row[name], Place)]


def go_on_from(bound: Bound, words: np.ndarray) -> None:
    """Let a bound go on from a motion that was handed over: int64 words, without a head.

    Raises ProgramError for one that is of another controller, or beyond the limits. Not while a loop runs.
    """
    parts, state = parts_of(bound.program), bound.state.copy()
    if words.shape != (motion_words(bound.program) - HEAD,):
        raise ProgramError(f"a motion of {words.size} words: this Program's has {motion_words(bound.program) - HEAD}")
    at = 0
    for part in parts:
        view = part.view(state).reshape(-1).view(np.int64)
        view[:] = words[at : at + view.size]
        at += view.size
    bound.restore(state)


def motion_words(program: Program) -> int:
    """Words of a motion, head included."""
    return HEAD + sum(part.n_bytes // 8 for part in parts_of(program))


class Handover:
    """A controller's end of the memory that it shares with its supervisor.

    memory : (`shared_motion.words_of`,) int64 zeros
    """

    def __init__(self, bound: Bound, memory: np.ndarray) -> None:
        self._program, self._memory = bound.program, memory
        row, parts = _row(bound.program), parts_of(bound.program)
        self._parts = np.array([(bound.address(part), part.n_bytes // 8) for part in parts], np.int64)
        self.motion = np.zeros(motion_words(bound.program), np.int64)
        begun = bound.address(row["words"]) + 8 * outputs.BEGUN
        self._block = np.array([
            memory.ctypes.data, self.motion.size, begun, self._parts.ctypes.data, len(parts), 0, 0, 0,
            self.motion.ctypes.data,
        ])  # fmt: skip
        self._keep, self.context = bound, int(self._block.ctypes.data)

    @classmethod
    def words_of(cls, bound: Bound) -> int:
        """Words of the memory for a controller."""
        return shared.words_of(motion_words(bound.program))

    def begin(self) -> None:
        """Commit the motion that the state has now. Not while the loop runs, nor the supervisor commands."""
        self._block[SEEN], self._block[HANDED] = read_word(self._word(TAKEN)), 0
        number = int(self._memory[COMMITTED]) + 1
        parts = [part.view(self._keep.state).reshape(-1).view(np.int64) for part in parts_of(self._program)]
        place = self._memory[PLACES + self.motion.size * (number % 2) :][: self.motion.size]
        place[:] = np.concatenate([np.zeros(HEAD, np.int64), *parts])
        write_word(self._word(COMMITTED), number)

    def _word(self, word: int) -> int:
        return int(self._memory.ctypes.data) + 8 * word

    def told(self) -> dict[str, Any]:
        """What `ros.continued.Continued` takes, as JSON allows it: the guard's limits, in units of a period."""
        row, constants = _row(self._program), self._program.constants
        m, longest = row["m"], row["longest"]
        limits = LIMITS.rows_of(row["limits"].view(constants).reshape(-1).view(np.uint8), m)
        found = {name: side.tolist() for name, side in limits._asdict().items()}
        found |= {"way": row["way"].view(constants).tolist(), "longest": longest}
        found |= {"windows": row["windows"].view(constants).tolist() if longest else []}
        return found | {"step": isinstance(row["step"], Place)}
