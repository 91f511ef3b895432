"""The source of a live page for a recorded run, which replays the run at the start and stores all its frames.

A run without a record, for example the reaction of a network to a stimulus, is shown in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import numpy as np

from ..controller import Controller
from ..errors import InputError
from ..realtime import histogram
from ..record.recorded_run import RecordedRun
from ..record.replay import Replay, play_log, replay_log
from . import protocol
from .feed import MAX_TICKS, Feed
from .scene import scene_of

__all__ = ["RecordRun"]

FRAME_S = 1 / 30
LEAST_FRAMES = 300  # of a record: short ones have shorter frames
MAX_FRAMES = 9_000  # 5 minutes at 30 a second; longer ones have longer frames
MAX_MEMBRANES = 64 << 20  # bytes of all membranes that are kept
TIMES = {"wake": "wake_histogram", "tick": "tick_histogram", "latency": "latency_histogram"}


class RecordRun:
    """A `Source` for a recorded run. The page fetches all frames once, and plays them without the server.

    run : the run; if it has ``arrays``, the replay is compared with these recorded commands and spikes
    progress : function that is called with the fraction of the ticks that were replayed, from 0 to 1
    membranes : maximum size of the membrane potentials in all frames [bytes]; the largest populations are left out
        first

    Raises InputError if the record cannot be replayed.

    data : the frames, each with its length before it (uint32, little-endian)
    found : result of the comparison with the record; None without a record
    """

    changes = 0

    def __init__(
        self, run: RecordedRun, title: str, progress: Callable[[float], object] = lambda share: None,
        membranes: int = MAX_MEMBRANES,
    ) -> None:  # fmt: skip
        assert run.spec is not None
        self.controller, self._run, self._title = Controller.from_spec(run.spec), run, title
        feed = Feed(self.controller, run.spec)
        period, log = self.controller.program.facts.period, run.log
        every = max(1, min(round(FRAME_S / period), log.ticks // LEAST_FRAMES))
        every = min(MAX_TICKS, max(every, -(-log.ticks // MAX_FRAMES)))
        feed.looked_at = [one.name for one in self.controller.program.facts.populations]
        left_out = self._too_large(membranes // (4 * (log.ticks // every + 1)))
        feed.clock, feed.repeat_s = lambda: self.controller.bound.array("clock")[0] * period, math.inf
        feed.watch(True)
        frames: list[bytes] = []
        self.spikes = done = 0

        def keep() -> None:
            nonlocal done
            header, arrays = feed.take()
            header.pop("sent")
            for name in left_out & arrays.keys():
                del arrays[name]
            done += header["ticks"]
            self.spikes += len(arrays["spike_step"])
            frame = protocol.encode({"op": "frame", "dropped": 0, **header}, arrays)
            frames.append(len(frame).to_bytes(4, "little") + frame)
            progress(done / log.ticks)

        self.found: Replay | None = None
        if run.arrays:
            self.found = replay_log(self.controller, log, run.arrays, [feed.observer], every, keep)
        else:
            for _ in play_log(self.controller, log, [feed.observer], every):
                keep()
        self.data = b"".join(frames)
        self._first_s = log.first_tick * period

    def _too_large(self, room: int) -> set[str]:
        """Return the names of the arrays of membrane potentials that frames leave out, ``membrane.POPULATION``.

        The frames contain the membrane potentials of the smallest populations, as many as fit.

        room : maximum number of membrane potentials in a frame
        """
        ordered = sorted(self.controller.program.facts.populations, key=lambda p: p.size)
        return {f"membrane.{p.name}" for p, total in zip(ordered, accumulate(p.size for p in ordered)) if total > room}

    # a source -------------------------------------------------------------------------------------------------------
    def scene(self) -> dict[str, Any]:
        assert self._run.spec is not None
        found, log, period = self.found, self._run.log, self.controller.program.facts.period
        same = "has the bits of" if found and found.identical else "differs from"
        replay = f"the replay {same} the record" if found else ""
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
