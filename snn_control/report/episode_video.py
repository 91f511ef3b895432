"""A video of what a Gymnasium environment draws; Gymnasium itself is not needed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import DescriptionError
from .video_file import VideoWriter
from .video_panels import INK, with_words

__all__ = ["EpisodeVideo", "check_draws"]

MOST_FPS = 50.0  # of a simulation of more steps a second every second, third, ... picture is taken
STRIP = 24  # pixels below a picture of a sheet, for its time


def check_draws(env: Any, path: str | os.PathLike) -> None:
    """Raise DescriptionError for an environment that has no ``render_mode="rgb_array"``."""
    modes = env.metadata.get("render_modes") or []
    if "rgb_array" not in modes:
        rule = f"{env.spec.id if env.spec else env} draws no pictures (its render modes: {', '.join(modes) or 'none'})"
        raise DescriptionError("--video", str(path), rule, "leave --video out")


class EpisodeVideo:
    """Takes a picture before each step and after the last, in the environment's own time, at most 50 a second.

    path : .mp4, .gif or .png (contact sheet), see `VideoWriter`
    env : made with ``render_mode="rgb_array"``

    Raises DescriptionError where it cannot be drawn, and what `VideoWriter` raises.
    """

    def __init__(self, path: str | os.PathLike, env: Any) -> None:
        fps = float(env.metadata.get("render_fps") or 30.0)
        self._env, self._every, self._seen = env, max(1, round(fps / MOST_FPS)), 0
        self._fps, self._writer = fps, VideoWriter(path, fps / self._every)
        self._timed = self._writer.path.suffix.lower() == ".png"

    @property
    def text(self) -> str:
        """What was written, in words."""
        return self._writer.text

    def add(self) -> None:
        """The picture of now, if it is one to take."""
        if self._seen % self._every == 0:
            image = self._picture()
            if self._timed:
                image = with_words(image, STRIP, 16, [(f"{self._seen / self._fps:.2f} s", INK, "mm")])
            self._writer.add(image)
        self._seen += 1

    def _picture(self) -> np.ndarray:
        # pygame's greeting goes to stdout, which a program may read
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            return np.ascontiguousarray(self._env.render()[..., :3])
        except Exception as error:  # a missing library, or whatever a drawing library raises
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DescriptionError("--video", str(self._writer.path), f"cannot be drawn: {reason}") from None

    def close(self, whole: bool) -> None:
        """Write the file; nothing of an episode that is not ``whole``."""
        if whole:
            self.add()
            self._writer.close()
        else:
            self._writer.discard()
