"""Recorded data that is not part of the package: ``$SNN_FIXTURES``, or ``shared`` beside this checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["fixture"]

FOLDER = Path(os.environ.get("SNN_FIXTURES") or Path(__file__).resolve().parents[2] / "shared")


def fixture(name: str) -> Path:
    """A file or folder of the recorded data; skips the test where it is not there."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{path} is not there; set SNN_FIXTURES to the folder of recorded data")
    return path
