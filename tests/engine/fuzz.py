"""Changed Programs and changed states: ``python -m tests.engine.fuzz [PROGRAMS] [STATES] [--seed N] [--planted]``.

Of a controller in which every kernel runs, rows, names and facts are changed as a damaged or made-up file may have
them, and words of its state. What is not refused runs for a while, in a process of its own, its blocks between pages
that can be neither read nor written: nothing may touch these, and no command may be beyond the guard's limits. Set
NUMBA_BOUNDSCHECK=1 and an empty SNN_CONTROL_CACHE to have every index checked too. ``--planted`` lets rows go
unchecked, which such a run must find.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import dataclasses
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from snn_control.controller import Controller, batch
from snn_control.engine import bound, program
from snn_control.engine.build import layout
from snn_control.engine.kernels.guard import guard
from snn_control.engine.program import Place, Program
from snn_control.engine.registry import builtin
from snn_control.errors import SnnControlError
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.record.input_recorder import InputLogRecorder
from tests.engine import zoo

TICKS = 20
GAP = 64 << 20  # bytes on both sides of a block
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
FINE, BEYOND, ESCAPED, RAISED = 0, 3, 4, 5  # how a child ends
SAYS = {BEYOND: "a command beyond its limits", ESCAPED: "an index beyond its array", RAISED: "an exception"}


class _Pages:
    """Memory mapped from the system, unmapped when the last array over it is deleted."""

    def __init__(self, n_bytes: int) -> None:
        self.n = 2 * GAP + -(-n_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        private, anonymous, no_reserve = 0x02, 0x20, 0x4000
        self.start = LIBC.mmap(None, self.n, 0, private | anonymous | no_reserve, -1, 0)
        end = self.start + self.n - GAP
        assert not LIBC.mprotect(self.start + GAP, self.n - 2 * GAP, mmap.PROT_READ | mmap.PROT_WRITE)
        first = end - -(-n_bytes // program.ALIGN) * program.ALIGN
        self.__array_interface__ = {"shape": (n_bytes,), "typestr": "|u1", "data": (first, False), "version": 3}

    def __del__(self) -> None:
        LIBC.munmap(self.start, self.n)


def guarded(n_bytes: int) -> np.ndarray:
    """`snn_control.engine.program.aligned`, right before a page that nobody may touch."""
    return np.asarray(_Pages(n_bytes)) if n_bytes else np.zeros(0, np.uint8)


# changes -------------------------------------------------------------------------------------------------------
def _pick(rng: np.random.Generator, choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def other_number(rng: np.random.Generator, v: int) -> int:
    found = (v - 1, v + 1, 2 * v, v // 2, 0, 1, -1, v + 64, v - 64, 1 << 31, 1 << 20, 2 * v + 1, 63, 64, v + 2, -v)
    return int(_pick(rng, found))


def other_place(rng: np.random.Generator, place: Place, places: list[Place]) -> Place | int:
    r, kind, shape = rng.random(), place.kind, list(place.shape)
    if r < 0.3:
        return _pick(rng, [p for p in places if p.kind == kind])
    if r < 0.6:
        moved = place.offset + _pick(rng, (-64, -8, -4, 4, 8, 64, 128, -128, 256))
        return dataclasses.replace(place, offset=max(0, moved))
    if r < 0.8 and shape:
        k = int(rng.integers(len(shape)))
        shape[k] = max(0, shape[k] + _pick(rng, (-1, 1, 2, -2, 64)))
        return dataclasses.replace(place, shape=tuple(shape))
    return _pick(rng, (0, 1, dataclasses.replace(place, kind=int(rng.integers(1, 4))), _pick(rng, places)))


def changed_rows(rng: np.random.Generator, one: Program) -> Program:
    """Change one to three operands."""
    operations = list(one.operations)
    places = [w for o in operations for w in o.operands if isinstance(w, Place)]
    for _ in range(_pick(rng, (1, 1, 1, 2, 3))):
        i = int(rng.integers(len(operations)))
        words = list(operations[i].operands)
        j = int(rng.integers(len(words)))
        word = words[j]
        words[j] = other_place(rng, word, places) if isinstance(word, Place) else other_number(rng, word)
        operations[i] = dataclasses.replace(operations[i], operands=tuple(words))
    return dataclasses.replace(one, operations=tuple(operations))


def changed_order(rng: np.random.Generator, one: Program) -> Program:
    """Remove a row, duplicate it, or swap it with another one of its section."""
    operations = list(one.operations)
    i, j = (int(k) for k in rng.integers(len(operations), size=2))
    how = rng.random()
    if how < 0.4:
        del operations[i]
    elif how < 0.6:
        operations.insert(i, operations[i])
    else:
        same = [k for k, o in enumerate(operations) if o.section == operations[i].section]
        j = same[j % len(same)]
        operations[i], operations[j] = operations[j], operations[i]
    return dataclasses.replace(one, operations=tuple(operations))


def changed_names(rng: np.random.Generator, one: Program) -> Program:
    """Change the place of a name."""
    names, name = dict(one.names), _pick(rng, sorted(one.names))
    places = [w for o in one.operations for w in o.operands if isinstance(w, Place)]
    place = other_place(rng, names[name], places)
    if not isinstance(place, Place) or rng.random() < 0.3:  # of the form that it must have, in the wrong place
        place = dataclasses.replace(names[name], offset=_pick(rng, places).offset)
    return dataclasses.replace(one, names=names | {name: place})


def changed_facts(rng: np.random.Generator, one: Program) -> Program:
    """Change a number of the facts, or move a value from one entry to another."""
    key = _pick(rng, ("inputs", "outputs", "populations", "learning"))
    entries = list(getattr(one.facts, key))
    k = int(rng.integers(0, len(entries)))
    field = _pick(rng, sorted(f.name for f in dataclasses.fields(entries[k])))
    value = getattr(entries[k], field)
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.7:
        value = other_number(rng, value)
    else:
        value = _pick(rng, [getattr(e, field) for e in entries] + [None, [], "x"])
    entries[k] = dataclasses.replace(entries[k], **{field: value})
    return dataclasses.replace(one, facts=dataclasses.replace(one.facts, **{key: tuple(entries)}))


def changed_restarts(rng: np.random.Generator, one: Program) -> Program:
    """Change which parts of the state a restart resets."""
    constants = one.constants.copy()
    parts = one.names["restarts"].view(constants)
    for _ in range(_pick(rng, (1, 2, 3))):
        row, column = (int(rng.integers(n)) for n in parts.shape)
        move = _pick(rng, (8, -8, 64, -64, 1 << 20)) if rng.random() < 0.8 else other_number(rng, 1)
        parts[row, column] = np.int64(np.clip(int(parts[row, column]) + move, -(2**63), 2**63 - 1))
    return dataclasses.replace(one, constants=constants)


def changed(rng: np.random.Generator, one: Program) -> Program:
    ways = (changed_rows, changed_order, changed_names, changed_facts, changed_restarts)
    return ways[int(rng.choice(5, p=(0.6, 0.1, 0.1, 0.1, 0.1)))](rng, one)


def changed_state(rng: np.random.Generator, one: Controller) -> np.ndarray:
    """Change some words of a state: to large, non-finite or negative numbers, or to all ones."""
    one.reset()
    for k in range(int(rng.integers(1, 4))):
        one.step(observation(rng, one, k))
    state = one.state()
    body = state[one._mark.size :]
    ends = [(body.size - 8 * len(one.inputs), body.size)]  # of the ages
    for place in (one.program.names[n] for n in ("guard", "motion", "clock", "validity")):
        ends.append((place.offset, place.offset + place.n_bytes))
    for _ in range(_pick(rng, (1, 2, 5, 20))):
        first, end = _pick(rng, ends) if rng.random() < 0.2 else (0, body.size)
        at = first + 8 * int(rng.integers((end - first) // 8))
        words = (
            np.array([rng.integers(-(2**63), 2**63 - 1)]), np.array([2**63 - 1]), np.array([-(2**63)]), np.array([-1]),
            np.array([np.nan]), np.array([1e300]), np.array([np.inf, -np.inf], np.float32), np.array([1, 1], np.uint32),
            np.array([1e30, -1e38], np.float32), rng.integers(0, 256, 8).astype(np.uint8),
        )  # fmt: skip
        body[at : at + 8] = _pick(rng, words).view(np.uint8)
    return state


# running -------------------------------------------------------------------------------------------------------
def observation(rng: np.random.Generator, one: Controller, k: int) -> dict[str, Any]:
    """Possible inputs, with events out of the frame among them; sometimes nothing."""
    given: dict[str, Any] = {}
    for name, fact in one.inputs.items():
        if rng.random() < 0.1:
            continue
        if fact.kind == "value":
            given[name] = rng.normal(size=fact.size)
        else:
            n, (w, h) = int(rng.integers(0, 120)), fact.size
            t = np.sort(rng.integers(0, 1_000_000, n)) + 1_000_000 * k
            given[name] = (t, rng.integers(0, w + 3, n), rng.integers(0, h + 3, n), rng.integers(0, 2, n))
    return given


def run(one: Controller, seed: int) -> int:
    """Tick, record and check; returns what was wrong."""
    rng, wrong, escaped = np.random.default_rng(seed), FINE, []
    sys.unraisablehook = lambda what: escaped.append(what.exc_value)
    row, low, high = dict(zip(guard.words, one.program.operations[-1].operands)), 0, 0
    if isinstance(row["limits"], Place):
        low, high = row["limits"].view(one.bound.constants).reshape(-1)[: 2 * row["m"]].reshape(2, -1)
    command = one.bound.array("command")
    most = max((i.capacity for i in one.inputs.values() if i.kind == "events"), default=1)
    one.observers = [ActivityRecorder(one.bound, 7, 50), InputLogRecorder(one.bound, 7, most)]
    for k in range(TICKS):
        for ask in (one.restart, one.release):
            if rng.random() < 0.3:
                ask()
        one.step(observation(rng, one, k))
        if not (np.isfinite(command).all() and (low <= command).all() and (command <= high).all()):
            wrong = BEYOND
    for population in one.program.facts.populations:
        if population.spiking:
            one.raster(population.name)
    return ESCAPED if escaped else wrong


def in_a_child(call: Callable[[], int]) -> str:
    """How ``call`` ended."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(30)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os._exit(call())
        except SnnControlError:
            os._exit(FINE)
        except BaseException:
            os._exit(RAISED)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return SAYS.get(os.WEXITSTATUS(status), "ran")


def difference(one: Program, other: Program) -> str:
    """What was changed, in words."""
    rows = [
        f"{a.kernel} of {a.label}, operand {k}: {u} -> {v}"
        for a, b in zip(one.operations, other.operations)
        for k, (u, v) in enumerate(zip(a.operands, b.operands))
        if a.kernel == b.kernel and u != v
    ]
    names = [f"{n}: {p} -> {other.names[n]}" for n, p in one.names.items() if other.names[n] != p]
    facts = [f"{a} -> {b}" for k in ("inputs", "outputs", "populations", "learning")
             for a, b in zip(getattr(one.facts, k), getattr(other.facts, k)) if a != b]  # fmt: skip
    return "; ".join(rows[:6] + names + facts) or "another order"


def programs(rng: np.random.Generator, n: int, planted: bool) -> collections.Counter[str]:
    one, found = zoo.program(), collections.Counter[str]()
    assert {o.kernel for o in one.operations} == set(builtin("kernels")), "every kernel must be there"
    for _ in range(n):
        other = (changed_rows if planted else changed)(rng, one)
        try:
            controller = Controller(other)
        except SnnControlError:
            found["refused"] += 1
            continue
        except Exception as error:
            end = f"{type(error).__name__} in the place of a refusal: {error}"
        else:
            end = in_a_child(lambda c=controller: run(c, int(rng.integers(1 << 30))))
        found[end] += 1
        if end != "ran":
            print(f"{end}: {difference(one, other)}", flush=True)
            if planted:
                break
    return found


def states(rng: np.random.Generator, n: int) -> collections.Counter[str]:
    one, found = Controller(zoo.program()), collections.Counter[str]()
    for k in range(n):
        state = changed_state(rng, one)
        try:
            one.restore(state)
        except SnnControlError:
            found["refused"] += 1
            continue
        end = in_a_child(lambda: run(one, int(rng.integers(1 << 30))))
        found[end] += 1
        if end != "ran":
            print(f"{end}: state {k}", flush=True)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="?", type=int, default=20_000)
    parser.add_argument("states", nargs="?", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--planted", action="store_true")
    options = parser.parse_args(arguments)
    program.aligned = bound.aligned = layout.aligned = batch.aligned = guarded  # type: ignore[attr-defined]
    if options.planted:
        bound.check_rows = lambda *blocks: None
    rng, begin, wrong = np.random.default_rng(options.seed), time.monotonic(), 0
    assert run(Controller(zoo.program()), 0) == FINE  # and all is compiled before a child needs it
    for what, call in (
        ("programs", lambda: programs(rng, options.programs, options.planted)),
        ("states", lambda: states(rng, options.states)),
    ):
        found = call()
        wrong += sum(count for end, count in found.items() if end not in ("ran", "refused"))
        print(f"{sum(found.values()):,} changed {what}: {dict(found)}, {time.monotonic() - begin:.0f} s", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
