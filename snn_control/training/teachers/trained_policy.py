"""Load policies that other libraries trained, from their files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import DescriptionError, optional
from ...files import reason
from .perceptron import Normalization, TrainedPolicy
from .policy_onnx import read_policy_onnx
from .policy_zip import read_policy_zip
from .sb3_policy import sb3_policy
from .vec_normalize import read_vec_normalize

__all__ = ["POLICY_FILES", "Normalization", "TrainedPolicy", "load_policy", "policy_in"]

#: endings of the names of policy files
POLICY_FILES = (".zip", ".onnx")


def load_policy(
    path: str | os.PathLike, normalize: str | os.PathLike | None = None, what: str = "--teacher"
) -> TrainedPolicy:
    """Read a policy from a file, without running any code in the file.

    path : a .zip of stable-baselines3 or sb3-contrib, or a multilayer perceptron as .onnx
    normalize : ``vecnormalize.pkl`` of stable-baselines3, with the normalisation of the policy's observations
    what : name of the option with the value ``path``, for error messages

    Raises DescriptionError if a file does not contain a policy or a normalisation of these kinds. Raises
    SnnControlError if a package is missing.
    """
    is_onnx = Path(path).suffix.lower() == ".onnx"
    if is_onnx:
        optional("onnx", "a policy in an .onnx file needs onnx", "policy")
    try:
        policy = read_policy_onnx(path) if is_onnx else sb3_policy(*read_policy_zip(path))
    except Exception as error:  # the file may be damaged or hostile in any way
        kind = "multilayer perceptron" if is_onnx else "policy of stable-baselines3"
        raise DescriptionError(what, str(path), f"is not a {kind} that can be read: {_printable(error)}") from None
    if normalize is None:
        return replace(policy, path=str(path))
    try:
        found = read_vec_normalize(normalize)
        if policy.one_hot or policy.normalization is not None:
            own = "are one whole number" if policy.one_hot else "are normalised in its own file"
            raise ValueError(f"the observations of {path} {own}")
        if found is not None and len(found.mean) != policy.inputs:
            raise ValueError(f"it has {len(found.mean)} observed values, {path} has {policy.inputs}")
    except Exception as error:
        rule = f"is not a vecnormalize.pkl that can be used: {_printable(error)}"
        raise DescriptionError("--normalize", str(normalize), rule) from None
    return replace(policy, path=str(path), normalization=found)


def policy_in(teacher: Any) -> TrainedPolicy | None:
    """Return the `TrainedPolicy` of a teacher that is a policy or a policy's file; None for other teachers."""
    if isinstance(teacher, str | Path) and str(teacher).endswith(POLICY_FILES):
        return load_policy(teacher)
    return teacher if isinstance(teacher, TrainedPolicy) else None


def _printable(error: Exception) -> str:
    """Return the reason of an error as text. Control characters are escaped, because the text may quote the file."""
    text = reason(error)
    return text if text.isprintable() else repr(text)[1:-1]
