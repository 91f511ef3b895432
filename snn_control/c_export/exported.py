"""A Program prepared for export to C, with the C names of its arrays, inputs, outputs and learning rules."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.control_words import LEARNING, SWITCH_WORDS
from ..engine.facts import InputFacts
from ..engine.program import STATE, Program
from .arrays import Arrays, CArray, identifier, unique
from .literals import comment

__all__ = ["Exported", "Input", "Output", "Rule"]


@dataclass(frozen=True)
class Input:
    """An input with its C name. ``timed`` is true if the C code needs the times of the input's events."""

    name: str
    facts: InputFacts
    timed: bool


@dataclass(frozen=True)
class Output:
    """An output with its C name; ``first`` is the index of the output's first number in the array of all commands."""

    name: str
    first: int
    size: int
    unit: str


@dataclass(frozen=True)
class Rule:
    """A learning rule with its C name, and the indices of its switch in the engine's control words.

    asked : index in ``control``, to which a program writes requests
    taken : index in ``controlled``, to which the tick copies the requests
    """

    name: str
    asked: int
    taken: int


FUNCTIONS = ("init", "reset", "forget", "elapsed", "step", "status", "stop", "release", "selftest", "selftest_in")
INNER_FUNCTIONS = ("begin_network", "begin_weights", "take_control", "tick")
INPUT_FUNCTIONS = ("set", "event", "alive", "age")


class Exported:
    """A Program prepared for export to C.

    name : C identifier, the prefix of all names in C
    title : text on the origin of the controller, for the head of each file
    arrays : the Program's arrays; none has the name of a function or of another member of the struct
    """

    def __init__(self, program: Program, name: str, title: str) -> None:
        self.program, self.name, self.title = program, name, comment(title)
        inputs = [f"{verb}_{one}" for verb in INPUT_FUNCTIONS for one in self._input_names]
        outputs = [f"command_{one.name}" for one in self.outputs]
        rules = [f"learn_{one.name}" for one in self.rules]
        own = {*FUNCTIONS, *INNER_FUNCTIONS, *inputs, *outputs, *rules, "none"}
        self.arrays = Arrays(program, own)

    @property
    def big(self) -> str:
        return self.name.upper()

    @functools.cached_property
    def inputs(self) -> list[Input]:
        places = [one.place for one in self.arrays.members]
        facts, names = self.program.facts.inputs, self.program.names
        return [
            Input(name, one, one.kind == "events" and names[f"{one.name}.t"] in places)
            for one, name in zip(facts, self._input_names, strict=True)
        ]

    @functools.cached_property
    def _input_names(self) -> list[str]:
        """The inputs' C names; none makes a macro such as ``COMMAND_U_SIZE`` that an output has."""
        return _names(self.program.facts.inputs, [f"command_{one.name}" for one in self.outputs])

    @functools.cached_property
    def outputs(self) -> list[Output]:
        found, first = [], 0
        facts = self.program.facts.outputs
        for one, name in zip(facts, _names(facts), strict=True):
            found.append(Output(name, first, one.size, comment(one.unit)))
            first += one.size
        return found

    @functools.cached_property
    def rules(self) -> list[Rule]:
        names = _names(self.program.facts.learning)
        return [Rule(name, LEARNING + k, LEARNING + SWITCH_WORDS * k) for k, name in enumerate(names)]

    @property
    def commands_at(self) -> int:
        """Offset in the struct of the commands as float, which follow the engine's arrays [bytes]."""
        return self.arrays.n_bytes

    @property
    def struct_bytes(self) -> int:
        """Size of the struct [bytes]: the engine's arrays, the commands as float, and the status."""
        return -(-(self.commands_at + 4 * sum(one.size for one in self.outputs) + 4) // 8) * 8

    @functools.cached_property
    def network(self) -> list[CArray]:
        """Members of the struct that a restart resets, without learned weights."""
        ranges = self.program.names["restarts"].view(self.program.constants).tolist()
        return [a for a in self.arrays.members if a not in self.learned and self.arrays.is_within(a, ranges)]

    @functools.cached_property
    def learned(self) -> list[CArray]:
        """Members of the struct that contain learned weights."""
        places = [self.program.names[f"{rule.title}.weights"] for rule in self.program.facts.learning]
        starts = [place.offset for place in places if place.n_bytes]
        return [a for a in self.arrays.members if a.place.kind == STATE and a.place.offset in starts]

    @property
    def others(self) -> list[CArray]:
        return [a for a in self.arrays.members if a not in self.network and a not in self.learned]

    def member(self, name: str) -> str:
        """Return the C expression for the struct member of the engine's array ``name``, such as ``s->clock``."""
        return f"s->{self.arrays.named(name).name}"


def _names(things: Sequence[Any], taken: Sequence[str] = ()) -> list[str]:
    """Return a C name for each object's ``name``: unique and not in ``taken``, also in upper case, as macros need."""
    used = {name.upper() for name in taken}
    return [unique(identifier(one.name), used, str.upper) for one in things]
