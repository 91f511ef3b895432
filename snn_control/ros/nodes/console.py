"""Log the faults of a controller node, and the inputs that it waits for, on the console."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from ...engine.kernels import guard as guard_words
from ...engine.slots import AGE
from ...errors import counted
from ...realtime.fault_causes import describe_causes
from .diagnostics import guard_reason

__all__ = ["Console"]

DISCOVERY = 1.0  # s: before that, a sensor may exist that has not been discovered yet


class Console:
    """Logs the inputs that a controller waits for at its start, and the beginning and end of each fault."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self.restart()

    def restart(self) -> None:
        """Forget the logged faults and inputs; call this after the guard's fault counter was reset."""
        faults = self._node.faults.faults() if self._node.faults is not None else []
        self._told, self._over = 0, faults[0].begin if faults else -1
        self._begun = time.monotonic()
        self._said: set[str] = set()
        self._waits: bool | None = None  # whether it waits for the first command; None: not known yet

    def log_changes(self, found: Sequence[DiagnosticStatus]) -> None:
        """Log faults that began or ended since the last report, outputs with errors, and the start of the commands.

        found : the statuses that this report publishes on /diagnostics
        """
        node = self._node
        if node.loop is None or node.controller is None or not node.loop.running:
            return
        guard, log = node.controller.bound.array("guard"), node.get_logger()
        if self._waits is None and time.monotonic() - self._begun > DISCOVERY:
            missing = self._missing()
            for reason, names in missing.items():
                log.warning(f"waits for {', '.join(names)}: {reason}")
            if (safe := bool(guard[guard_words.FAULTED])) and not missing:
                log.warning(f"waits: {guard_reason(node)}")
            self._waits = safe
            if not safe:
                log.info("commands begin")
        for status in found:  # other publishers that command the same robot
            of_output = " output " in status.name and status.level == DiagnosticStatus.ERROR
            if of_output and status.message not in self._said:
                self._said.add(status.message)
                log.error(f"{status.name.partition(': ')[2]}: {status.message}")
        new, newest = int(guard[guard_words.FAULTS]) - self._told, node.faults.faults()[:1]
        lasts = bool(guard[guard_words.FAULTED])
        if new > 0:
            self._told += new
            failed = [s.message for s in found if s.level == DiagnosticStatus.ERROR] if lasts else []
            errors = "; ".join(dict.fromkeys(failed))  # inputs of one topic fail with the same message
            causes = "; ".join(describe_causes(fault.causes, fault.invalid, fault.stopped) for fault in newest)
            log.warning(f"{counted(new, 'fault')}: {errors or causes}")
        ended = [fault for fault in newest if fault.end >= 0 and fault.begin != self._over]
        for fault in ended:
            self._over = fault.begin
            log.info(f"commands again after {(fault.end - fault.begin) * 1e-9:.3g} s")
        if self._waits and not lasts:
            self._waits = False
            if not ended:
                log.info("commands begin")

    def _missing(self) -> dict[str, list[str]]:
        """Return the inputs without any message so far, grouped by the reason: reason -> names of inputs.

        Included are required inputs, and inputs with a rule that stops the commands.
        """
        node = self._node
        missing: dict[str, list[str]] = {}
        for one in node.controller.program.facts.inputs:
            if (one.required or one.stop_when) and node.controller.bound.array(f"{one.name}.slot")[AGE] < 0:
                anybody = node.get_publishers_info_by_topic(node.spec.ros_inputs[one.name].topic)
                reason = "no message yet" if anybody else "nobody publishes"
                missing.setdefault(reason, []).append(one.name)
        return missing
