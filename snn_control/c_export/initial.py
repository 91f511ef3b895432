"""The initial state in C: statements that set members of the struct, and the constants for these statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .arrays import ELEMENTS, PAIR, CArray
from .exported import Exported
from .literals import array, values

__all__ = ["Initial", "texts"]


def texts(c_type: str, numbers: np.ndarray) -> list[str]:
    """Return each element of an array as a C initialiser.

    c_type : C type of the array
    """
    if c_type != PAIR:
        return values(np.ascontiguousarray(numbers))
    pairs = np.ascontiguousarray(numbers).reshape(-1).view("<u4").reshape(-1, 2)
    weights = values(np.ascontiguousarray(pairs[:, 1]).view("<f4"))
    return [f"{{{target}, {weight}}}" for target, weight in zip(pairs[:, 0].tolist(), weights, strict=True)]


class Initial:
    """The initial contents of the struct's members.

    tables : name of a member -> initial contents, for the members whose numbers are not all equal
    """

    def __init__(self, exported: Exported) -> None:
        self._name = exported.name
        image = exported.arrays.image()
        self._given = {
            one.name: image[one.at : one.at + one.n_bytes].view("|u1" if one.ring else _dtype(one))
            for one in exported.arrays.members
        }
        self._members = {one.name: one for one in exported.arrays.members}
        self.tables = {
            name: given for name, given in self._given.items()
            if _varied(given) or (self._members[name].c_type == PAIR and given.any())
        }  # fmt: skip

    def constants(self) -> Iterator[str]:
        """Yield the C definitions of the constant arrays with the contents of ``tables``."""
        for name, given in self.tables.items():
            one = self._members[name]
            yield array(f"static const {one.c_type} {self._name}_{name}_0[{one.count}]", texts(one.c_type, given))

    @property
    def n_bytes(self) -> int:
        return sum(given.nbytes for given in self.tables.values())

    def begin(self, members: Sequence[CArray]) -> list[str]:
        """Return the C statements that set members to their initial contents; all bytes of the members must be 0."""
        lines = []
        for one in members:
            given = self._given[one.name]
            if not given.any():
                continue
            table = one.name in self.tables
            value = f"{self._name}_{one.name}_0[i]" if table else values(given[:1])[0]
            if one.count == 1:
                lines.append(f"s->{one.name}[0] = {value.replace('[i]', '[0]')};")
            else:
                lines.append(f"for (i = 0; i < {one.count}; i++) s->{one.name}[i] = {value};")
        return lines


def clear(members: Sequence[CArray]) -> list[str]:
    """Return the C statements that set members to 0, one statement for each run of adjacent members."""
    runs: list[list[int]] = []
    for one in members:
        if runs and sum(runs[-1]) == one.at:
            runs[-1][1] += one.n_bytes
        else:
            runs.append([one.at, one.n_bytes])
    return [f"snn_zero((unsigned char *)s + {at}, {n_bytes});" for at, n_bytes in runs]


def _dtype(one: CArray) -> str:
    return "<u8" if one.c_type == PAIR else ELEMENTS[one.c_type]


def _varied(given: np.ndarray) -> bool:
    words = given.view(f"u{given.dtype.itemsize}")
    return bool((words != words[:1]).any())
