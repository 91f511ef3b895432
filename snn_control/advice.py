"""What a controller file allows but its author may not have meant, for `snn_control check` and the nodes."""

from __future__ import annotations

import numpy as np

from .coding import ArgmaxDecoder
from .spec import ControllerSpec

__all__ = ["advice"]


def advice(spec: ControllerSpec) -> list[str]:
    """One line a weak spot of the inputs and outputs that stand on ROS topics; empty where there is none."""
    found = []
    for one in spec.inputs:
        if one.name in spec.ros_inputs and one.required and not np.isfinite(one.stale):
            found.append(f"inputs.{one.name}: a dead sensor would not be noticed: give it a `stale` limit")
    for output in spec.outputs:
        unlimited = not all(np.isfinite(np.asarray(side, np.float64)).all() for side in output.limits)
        if output.name in spec.ros_outputs and unlimited and not isinstance(output.decoder, ArgmaxDecoder):
            found.append(f"outputs.{output.name}: the command may become any number: give it finite `limits`")
    return found
