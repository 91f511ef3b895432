"""Read the frames of a video file, as the source of a simulated event camera.

This module needs the library ``av``, which the extra ``events`` installs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, optional

__all__ = ["Video"]


class Video:
    """The frames of a video file as grey pictures, each with its time. You can iterate over a video several times.

    path : any file that ffmpeg reads
    size : width and height to which frames are scaled [pixel]; None: width and height of the video
    fps : frame rate that replaces the times in the file [Hz]
    begin : time after the first frame [s]; earlier frames are left out
    end : time after the first frame [s]; frames from this time on are left out

    Raises InputError for a file without a video. If no ``size`` is given, it also raises InputError for a frame whose
    size differs from that of the first frame. Raises SnnControlError if the library ``av`` is missing.
    """

    def __init__(
        self, path: str | os.PathLike, size: tuple[int, int] | None = None, fps: float | None = None,
        begin: float = 0.0, end: float | None = None,
    ) -> None:  # fmt: skip
        self.path, self.fps, self.begin, self.end = Path(path), fps, begin, end
        with self._open() as container:
            stream = container.streams.video[0]
            #: width and height [pixels]
            self.size = size or (stream.width, stream.height)
            self._scaled = size is not None
            #: number of frames according to the file; 0: not stated
            self.frames = int(stream.frames)
        #: seconds from the first to the last frame of the latest pass
        self.duration = 0.0

    def _open(self) -> Any:
        av = optional("av", "videos need av", "events")
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such file")
        try:
            container = av.open(str(self.path))
        except av.error.FFmpegError as error:
            raise InputError(f"{self.path}: is not a video that ffmpeg can read ({error.strerror})") from None
        if not container.streams.video:
            container.close()
            raise InputError(f"{self.path}: holds no video")
        return container

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield pairs (time after the first frame [s], luma as a (height, width) uint8 array).

        If a frame has no time, or its time is not later than that of the previous frame, its time is one frame interval
        after the previous frame.
        """
        first, last, start = None, -math.inf, None
        for k, (time, interval, frame) in enumerate(self._decoded()):
            if self.fps:
                now = k / self.fps
            else:
                now = last + interval if time is None and k else (time or 0.0) - (first or 0.0)
                first = time or 0.0 if first is None else first
                now = 0.0 if k == 0 else now if now > last else last + interval
            last = now
            if self.end is not None and now >= self.end:
                return
            if now >= self.begin:
                start = now if start is None else start
                self.duration = now - start
                yield now, frame

    def _decoded(self) -> Iterator[tuple[float | None, float, np.ndarray]]:
        """Yield each decodable frame: its time in the file [s] or None, the usual frame interval [s], and its luma."""
        import av

        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            interval, first = 1.0 / float(stream.average_rate or 30), None
            try:
                for frame in container.decode(stream):
                    size = frame.width, frame.height
                    first = first or size
                    if not self._scaled and size != first:
                        rule = "its frames change from {}x{} to {}x{}".format(*first, *size)
                        raise InputError(f"{self.path}: {rule}; give a size (--size) to which all are scaled")
                    grey = frame.reformat(*self.size, format="gray")
                    yield frame.time, interval, grey.to_ndarray()
            except av.error.FFmpegError as error:
                raise InputError(f"{self.path}: cannot be decoded further ({error.strerror})") from None
