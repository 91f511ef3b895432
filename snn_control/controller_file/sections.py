"""The sections of a controller file: ``inputs``, ``outputs``, ``network``."""

from __future__ import annotations

import re
from typing import Any

from ..coding import ArgmaxDecoder, Decoder, Input, Output
from ..errors import DescriptionError
from ..network import Network, Population, Projection
from .descriptions import read_fields, read_place, type_at
from .keys import INPUTS
from .reader import Reader

__all__ = ["read_input", "read_network", "read_output"]


def read_input(name: str, r: Reader) -> Input:
    """The input of a mapping with ``kind``; raises DescriptionError."""
    return read_fields(r, INPUTS[r.kind(INPUTS, "kind")], name=name)


def read_output(name: str, r: Reader) -> Output:
    """The output of a mapping; raises DescriptionError."""
    return read_fields(r, Output, name=name, decoder=_decoder(r))


def _decoder(r: Reader) -> tuple[Decoder, ...] | ArgmaxDecoder:
    """One decoder, a list of them, or the choice among their sums."""
    value = r.values.get("decoder")
    if isinstance(value, list):
        if not value:
            raise DescriptionError(r.at("decoder"), value, "must hold at least one decoder")
        return tuple(read_place(one, "decoders") for one in r.items("decoder"))
    inner = r.child("decoder")
    if inner.values.get("type") == "argmax":
        return read_place(inner, "argmax")
    return (read_fields(inner, type_at(inner, "decoders", "argmax")),)


def read_network(r: Reader, dt: float) -> Network:
    """The whole section, for a step of ``dt`` [s] where it is a NIR file's; raises DescriptionError."""
    if r.has("nir"):
        return _read_nir(r, dt)
    populations = tuple(read_fields(child, Population, name=name) for name, child in r.children("populations", {}))
    projections = tuple(_read_projection(child) for child in r.items("projections"))
    return r.make(Network, populations=populations, projections=projections)


def _read_projection(r: Reader) -> Projection:
    given: dict[str, Any] = {}
    if not isinstance(r.values.get("connection"), dict):
        given["connection"] = r.text("connection", "dense")
    else:
        made = read_place(r.child("connection"), "connection")
        given = dict(zip(("connection", "weights"), made if isinstance(made, tuple) else [made]))
    try:
        return read_fields(r, Projection, **given)
    except DescriptionError as error:
        path = re.sub(r"^projections\[[^]]*\]", lambda _: r.path, error.path)
        raise DescriptionError(path, error.value, error.rule, error.fix) from None


def _read_nir(r: Reader, dt: float) -> Network:
    """``nir: net.nir``, its ``dialect`` and ``options``; the network's inputs have the names of its Input nodes."""
    from ..nir import import_nir

    file, dialect, options = r.text("nir"), r.text("dialect", ""), r.child("options", {})
    r.done()
    try:
        return import_nir(r.folder / file, dialect, dt, options.values).network
    except DescriptionError as error:
        if error.path == "FILE":
            raise DescriptionError(r.at("nir"), file, error.rule, error.fix) from None
        raise (error.within(r.path) if error.path.startswith(("dialect", "options")) else error) from None
