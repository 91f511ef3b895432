"""The services of a controller node, with which an operator releases faults, restarts, records, and saves or loads
learned weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from std_srvs.srv import SetBool, Trigger

from ...errors import InputError, RuntimeFault, SnnControlError
from .diagnostics import guard_reason, learning_switches

__all__ = ["offer_services"]

Answer = tuple[bool, str]  # success, and a message


def _respond(node: Any, answer: Callable[[Any, Any], Answer], request: Any, response: Any) -> Any:
    """Answer a service call: set ``success`` and ``message`` of the response to the result of ``answer``.

    The services that save or load learned weights need a configured controller; the others need a running loop.
    """
    running = answer not in (_save_state, _load_state)
    response.success, response.message = False, "not active" if running else "not configured"
    if node.loop is not None and (node.loop.running or not running):
        response.success, response.message = answer(node, request)
    return response


def _release(node: Any, request: Any) -> Answer:
    """Release the guard's fault on behalf of an operator.

    Return whether the node now publishes the controller's commands, and a message for the operator.
    """
    controller, loop = node.controller, node.loop
    end, last = time.monotonic() + 0.5, loop.ticks + 2  # within two ticks, one is complete
    controller.release()
    while controller.safe and loop.ticks < last and time.monotonic() < end:
        time.sleep(0.001)
    return (False, f"still the safe command: {guard_reason(node)}") if controller.safe else (True, "commands")


def _hold(node: Any, request: Any) -> Answer:
    node.controller.stop()
    return True, "the safe command, until ~/release"


def _restart(node: Any, request: Any) -> Answer:
    node.controller.restart()
    return True, "the network restarts"


def _reset(node: Any, request: Any) -> Answer:
    node.controller.restart(forget=True)
    return True, "the network restarts and forgets what it has learned"


def _learning(node: Any, request: Any) -> Answer:
    try:
        node.controller.learning(request.data)
    except InputError as error:
        return False, str(error)
    return True, learning_switches(node.controller)


def _snapshot(node: Any, request: Any) -> Answer:
    if node.run_recorder is None:
        return False, "nothing is recorded: start the node with record:=FILE.npz"
    try:
        return True, str(node.run_recorder.snapshot())
    except OSError as error:
        return False, f"{node.record}: cannot be written: {error.strerror}"


NO_STATE = "no file is named: start the node with state:=FILE.npz"


def _save_state(node: Any, request: Any) -> Answer:
    file = node.given.state
    if not file:
        return False, NO_STATE
    try:
        node.controller.save_state(file, node.copies.take() if node.loop.running else None)
    except (OSError, RuntimeFault) as error:
        return False, f"{file}: cannot be written: {getattr(error, 'strerror', error)}"
    return True, file


def _load_state(node: Any, request: Any) -> Answer:
    """Check that the learned weights in the file of the parameter ``state`` fit the controller.

    The next activation loads them. Return whether the weights fit, and a message for the operator.
    """
    file = node.given.state
    if not file:
        return False, NO_STATE
    if node.loop.running:
        return False, "active: deactivate the node first; it reads the file when it is activated"
    try:
        there = node.load_learned(node.controller)
    except SnnControlError as error:
        return False, str(error)
    return there, f"the node reads {file} when it is activated" if there else f"{file}: there is no such file"


#: name of a service ``~/NAME`` -> what answers it
TRIGGERS: dict[str, Callable[[Any, Any], Answer]] = {
    "stop": _hold, "release": _release, "restart": _restart, "reset": _reset, "snapshot": _snapshot,
    "save_state": _save_state, "load_state": _load_state,
}  # fmt: skip


def offer_services(node: Any) -> None:
    """Create all services of a controller node, such as ``~/release`` and ``~/restart``."""
    for name, answer in TRIGGERS.items():
        node.create_service(Trigger, f"~/{name}", partial(_respond, node, answer))
    node.create_service(SetBool, "~/learning", partial(_respond, node, _learning))
