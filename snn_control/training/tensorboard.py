"""Write the numbers of ``progress.csv`` for TensorBoard, as an event file, if TensorBoard is installed."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["EventFile"]

NAME = "events.out.tfevents.{}.snn_control"  # TensorBoard looks for the first words, and reads files by name
OF_VALIDATION = ("score", "best", "worst", "spikes_a_step")


class EventFile:
    """The TensorBoard event file of a run, in the run's folder.

    A resumed run starts a new file, writes all rows of the run into this file, and makes TensorBoard discard the rows
    of earlier files. TensorBoard therefore shows each row exactly once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path, self._rows = folder, Path(), 0

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append the new rows to the file.

        rows : all rows of the run up to now, one for each phase; their values are numbers
        """
        if importlib.util.find_spec("tensorboard") is None or len(rows) == self._rows:
            return
        from tensorboard.summary.writer.record_writer import RecordWriter

        if not self._rows:
            self._path = self._folder / NAME.format(f"{int(time.time()):010d}")
        with self._path.open("ab") as file:
            records = RecordWriter(file)
            for event in self._events(rows):
                records.write(event.SerializeToString())
        self._rows = len(rows)

    def _events(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        if not self._rows:
            yield Event(wall_time=time.time(), file_version="brain.Event:2")
            started = SessionLog(status=SessionLog.START)
            yield Event(wall_time=time.time(), step=int(rows[0]["steps"]), session_log=started)  # forget earlier files
        best = [max(float(row["score"]) for row in rows[: k + 1]) for k in range(len(rows))]
        for k in range(self._rows, len(rows)):
            row = {key: value for key, value in rows[k].items() if key not in ("phase", "steps")} | {"best": best[k]}
            values = [
                Summary.Value(tag=f"{'validation' if key in OF_VALIDATION else 'learner'}/{key}", simple_value=value)
                for key, value in row.items()
            ]
            yield Event(wall_time=time.time(), step=int(rows[k]["steps"]), summary=Summary(value=values))
