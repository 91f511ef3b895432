"""Spiking neural networks that control robots through ROS 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .controller import Controller, Model

__all__ = ["Controller", "Model", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Controller":
        from .controller import Controller

        return Controller
    if name == "Model":
        from .controller import Model

        return Model
    raise AttributeError(f"module 'snn_control' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
