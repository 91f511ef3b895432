"""Declare the numbers that are ``tunable`` in a controller file as ROS parameters of the controller node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rcl_interfaces.msg import SetParametersResult

from ...controller import Controller
from ...controller_file import ControllerSpec
from ...controller_file.tunable import parameter_name
from ...errors import InputError
from .process import Parameter, declare

__all__ = ["TunableParameters"]


class TunableParameters:
    """The tunable parameters of a node. The loop uses a new value from its next tick on.

    If the controller does not accept a value, the node refuses it, and the service's response states the reason.
    """

    def __init__(self, node: Any) -> None:
        self._node, self._paths = node, dict[str, str]()
        self._controller: Controller | None = None
        node.add_on_set_parameters_callback(self._set)

    def declare(self, spec: ControllerSpec, controller: Controller) -> None:
        """Declare the parameters. A value set at the node's start replaces the value in the controller file.

        Raises DescriptionError or InputError.
        """
        begin, self._controller = controller.tuned, None
        values = {}
        for path, now in begin.items():
            ends, name = spec.tunable[path], parameter_name(path)
            one = Parameter(now, f"{path} of {spec.path}", ends.low, ends.high, changes=True)
            values[path] = float(declare(self._node, name, one))
            self._paths[name] = path
        given = {path: value for path, value in values.items() if value != begin[path]}
        if given:
            controller.tune(given)
            self._log(given)
        self._controller = controller

    def undeclare(self) -> None:
        """Undeclare the parameters; call this when the node releases its controller."""
        names, self._paths, self._controller = self._paths, {}, None
        for name in names:
            self._node.undeclare_parameter(name)

    def _set(self, parameters: list[Any]) -> SetParametersResult:
        values = {self._paths[one.name]: one.value for one in parameters if one.name in self._paths}
        if values and self._controller is not None:
            for path, value in values.items():  # an integer is accepted, because `ros2 param set` sends 1 as one
                if type(value) not in (int, float):
                    return SetParametersResult(successful=False, reason=f"{path} = {value!r}: must be a number")
            try:
                self._controller.tune(values)
            except InputError as error:
                return SetParametersResult(successful=False, reason=str(error))
            self._log(values)
        return SetParametersResult(successful=True)

    def _log(self, values: Mapping[str, float]) -> None:
        numbers = ", ".join(f"{path} = {value:g}" for path, value in values.items())
        self._node.get_logger().info(f"tuned: {numbers}")
