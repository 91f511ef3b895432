"""The exceptions of snn_control, and helpers for their messages.

::

    SnnControlError
    ├── DescriptionError      a network, encoder, decoder or controller file is wrong: path, value, rule, fix
    │   └── BuildError        a valid description cannot be compiled to a Program
    ├── ProgramError          a saved Program or state is damaged or does not fit (schema, hash, size)
    ├── InputError            an input value for a running controller has the wrong shape or type
    └── RuntimeFault          a fault of the running system (missing rights, missing topic, time-out)

`CacheWarning` is a warning: it says why a program starts slowly, and how to make it start faster.

The message of a DescriptionError is one line: ``path = value: rule; fix``, or ``path: rule; fix`` if there is no value.
The command line prints the message of an exception and exits with code 2, or with code 1 for a RuntimeFault.
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
    """Base class of all exceptions of snn_control."""


class DescriptionError(SnnControlError, ValueError):
    """Raised if a description, such as a controller file, breaks a rule.

    Parameters
    ----------
    path : path of the value in the description, e.g. ``inputs.camera.size[0]``
    value : the wrong value; `NO_VALUE` if there is none
    rule : the broken rule, e.g. "must be > 0"
    fix : advice how to correct the value (optional)
    """

    def __init__(self, path: str, value: Any, rule: str, fix: str = "") -> None:
        self.path, self.value, self.rule, self.fix = path, value, rule, fix
        most = 250 if isinstance(value, str) else 80  # file names are not cut
        shown = "" if value is NO_VALUE else " = " + in_line(repr(value), most)
        where = path if path.isprintable() else in_line(path)
        super().__init__(f"{where}{shown}: {in_line(rule)}" + (f"; {in_line(fix)}" if fix else ""))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let pickle recreate the exception in another process."""
        return type(self), (self.path, self.value, self.rule, self.fix)

    def within(self, prefix: str) -> DescriptionError:
        """Return a copy of this exception with the path ``prefix.path``."""
        return type(self)(f"{prefix}.{self.path}" if self.path else prefix, self.value, self.rule, self.fix)

    def in_file(self, file: str) -> DescriptionError:
        """Return a copy of this exception with the name of the file before its path, unless the name is empty."""
        return type(self)(f"{file}: {self.path}", self.value, self.rule, self.fix) if file else self


@contextmanager
def within(prefix: str, *whole: str) -> Iterator[None]:
    """Context that puts ``prefix`` before the path of any DescriptionError raised inside.

    whole : beginnings of complete paths, which remain unchanged
    """
    try:
        yield
    except DescriptionError as error:
        raise (error if error.path.startswith(whole) else error.within(prefix)) from None


@contextmanager
def in_file(file: str, *whole: str) -> Iterator[None]:
    """Context that puts the name of a file before the path of any DescriptionError raised inside.

    whole : beginnings of complete paths, which remain unchanged
    """
    try:
        yield
    except DescriptionError as error:
        raise (error if error.path.startswith(whole) else error.in_file(file)) from None


class BuildError(DescriptionError):
    """Raised if a valid description cannot be compiled to a Program."""


class ProgramError(SnnControlError):
    """Raised if a saved Program or state is damaged, or does not fit the installed version or the controller."""


class InputError(SnnControlError, ValueError):
    """Raised if an input value for a running controller has the wrong name, shape or type."""


class RuntimeFault(SnnControlError, RuntimeError):
    """Raised for a fault of the running system, such as a missing ROS topic or a time-out."""


class CacheWarning(UserWarning):
    """Warning that the cache of compiled code could not be read or written, so that functions are compiled again."""


def in_line(text: str, most: int = 1000) -> str:
    """Return a text on one line, cut after ``most`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most] + "..."


def message_of(error: BaseException) -> str:
    """Return the message of an exception on one line; without a message, return the exception's type and origin."""
    return in_line(str(error)) or describe_exception(error)


def describe_exception(error: BaseException) -> str:
    """Return an exception's type, message, file and line on one line."""
    text, frames = in_line(str(error), 300), traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{text and ': '}{text}{where}"


def how_to_install(extra: str) -> str:
    """Return a text with the command that installs the optional dependencies of an extra of snn_control."""
    return f"pip install '.[{extra}]' in a checkout, else 'snn_control[{extra}]'"


def optional(module: str, need: str, extra: str, fault: type[SnnControlError] = SnnControlError) -> Any:
    """Import a module of an optional dependency and return it. If the module is missing, raise ``fault``.

    need : reason for the message, e.g. "a report needs Jinja2"
    extra : extra of snn_control that installs the module; the message contains the command
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise fault(f"{need}: {how_to_install(extra)}") from error


def nearest(word: Any, known: Any) -> str:
    """Return a hint for an unknown word: ``did you mean 'x'?`` with a similar known word, or all known words."""
    known = [str(k) for k in known]
    return close_match(word, known) or f"known: {', '.join(known)}"


def close_match(word: Any, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` with the most similar known word, or an empty text if no known word is similar.

    The case of letters is ignored. A part of a word also matches: 'rate' matches 'learning_rate'.
    """
    names, text = {one.lower(): one for one in known}, str(word).lower()
    close = difflib.get_close_matches(text, names, 1) or [k for k in names if text in k.split("_")]
    return f"did you mean '{names[close[0]]}'?" if close else ""


def counted(n: int, word: str = "number", shown: str = "") -> str:
    """Return a count with its noun, e.g. ``1 number`` or ``3,000 numbers``.

    shown : text that replaces the formatted count
    """
    return f"{shown or f'{n:,}'} {word}" + ("" if n == 1 else "s")
