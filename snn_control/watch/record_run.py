"""The source of a live page for a recorded run: the run is replayed at once, and all frames are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..controller import Controller
from ..errors import InputError
from ..realtime import histogram
from ..record.recorded_run import RecordedRun
from ..record.replay import Replay, replay_log
from . import protocol
from .feed import MAX_TICKS, Feed
from .scene import scene_of

__all__ = ["RecordRun"]

FRAME_S = 1 / 30
MAX_FRAMES = 9_000  # of a record: 5 minutes at 30 a second; longer ones have longer frames
MAX_MEMBRANES = 64 << 20  # bytes of all membranes that are kept
TIMES = {"wake": "wake_histogram", "tick": "tick_histogram", "latency": "latency_histogram"}


class RecordRun:
    """A `Source` for a recorded run. The page fetches all frames once, and plays them itself.

    progress : called with the share of the ticks that were replayed, from 0 to 1

    Raises InputError if the record cannot be replayed.

    data : the frames, each after its length (uint32, little-endian)
    found : result of the replay: whether it gave the bits of the record
    """

    changes = 0

    def __init__(self, run: RecordedRun, title: str, progress: Callable[[float], object] = lambda share: None) -> None:
        assert run.spec is not None
        self.controller, self._run, self._title = Controller.from_spec(run.spec), run, title
        feed = Feed(self.controller, run.spec)
        period, log = self.controller.program.facts.period, run.log
        every = min(MAX_TICKS, max(1, round(FRAME_S / period), -(-log.ticks // MAX_FRAMES)))
        feed.looked_at = self._kept(log.ticks // every + 1)
        feed.clock, feed.repeat_s = lambda: self.controller.bound.array("clock")[0] * period, math.inf
        feed.watch(True)
        frames: list[bytes] = []
        self.spikes = done = 0

        def keep() -> None:
            nonlocal done
            header, arrays = feed.take()
            done += header["ticks"]
            self.spikes += len(arrays["spike_step"])
            frame = protocol.encode({"op": "frame", "dropped": 0, **header}, arrays)
            frames.append(len(frame).to_bytes(4, "little") + frame)
            progress(done / log.ticks)

        self.found: Replay = replay_log(self.controller, log, run.arrays, [feed.observer], every, keep)
        self.data = b"".join(frames)
        self._first_s = log.first_tick * period

    def _kept(self, frames: int) -> list[str]:
        """Return the populations whose membranes are in the frames: the smallest ones, which fit into `MAX_MEMBRANES`.

        frames : number of frames
        """
        left, found = MAX_MEMBRANES // (4 * frames), []
        for one in sorted(self.controller.program.facts.populations, key=lambda p: p.size):
            left -= one.size
            if left < 0:
                break
            found.append(one.name)
        return found

    # a source -------------------------------------------------------------------------------------------------------
    def scene(self) -> dict[str, Any]:
        assert self._run.spec is not None
        found, log, period = self.found, self._run.log, self.controller.program.facts.period
        replay = "the replay has the bits of the record" if found.identical else "the replay differs from the record"
        whole = {"whole": "", "cut": "; the file has no end", "damaged": "; the file is damaged"}[self._run.condition]
        scene = scene_of(self.controller, self._run.spec, self._title)
        return scene | {
            "kind": "record", "actions": [], "ticks": log.ticks, "spikes": self.spikes, "note": replay + whole,
            "from": self._first_s, "length": log.ticks * period, "timing": self._timing(),
        }  # fmt: skip

    def _timing(self) -> dict[str, Any]:
        there = {key: self._run.arrays[name] for key, name in TIMES.items() if name in self._run.arrays}
        times = {key: histogram.summary(one) for key, one in there.items()}
        return {key: {p: one[p] * 1e-3 for p in ("p50", "p99", "max")} for key, one in times.items() if one["count"]}

    def frames(self) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        return []

    def look(self, names: set[str]) -> None:
        pass

    def act(self, action: str, values: Mapping[str, Any]) -> str:
        raise InputError(f"action {action!r:.40}: a record cannot be changed")

    def close(self) -> None:
        pass
