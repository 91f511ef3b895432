"""Findings: results of checks of a controller, a training run or a computer, each with advice on what to do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ERROR", "NOTE", "OK", "WARNING", "Finding", "warning"]

OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """One finding: its location, its severity, its text and advice.

    path : path in the controller file, or name of the examined item
    level : `OK`, `NOTE` (harmless, or cannot be changed), `WARNING`, or `ERROR` (the examined item does not work)
    text : description of the finding
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
