"""Record a controller node's run to files, which are written at the end of the run, on demand, and after each fault."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...analysis.energy import estimate
from ...controller import Controller
from ...controller_file import ControllerSpec
from ...errors import counted
from ...record.activity_recorder import ActivityRecorder
from ...record.input_recorder import InputLogRecorder
from ...record.mcap_record import McapRecorder
from ...record.run_folder import companion, new_record, numbered

__all__ = ["RunRecorder"]

MOST_FAULTS = 20  # files in one activation, because a fault that recurs must not fill the disk


class RunRecorder:
    """Records the runs of a configured node to files. The loop calls its recorders after each tick.

    file : path of the recording; an .mcap file is written during the run, an .npz file at the end of the run
    """

    def __init__(self, node: Any, file: str, controller: Controller, spec: ControllerSpec) -> None:
        self._node, self._file, self._controller, self._spec = node, Path(file), controller, spec
        bound, real_time = controller.bound, node.mode != "lockstep"
        self.recorders = ActivityRecorder(bound, real_time=real_time), InputLogRecorder(bound, real_time=real_time)
        self._grows = self._file.suffix == ".mcap"
        self._growing: McapRecorder | None = None
        self._seen, self._begun, self._saved = 0, 0.0, 0  # faults seen; when the one to save began; files written
        self._timer = node.steady_timer(0.05, self._look_for_faults) if node.given.fault_after > 0 else None
        if not self._grows:
            node.get_logger().info(f"{companion(file, 'inputs')}: keeps the inputs of {self.recorders[1].kept}")

    def begin(self) -> None:
        """Begin a new recording; call this before the loop starts. Raises OSError or SnnControlError."""
        for recorder in self.recorders:
            recorder.clear()
        self._seen, self._begun, self._saved = self._node.faults.total, 0.0, 0
        if self._grows:
            with tempfile.TemporaryDirectory() as folder:
                self._spec.save(Path(folder) / "controller.yaml")
                files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
            activity, inputs = self.recorders
            name = self._node.get_fully_qualified_name()
            for file in numbered(self._file):
                with suppress(FileExistsError):
                    self._growing = McapRecorder(file, name, inputs, activity, files, self._failed)
                    break

    def end(self) -> None:
        """Write the remaining data of the recording; call this after the loop has ended."""
        node, growing = self._node, self._growing
        if growing is not None:
            with node.saving(growing.path):
                growing.close()
            if growing.lost:
                node.get_logger().error(f"{growing.path}: missing: {counted(growing.lost, 'tick')}")
            self._growing = None
        elif self.recorders[0].total > 0:
            with node.saving(self._file), new_record(self._file) as file:
                self._write(file)
                node.get_logger().info(f"record: {file}")
        for recorder in self.recorders:
            recorder.clear()

    def close(self) -> None:
        if self._timer is not None:
            self._node.destroy_timer(self._timer)

    def snapshot(self, seconds: float | None = None) -> Path:
        """Save the recorded ticks to new files while the loop runs. Return the path of the first file. Raises OSError.

        seconds : duration of the newest ticks to save [s]; None: all ticks still in the recorders' memory
        """
        with new_record(self._file.with_suffix(".npz")) as file:
            self._write(file, seconds)
        return file

    def _write(self, file: Path, seconds: float | None = None) -> None:
        """Write commands, spikes, inputs and the controller file; the loop may run meanwhile. Raises OSError."""
        activity, inputs = self.recorders
        loop, most, begun = self._node.loop, None, time.monotonic()
        power = estimate(self._controller.bound).microwatt
        if seconds is not None:  # add the ticks since this call began, so that the first wanted ones are still included
            most = max(1, round((seconds + time.monotonic() - begun) * 1e9 / self._controller.period_ns))
        log = inputs.log(loop.running, most)  # written last, so that both end with nearly the same tick
        activity.save(file, loop, self._controller, most, estimated_microwatt=power)
        log.save(companion(file, "inputs"))
        self._spec.save(companion(file, "controller"), f"As it ran; next:\nsnn_control replay {file}")

    def _failed(self, reason: str) -> None:
        self._node.get_logger().error(f"record = {self._file}: cannot be written: {reason}; the loop goes on")
        self._node.exit_code = 1

    # faults ------------------------------------------------------------------------------------------------------
    def _look_for_faults(self) -> None:
        node = self._node
        if not node.loop.running:
            return
        total, now = node.faults.total, time.monotonic()
        if total > self._seen and not self._begun:
            self._begun = now
        if self._begun and now >= self._begun + node.given.fault_after:
            self._save_fault(now - self._begun + node.given.fault_before)
            self._begun, self._seen = 0.0, total  # later faults are in the same file

    def _save_fault(self, seconds: float) -> None:
        log = self._node.get_logger()
        self._saved += 1
        if self._saved == MOST_FAULTS + 1:
            log.warning(f"no more faults are saved: this activation has already written {MOST_FAULTS} files")
        if self._saved <= MOST_FAULTS:
            try:
                log.info(f"a fault is saved: {self.snapshot(seconds)}")
            except OSError as error:
                log.error(f"record = {self._file}: a fault cannot be saved: {error.strerror}")
