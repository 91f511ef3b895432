"""Wrap a PyBullet physics client in an object (`Client`), and suppress the output of C code (`silent`)."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import weakref
from collections.abc import Iterator
from typing import Any

__all__ = ["Client", "pybullet", "silent"]


@contextlib.contextmanager
def silent(*descriptors: int) -> Iterator[None]:
    """Context manager that discards what C code prints, which would otherwise mix with a command's own output.

    descriptors : file descriptors to silence; by default standard output (1)
    """
    libc = ctypes.CDLL(None)
    sys.stdout.flush()
    libc.fflush(None)
    saved = {descriptor: os.dup(descriptor) for descriptor in descriptors or (1,)}
    with open(os.devnull, "wb") as sink:
        for descriptor in saved:
            os.dup2(sink.fileno(), descriptor)
    try:
        yield
    finally:
        libc.fflush(None)  # the buffer of C's stdout
        for descriptor, copy in saved.items():
            os.dup2(copy, descriptor)
            os.close(copy)


with silent(1, 2):  # its import prints to standard error
    import pybullet


def _disconnect(number: int) -> None:
    with contextlib.suppress(pybullet.error), silent(1):  # the EGL plugin prints when it is unloaded
        pybullet.disconnect(physicsClientId=number)


class Client:
    """A PyBullet physics client: its methods are PyBullet's functions without the argument ``physicsClientId``.

    `close` disconnects the client, and may be called repeatedly. Deleting the last reference to the client closes it
    too.

    number : id of the client in ``pybullet``
    """

    def __init__(self) -> None:
        with silent():
            self.number = pybullet.connect(pybullet.DIRECT)
        self.close = weakref.finalize(self, _disconnect, self.number)

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__[name] = functools.partial(getattr(pybullet, name), physicsClientId=self.number)
        return found
