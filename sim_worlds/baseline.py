"""What classical controllers of worlds have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

__all__ = ["Baseline"]


class Baseline(ABC):
    """A classical controller, for comparison and as a teacher.

    label, note : its name in tables, and a remark below them
    """

    label: ClassVar[str]
    note: ClassVar[str] = ""

    def reset(self) -> None:  # noqa: B027 - optional
        """Begin an episode; one without state has nothing to do."""

    @abstractmethod
    def predict(self, observation: dict[str, np.ndarray], info: Any) -> tuple[np.ndarray, None]:
        """The action for an observation, or, where the baseline may know more than is seen, for an info."""
