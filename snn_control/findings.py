"""Findings: results of checks of a controller, a training run or a computer, each with advice on what to do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ERROR", "NOTE", "OK", "WARNING", "Finding", "warning"]

OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """One finding: where it is, how severe it is, and what to do.

    path : the place in the controller file, or the name of what was examined
    level : `OK`, `NOTE` (the finding does no harm, or cannot be changed), `WARNING`, or `ERROR` (what was examined does
        not work)
    text : what was found
    fix : advice, or the command that applies the advice; may be empty
    """

    path: str
    level: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.text, self.fix) if part)


def warning(path: str, text: str, fix: str = "") -> Finding:
    """Return a finding of level `WARNING`."""
    return Finding(path, WARNING, text, fix)
