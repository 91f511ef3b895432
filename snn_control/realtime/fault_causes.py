"""Describe in words why the guard replaces the network's commands by the safe command."""

from __future__ import annotations

from collections.abc import Iterable

from ..engine.bound import Bound
from ..engine.kernels import guard as guard_words
from ..engine.kernels.input_checks import VALID

__all__ = ["causes_now", "describe_causes"]


def describe_causes(reason: int, invalid: Iterable[str], stopped: Iterable[str]) -> str:
    """Return the causes of a fault as text, for messages to the operator.

    reason : causes as bits, see `engine.kernels.guard`
    invalid : names of the inputs that are invalid
    stopped : names of the inputs that stop the commands. The text marks an input that stops the commands because it is
        invalid as "silent"
    """
    stops, silent = list(stopped), set(invalid)
    told = [f"{one} (silent)" if one in silent else one for one in stops]
    words = {
        guard_words.INPUT_INVALID: f"invalid input: {', '.join(one for one in invalid if one not in stops)}",
        guard_words.STOP_INPUT: f"stopped by {', '.join(told)}",
        guard_words.OUTPUT_NOT_FINITE: "an output is not finite",
        guard_words.STOPPED: "the loop ends",
        guard_words.LATE: "a tick or its publication took too long",
        guard_words.OVERLOADED: "too many ticks were missed",
        guard_words.OPERATOR: "stopped by an operator",
    }
    return ", ".join(text for bit, text in words.items() if reason & bit)


def causes_now(bound: Bound, release: int) -> str:
    """Return a text that explains why the guard sends the safe command now.

    The text names the causes of the fault in the last tick. If these causes have gone, it names the condition that ends
    the fault: a number of valid ticks, or an operator's release.

    release : number of valid ticks that end a fault; 0: only an operator ends it
    """
    valid, inputs = bound.array("validity")[:, VALID], bound.program.facts.inputs
    bad = [i.name for i, good in zip(inputs, valid, strict=False) if (i.required or i.stop_when) and not good]
    waits = "waits for an operator's release" if release == 0 else "waits for valid ticks"
    stopped = _stopped(bound) if any(i.stop_when for i in inputs) else []
    return describe_causes(int(bound.array("guard")[guard_words.REASON]), bad, stopped) or waits


def _stopped(bound: Bound) -> list[str]:
    """Return the names of the inputs that stop the commands.

    A stop may last until an operator releases it. If the input itself no longer asks for the stop, a note after its
    name says so.
    """
    words, found = bound.array("stops"), []
    for k, one in enumerate(bound.program.facts.inputs[: guard_words.MOST_STOPS]):
        if words[guard_words.NOW] >> k & 1:
            found.append(one.name)
        elif words[guard_words.LATCHED] >> k & 1:
            found.append(f"{one.name} (until an operator's release)")
    return found
