"""Training: any controller file in any Gymnasium environment, on the engine's own spikes."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trainer import Trained, train

__all__ = ["Trained", "train"]


def __getattr__(name: str) -> Any:
    """`train` and `Trained`, imported when they are asked for."""
    if name in __all__:
        from . import trainer

        return getattr(trainer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
