"""Models of event cameras: contrast thresholds, bandwidth and noise, with presets."""

from snn_control.coding.camera_model import PRESETS, CameraModel, camera_model

__all__ = ["PRESETS", "CameraModel", "camera_model"]
