"""Settings that convert the frames of an ordinary camera to the events of an input."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace
from typing import Annotated

from ..errors import DescriptionError
from ..network.checks import Checked, Numbers, OneOf, Whole
from .camera_model import PRESETS, CameraModel

__all__ = ["FrameCameraSettings"]

MOST_FRAME_PX = 4096  # largest side of a frame [pixel]
NUMBERS = len(fields(CameraModel)) + 2  # length of `FrameCameraSettings.numbers`
Setting = Annotated[float | None, Numbers()]  # `CameraModel` checks its limits


@dataclass(frozen=True)
class FrameCameraSettings(Checked):
    """The simulated event camera that converts frames to events. Settings that are not given have the preset's value.

    preset : "clean", "default" or "noisy"
    threshold_on : increase of log intensity that causes an ON event
    threshold_off : decrease of log intensity that causes an OFF event
    sigma : standard deviation of a pixel's two thresholds [log intensity]
    refractory : shortest time between two events of a pixel [s]
    cutoff : cutoff of the pixels' low-pass in bright light [Hz]; 0: infinitely fast pixels
    white : log intensity above which a pixel becomes neither faster nor less noisy
    leak : rate of ON events of a pixel without changes [Hz]
    leak_spread : relative standard deviation of ``leak`` between pixels
    shot : rate of noise events of a dark pixel, half of them ON [Hz]
    shot_bright : rate of noise events in bright light, as a fraction of ``shot``
    gamma : exponent in intensity = (value / largest value) ** gamma: 2.2 for images made for screens, 1 for linear
        images
    seed : seed of thresholds and noise
    """

    preset: Annotated[str, OneOf(*PRESETS)] = "default"
    threshold_on: Setting = None
    threshold_off: Setting = None
    sigma: Setting = None
    refractory: Setting = None
    cutoff: Setting = None
    white: Setting = None
    leak: Setting = None
    leak_spread: Setting = None
    shot: Setting = None
    shot_bright: Setting = None
    gamma: Annotated[float, Numbers(least=0.1, most=10)] = 2.2
    seed: Annotated[int, Whole(0, (1 << 53) - 1, " and below 2^53")] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self.model  # noqa: B018 - its own checks
        except DescriptionError as error:
            raise self.wrong(error.path.removeprefix("camera."), error.rule) from None

    @property
    def model(self) -> CameraModel:
        preset = PRESETS[self.preset]
        given = {name: getattr(self, name) for name in vars(preset)}
        return replace(preset, **{name: value for name, value in given.items() if value is not None})

    @property
    def numbers(self) -> tuple[float, ...]:
        """Numbers of the simulated camera: the fields of `CameraModel` in their order, then gamma and seed."""
        return *(float(value) for value in astuple(self.model)), float(self.gamma), float(self.seed)
