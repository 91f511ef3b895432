"""Models of event cameras: their thresholds, speed and noise."""

from snn_control.coding.camera_model import PRESETS, CameraModel, camera_model

__all__ = ["PRESETS", "CameraModel", "camera_model"]
