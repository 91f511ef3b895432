"""Findings: what was found about a controller, a training or a computer, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ERROR", "NOTE", "OK", "WARNING", "Finding", "warning"]

OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """One finding.

    path : the place in the controller file, or the name of what was examined
    level : `OK`; `NOTE`, which costs nothing or cannot be changed; `WARNING`; `ERROR`: it does not work so
    text : what was found
    fix : what to do, or the command that does it; may be empty
    """

    path: str
    level: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.text, self.fix) if part)


def warning(path: str, text: str, fix: str = "") -> Finding:
    """A finding of level `WARNING`."""
    return Finding(path, WARNING, text, fix)
