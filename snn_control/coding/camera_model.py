"""Models of event cameras: contrast thresholds, bandwidth and noise, with presets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from ..errors import DescriptionError

__all__ = ["PRESETS", "CameraModel", "camera_model"]


@dataclass(frozen=True)
class CameraModel:
    """An event camera with the effects in ESIM (Rebecq, Gehrig, Scaramuzza 2018) and v2e (Hu, Liu, Delbruck 2021).

    Intensities are natural logarithms. A value of 0 switches an effect off.

    threshold_on : increase of log intensity that causes an ON event
    threshold_off : decrease of log intensity that causes an OFF event
    sigma : standard deviation of a pixel's two thresholds, drawn once and independently [log intensity]; a threshold is
        at least 0.01
    refractory : shortest time between two events of a pixel [s]
    cutoff : cutoff of the pixels' first-order low-pass at an intensity of ``white`` or more [Hz]. Below ``white`` it is
        proportional to the intensity, down to 0.07 of ``cutoff``; 0: infinitely fast pixels
    white : log intensity above which a pixel becomes neither faster nor less noisy
    leak : rate of ON events of a pixel without changes [Hz]
    leak_spread : relative standard deviation of ``leak`` between pixels
    shot : rate of noise events of a dark pixel, half of them ON [Hz]
    shot_bright : rate of noise events at an intensity of ``white`` or more, as a fraction of ``shot``; 1: equal at all
        intensities
    """

    threshold_on: float = 0.2
    threshold_off: float = 0.2
    sigma: float = 0.0
    refractory: float = 0.0
    cutoff: float = 0.0
    white: float = 0.0
    leak: float = 0.0
    leak_spread: float = 0.0
    shot: float = 0.0
    shot_bright: float = 1.0

    def __post_init__(self) -> None:
        # a threshold must be far above the rounding of float32
        limits = {
            "threshold_on": (0.01, 10.0), "threshold_off": (0.01, 10.0), "sigma": (0.0, 1.0), "refractory": (0.0, 1.0),
            "cutoff": (0.0, 1e5), "white": (-20.0, 20.0), "leak": (0.0, 1e3), "leak_spread": (0.0, 1.0),
            "shot": (0.0, 1e3), "shot_bright": (0.0, 1.0),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            real = isinstance(value, Real) and not isinstance(value, bool)
            if not real or not math.isfinite(value):
                raise DescriptionError(f"camera.{name}", value, "must be a finite number")
            if not low <= value <= high:
                raise DescriptionError(f"camera.{name}", value, f"must be from {low:g} to {high:g}")


#: "clean": only thresholds. "default": the pan-tilt world's camera. "noisy": v2e's preset of that name
#: (its spread of the leak is a tenth of a decade), with v2e's default refractory time
PRESETS = {
    "clean": CameraModel(),
    "default": CameraModel(sigma=0.006, refractory=1e-3, shot=0.1),
    "noisy": CameraModel(
        sigma=0.05, refractory=5e-4, cutoff=30.0, leak=0.1, leak_spread=0.23, shot=5.0, shot_bright=0.25
    ),
}


def camera_model(camera: str | CameraModel) -> CameraModel:
    """Return the camera model with this name; a CameraModel is returned unchanged.

    Raises DescriptionError if no preset has the name.
    """
    if isinstance(camera, CameraModel):
        return camera
    if not isinstance(camera, str) or camera not in PRESETS:
        raise DescriptionError("camera", camera, f"must be a CameraModel or one of {', '.join(PRESETS)}")
    return PRESETS[camera]
