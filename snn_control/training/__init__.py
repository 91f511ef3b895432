"""Train the controller of any controller file in any Gymnasium environment, with spikes from the engine itself."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .distributed.seeds import Outcome, train_seeds, train_tasks
    from .result import Trained
    from .trainer import train

__all__ = ["Outcome", "Trained", "train", "train_seeds", "train_tasks"]


def __getattr__(name: str) -> Any:
    """Import the object for a name of `__all__` when the name is first used."""
    if name in __all__:
        module = {"Trained": "result", "train": "trainer"}.get(name, "distributed.seeds")
        return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
