"""Train the controller of any controller file in any Gymnasium environment. The engine itself computes the spikes."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .distributed.seeds import Outcome, train_seeds, train_tasks
    from .result import Trained
    from .trainer import train

__all__ = ["Outcome", "Trained", "train", "train_seeds", "train_tasks"]


def __getattr__(name: str) -> Any:
    """Import a name of `__all__` on first use, so that importing this package does not import the trainer."""
    if name in __all__:
        module = {"Trained": "result", "train": "trainer"}.get(name, "distributed.seeds")
        return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
