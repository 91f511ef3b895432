"""Write videos to files: .mp4, .gif, or .png as a contact sheet. Each file is written completely or not at all.

`EpisodeVideo` records the images of a Gymnasium environment; Gymnasium itself is not imported.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import DescriptionError, InputError, RuntimeFault, counted, optional
from ..files import reason, replace_file, writing
from .video_panels import INK, import_pillow, with_words

__all__ = ["SUFFIXES", "EpisodeVideo", "VideoWriter", "check_draws"]

MOST_GIF = 600  # maximum pictures of a .gif, which are held in memory until it is written
SHEET, GAP = (4, 3), 6  # largest number of columns and rows of a contact sheet; distance of its pictures [pixel]
MOST_FPS = 50.0  # with more steps a second, only every second, third, ... picture is taken
STRIP = 24  # pixels below a picture of a sheet, for its time
WIDEST = 2600  # width of a contact sheet [pixel] at which text is still readable on a page


def import_av() -> Any:
    """Import and return the package av. Raises RuntimeFault with installation instructions if it is missing."""
    return optional("av", "a video needs av (PyAV)", "events", RuntimeFault)


class Mp4:
    """An H.264 video in 4:2:0, which all players support. Frames with an odd size are extended by a row or column."""

    dot = 2  # 2 x 2 pixels share a colour

    def __init__(self, file: IO[bytes], fps: float, rows: int, columns: int) -> None:
        self._odd = (0, rows % 2), (0, columns % 2), (0, 0)
        self._container = import_av().open(file, "w", format="mp4")
        rate, options = Fraction(fps).limit_denominator(1000), {"crf": "20", "preset": "ultrafast"}
        self._stream = self._container.add_stream("libx264", rate=rate, options=options)
        self._stream.height, self._stream.width = rows + rows % 2, columns + columns % 2
        self._stream.pix_fmt = "yuv420p"

    def add(self, image: np.ndarray) -> None:
        image = np.ascontiguousarray(np.pad(image, self._odd, mode="edge"))
        self._container.mux(self._stream.encode(import_av().VideoFrame.from_ndarray(image, format="rgb24")))

    def end(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()


class Gif:
    """An animated GIF that repeats forever. Each frame has a separate palette."""

    dot = 1

    def __init__(self, file: IO[bytes], fps: float, rows: int, columns: int) -> None:
        self._file = file
        self._interval = max(2.0, 100 / fps)  # hundredths of a second; viewers slow down faster ones
        self._images: list[Any] = []

    def add(self, image: np.ndarray) -> None:
        if len(self._images) == MOST_GIF:
            fix = "write .mp4, or choose a shorter part or fewer pictures a second"
            raise DescriptionError("pictures", MOST_GIF + 1, f"a .gif takes {MOST_GIF}", fix)
        picture = import_pillow().fromarray(image)
        self._images.append(picture.quantize(128, method=2, dither=0))  # method 2: the octree, which is fast

    def end(self) -> None:
        first, *others = self._images
        ends = np.rint(np.arange(len(self._images) + 1) * self._interval).astype(int)  # the file stores whole numbers
        durations = (10 * np.diff(ends)).tolist()
        first.save(self._file, "gif", save_all=True, append_images=others, duration=durations, loop=0)


class ContactSheet:
    """One image that shows up to twelve frames of a video in rows, evenly spaced in time; fewer if they are wide."""

    dot = 1

    def __init__(self, file: IO[bytes], fps: float, rows: int, columns: int) -> None:
        self._file, self._size, self._seen, self._every = file, (rows, columns), 0, 1
        self._kept: list[np.ndarray] = []
        self.shown = 0

    def add(self, image: np.ndarray) -> None:
        if self._seen % self._every == 0:
            self._kept.append(image.copy())
            if len(self._kept) == 2 * SHEET[0] * SHEET[1]:  # too many: drop every second one
                del self._kept[1::2]
                self._every *= 2
        self._seen += 1

    def end(self) -> None:
        rows, columns = self._size
        across = max(1, min(SHEET[0], WIDEST // columns, len(self._kept)))
        places = np.linspace(0, len(self._kept) - 1, min(len(self._kept), across * SHEET[1]))
        chosen = [self._kept[k] for k in places.round().astype(int)]
        self.shown = len(chosen)
        down = -(-len(chosen) // across)
        sheet = np.full((down * (rows + GAP) - GAP, across * (columns + GAP) - GAP, 3), 255, np.uint8)
        for k, image in enumerate(chosen):
            y, x = (k // across) * (rows + GAP), (k % across) * (columns + GAP)
            sheet[y : y + rows, x : x + columns] = image
        import_pillow().fromarray(sheet).save(self._file, "png", optimize=True)


KINDS: dict[str, type[Mp4 | Gif | ContactSheet]] = {".mp4": Mp4, ".gif": Gif, ".png": ContactSheet}
SUFFIXES = tuple(KINDS)


class VideoWriter:
    """Collects frames, and writes them to a video file on `close`.

    If an exception ends the ``with`` block, no file remains.

    path : file ending in .mp4 (H.264, needs av), .gif or .png (contact sheet of up to twelve frames, fewer if they are
        wide)
    fps : frames per second of the video

    The attribute ``dot`` is the smallest side length [pixel] with which a dot retains its colour in the file's format.

    Raises
    ------
    DescriptionError : another suffix, or a folder in which no file can be written
    RuntimeFault : av or Pillow is not installed
    """

    def __init__(self, path: str | os.PathLike, fps: float = 30.0) -> None:
        self.path, self.pictures = Path(path), 0
        suffix = self.path.suffix.lower()
        if suffix not in KINDS:
            raise DescriptionError("video", str(path), f"must end in {', '.join(SUFFIXES)}")
        if not 0 < fps <= 1000:
            raise InputError(f"fps = {fps!r}: must be above 0 and at most 1000 [1/s]")
        import_pillow()
        if suffix == ".mp4":
            import_av()
        with writing("video", path):  # an unnamed file: it disappears however this process ends
            self._file = tempfile.TemporaryFile(dir=self.path.parent)
        self.fps, self.dot = fps, KINDS[suffix].dot
        self._shape: tuple[int, ...] = ()
        self._kind: Mp4 | Gif | ContactSheet | None = None

    @property
    def text(self) -> str:
        """A description of the file for messages, which is complete after `close`."""
        if isinstance(self._kind, ContactSheet):
            return f"{self.path}, a sheet of {self._kind.shown} of {counted(self.pictures, 'picture')}"
        return f"{self.path}, {counted(self.pictures, 'picture')}"

    def add(self, image: np.ndarray) -> None:
        """Add the next frame, (rows, columns, 3) uint8. Raises InputError if its size is not the first frame's."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(f"picture = {image.dtype} {image.shape}: must be (rows, columns, 3) uint8")
        if self._kind is None:
            self._shape, kind = image.shape, KINDS[self.path.suffix.lower()]
            self._kind = kind(self._file, self.fps, *image.shape[:2])
        if image.shape != self._shape:
            raise InputError(f"picture = {image.shape}: must be {self._shape} as the first one")
        with writing("video", self.path):  # a disk may be full
            self._kind.add(image)
        self.pictures += 1

    def close(self) -> None:
        """Write the file, replacing an old file. Without frames, no file is written. A second call has no effect."""
        if self._file.closed:
            return
        with writing("video", self.path), self._file:  # a disk may be full
            if self._kind is None:
                return
            self._kind.end()
            self._file.seek(0)
            replace_file(self.path, lambda file: shutil.copyfileobj(self._file, file))

    def discard(self) -> None:
        """Discard all frames, and write no file."""
        with suppress(OSError):  # of a full disk
            self._file.close()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close() if kind is None else self.discard()


# --- of an environment ----------------------------------------------------------------------------


def check_draws(env: Any, path: str | os.PathLike) -> None:
    """Raise DescriptionError for an environment that does not support ``render_mode="rgb_array"``."""
    modes = env.metadata.get("render_modes") or []
    if "rgb_array" not in modes:
        rule = f"{env.spec.id if env.spec else env} draws no pictures (its render modes: {', '.join(modes) or 'none'})"
        raise DescriptionError("--video", str(path), rule, "leave --video out")


class EpisodeVideo(VideoWriter):
    """A video of an episode. Call `take` before each step of the environment, and after the last step.

    The video plays at the environment's rate.

    env : an environment that was made with ``render_mode="rgb_array"``
    most_fps : maximum number of frames per second
    most : maximum number of frames; later frames are not recorded
    widest : maximum width of a frame [pixel]; wider frames are scaled down

    Raises DescriptionError if the environment cannot be drawn, and the errors of `VideoWriter`.
    """

    def __init__(
        self, path: str | os.PathLike, env: Any, most_fps: float = MOST_FPS, most: float = np.inf,
        widest: float = np.inf,
    ) -> None:  # fmt: skip
        self._step_fps = float(env.metadata.get("render_fps") or 30.0)
        self._env, self._every, self._seen = env, max(1, round(self._step_fps / most_fps)), 0
        self.most, self._widest = most, widest
        super().__init__(path, self._step_fps / self._every)

    def take(self) -> None:
        """Record an image of the environment's present state, if the next frame of the video is due."""
        if self._seen % self._every == 0 and self.pictures < self.most:
            image = self.picture()
            if self.path.suffix.lower() == ".png":
                image = with_words(image, STRIP, 16, [(f"{self._seen / self._step_fps:.2f} s", INK, "mm")])
            self.add(image)
        self._seen += 1

    def picture(self) -> np.ndarray:
        """Return an image of the environment's present state, (rows, columns, 3) uint8."""
        # pygame prints a greeting to stdout, which a program may read
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # warnings of GLFW without a display
                image = np.ascontiguousarray(self._env.render()[..., :3])
        except Exception as error:  # a missing library, or any exception of a drawing library
            headless = "mujoco" in sys.modules and "MUJOCO_GL" not in os.environ
            fix = "without a display, set MUJOCO_GL=egl (or osmesa)" if headless else ""
            raise DescriptionError("--video", str(self.path), f"cannot be drawn: {reason(error)}", fix) from None
        if image.shape[1] <= self._widest:
            return image
        size = round(self._widest), round(image.shape[0] * self._widest / image.shape[1])
        return np.asarray(import_pillow().fromarray(image).resize(size))
