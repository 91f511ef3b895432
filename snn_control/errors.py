"""Errors of snn_control, and helpers for their messages.

::

    SnnControlError
    ├── DescriptionError      a network, encoder, decoder or controller file is wrong: path, value, rule, fix
    │   └── BuildError        the description by itself is right but cannot become a Program
    ├── ProgramError          a saved Program or State does not fit (schema, hash, size)
    ├── InputError            a value given to a running controller has the wrong shape or type
    └── RuntimeFault          a fault that only a running system shows (no rights, no topic, a time-out)

`CacheWarning` is not an error: it says why the start of a program is slow, and how to make the start faster.

A message is one line: ``path = value: rule; fix``, or without ``= value`` if there is no value. The command line prints
it and exits with code 2, or with 1 for a RuntimeFault.
"""

from __future__ import annotations

import difflib
import importlib
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "NO_VALUE", "BuildError", "CacheWarning", "DescriptionError", "InputError", "ProgramError", "RuntimeFault",
    "SnnControlError", "close_match", "counted", "describe_exception", "how_to_install", "in_file", "in_line",
    "message_of", "nearest", "within",
]  # fmt: skip

#: value of an error about something that is missing or cannot be read
NO_VALUE: Any = ...  # a singleton, also after pickling


class SnnControlError(Exception):
    """Base of all errors of this package."""


class DescriptionError(SnnControlError, ValueError):
    """Raised if a description, such as a controller file, breaks a rule.

    Parameters
    ----------
    path : place of the value, e.g. ``inputs.camera.size[0]``
    value : the value; `NO_VALUE` if there is none
    rule : what must hold
    fix : how to correct the value (optional)
    """

    def __init__(self, path: str, value: Any, rule: str, fix: str = "") -> None:
        self.path, self.value, self.rule, self.fix = path, value, rule, fix
        most = 250 if isinstance(value, str) else 80  # file names are not cut
        shown = "" if value is NO_VALUE else " = " + in_line(repr(value), most)
        where = path if path.isprintable() else in_line(path)
        super().__init__(f"{where}{shown}: {in_line(rule)}" + (f"; {in_line(fix)}" if fix else ""))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let pickle rebuild the error in another process."""
        return type(self), (self.path, self.value, self.rule, self.fix)

    def within(self, prefix: str) -> DescriptionError:
        """Return this error with ``prefix`` before its path: ``prefix.path``."""
        return type(self)(f"{prefix}.{self.path}" if self.path else prefix, self.value, self.rule, self.fix)

    def in_file(self, file: str) -> DescriptionError:
        """Return this error with the name of the file before its path. If the name is empty, change nothing."""
        return type(self)(f"{file}: {self.path}", self.value, self.rule, self.fix) if file else self


@contextmanager
def within(prefix: str, *whole: str) -> Iterator[None]:
    """Put ``prefix`` before the path of each DescriptionError raised in this context, unless the path already starts
    with one of ``whole``."""
    try:
        yield
    except DescriptionError as error:
        raise (error if error.path.startswith(whole) else error.within(prefix)) from None


@contextmanager
def in_file(file: str, *whole: str) -> Iterator[None]:
    """Put ``file`` before the path of each DescriptionError raised in this context, unless the path already starts with
    one of ``whole``."""
    try:
        yield
    except DescriptionError as error:
        raise (error if error.path.startswith(whole) else error.in_file(file)) from None


class BuildError(DescriptionError):
    """Raised if a description cannot be compiled into a Program."""


class ProgramError(SnnControlError):
    """Raised if a saved Program or State cannot be used here."""


class InputError(SnnControlError, ValueError):
    """Raised if an input given to a controller has the wrong name, shape or type."""


class RuntimeFault(SnnControlError, RuntimeError):
    """Raised for a fault that only a running system can have, e.g. a missing topic or a time-out."""


class CacheWarning(UserWarning):
    """Warning that the cache of compiled code could not be read or written, so that code was compiled again."""


def in_line(text: str, most: int = 1000) -> str:
    """Put a text on one line and cut it to ``most`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most] + "..."


def message_of(error: BaseException) -> str:
    """Return an exception's message on one line; if it has no message, return its type and origin."""
    return in_line(str(error)) or describe_exception(error)


def describe_exception(error: BaseException) -> str:
    """Return an exception's type, message, file and line on one line."""
    text, frames = in_line(str(error), 300), traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{text and ': '}{text}{where}"


def how_to_install(extra: str) -> str:
    """Return the command that installs an optional dependency."""
    return f"pip install '.[{extra}]' in a checkout, else 'snn_control[{extra}]'"


def optional(module: str, need: str, extra: str, fault: type[SnnControlError] = SnnControlError) -> Any:
    """Import a module of an optional dependency; if it is missing, raise ``fault`` with the command that installs it.

    need : reason in the message, e.g. "a report needs Jinja2"
    extra : extra of snn_control that installs the module
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise fault(f"{need}: {how_to_install(extra)}") from error


def nearest(word: Any, known: Any) -> str:
    """Return a hint for an unknown word: ``did you mean 'x'?`` if one is similar, otherwise the known words."""
    known = [str(k) for k in known]
    return close_match(word, known) or f"known: {', '.join(known)}"


def close_match(word: Any, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?``, or an empty text if no word is similar.

    Case is ignored, and 'rate' also matches 'learning_rate'.
    """
    names, text = {one.lower(): one for one in known}, str(word).lower()
    close = difflib.get_close_matches(text, names, 1) or [k for k in names if text in k.split("_")]
    return f"did you mean '{names[close[0]]}'?" if close else ""


def counted(n: int, word: str = "number", shown: str = "") -> str:
    """Return a count with its noun, e.g. ``1 number`` or ``3,000 numbers``; ``shown`` replaces the formatted count."""
    return f"{shown or f'{n:,}'} {word}" + ("" if n == 1 else "s")
