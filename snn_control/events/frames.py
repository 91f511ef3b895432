"""Draw events as (rows, columns, 3) uint8 pictures: ON is orange, OFF is blue, which colour-blind people distinguish.

Each style of picture has a `Painter`. Its method ``add`` adds events in order, and its method ``image`` returns the
picture at a time. Only numpy is used. For a 1280x720 sensor, drawing 30 pictures per second takes a fraction of one
core.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError, nearest
from .columns import Events

__all__ = ["BACK", "OFF", "ON", "STYLES", "Painter", "enlarge", "fitting", "likely_size", "mixed", "painter"]

ON, OFF, BACK = (255, 150, 40), (60, 130, 255), (14, 17, 22)
MAX_PIXEL_EVENTS = 7  # events of one polarity in a pixel of a picture; more look the same
AGES = 64  # steps of brightness of a time surface
FADE = 5.0  # time constants after which an event is invisible
CONTRAST = 24.0  # grey levels for an event

#: (width, height) of common sensors
SENSORS = ((128, 128), (240, 180), (304, 240), (320, 240), (346, 260), (640, 480), (1280, 720))


def mixed(on: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Return a mixture of the colours of ON events, OFF events and the background, (..., 3) uint8.

    on : fraction of the ON colour, 0 to 1
    off : fraction of the OFF colour, 0 to 1
    """
    back = np.array(BACK, np.float32)
    light = on[..., None] * (np.array(ON) - back) + off[..., None] * (np.array(OFF) - back)
    return np.clip(np.rint(back + light), 0, 255).astype(np.uint8)


class Painter:
    """Base of the painters, which draw pictures of one sensor's events.

    width, height : size of the sensor [pixel]; events outside are left out
    shrink : a pixel of the picture stands for shrink x shrink pixels of the sensor
    shape : number of rows and columns of the picture
    memory : age at which an event becomes invisible [s]
    """

    memory = 0.0

    def __init__(self, width: int, height: int, shrink: int = 1) -> None:
        if width < 1 or height < 1 or shrink < 1:
            raise InputError(f"width, height, shrink = {width}, {height}, {shrink}: must be at least 1")
        self.width, self.height, self.shrink = width, height, shrink
        self.shape = -(-height // shrink), -(-width // shrink)

    def _places(self, events: Events) -> tuple[np.ndarray, Events]:
        """Return two values for the events inside the frame: their pixels' indices, (n,), and the events.

        An index counts the pixels of the flattened picture.
        """
        if len(events) and (int(events.x.max()) >= self.width or int(events.y.max()) >= self.height):
            inside = (events.x < self.width) & (events.y < self.height)
            events = events[inside]
        x, y = events.x, events.y
        if self.shrink > 1:
            x, y = x // self.shrink, y // self.shrink
        return y.astype(np.intp) * self.shape[1] + x, events

    def add(self, events: Events) -> None:
        """Add the next events of the sensor to the picture."""
        raise NotImplementedError

    def image(self, t_ns: int) -> np.ndarray:
        """Return the picture, (rows, columns, 3) uint8, at ``t_ns`` [ns] on the sensor's clock.

        ``t_ns`` must not be before the last event.
        """
        raise NotImplementedError


class Polarity(Painter):
    """Draws the number of ON and OFF events of each pixel since the last picture. More events make a pixel brighter."""

    def __init__(self, width: int, height: int, shrink: int = 1) -> None:
        super().__init__(width, height, shrink)
        # one event is visible, large numbers look alike
        steps = 1.0 - 0.3 ** np.arange(MAX_PIXEL_EVENTS + 1, dtype=np.float32)
        self._colours = mixed(steps[:, None], steps[None, :]).reshape(-1, 3)
        self._counts = np.zeros((2, self.shape[0] * self.shape[1]), np.int32)  # OFF, ON

    def add(self, events: Events) -> None:
        places, events = self._places(events)
        for counts, chosen in zip(self._counts, (events.p == 0, events.p != 0)):
            np.add.at(counts, places[chosen], np.int32(1))  # with the sums' own type: forty times as fast

    def image(self, t_ns: int = 0) -> np.ndarray:
        off, on = np.minimum(self._counts, MAX_PIXEL_EVENTS, out=self._counts)
        on *= MAX_PIXEL_EVENTS + 1
        picture = np.take(self._colours, on + off, axis=0).reshape(*self.shape, 3)
        self._counts[:] = 0
        return picture


class Surface(Painter):
    """Draws a time surface: each pixel shows its last event with a brightness of exp(-age / tau)."""

    tau = 0.03  # s
    memory = FADE * tau

    def __init__(self, width: int, height: int, shrink: int = 1) -> None:
        super().__init__(width, height, shrink)
        self._step = round(self.memory * 1e9 / AGES)  # ns in an age step
        fading = np.exp(-FADE * np.arange(AGES) / AGES)
        fading[-1] = 0.0
        nothing = np.zeros(AGES)
        self._colours = np.concatenate([mixed(nothing, fading), mixed(fading, nothing)])
        # twice the age step of the last event, plus its polarity
        self._last = np.full(self.shape[0] * self.shape[1], -(1 << 62), np.int64)

    def add(self, events: Events) -> None:
        places, events = self._places(events)
        self._last[places] = events.ns // self._step * 2 + (events.p != 0)  # the last of several events is kept

    def image(self, t_ns: int) -> np.ndarray:
        ages = (t_ns // self._step - (self._last >> 1)).view(np.uint64)  # very large after a step back of the clock
        codes = np.minimum(ages, np.uint64(AGES - 1)).view(np.int64)
        codes += (self._last & 1) * AGES
        return np.take(self._colours, codes, axis=0).reshape(*self.shape, 3)


class Grey(Painter):
    """Draws a leaky sum of the polarities as a grey picture, similar to a camera's image without its static parts."""

    tau = 0.1  # s
    memory = FADE * tau

    def __init__(self, width: int, height: int, shrink: int = 1) -> None:
        super().__init__(width, height, shrink)
        self.contrast = CONTRAST / shrink
        self._sum = np.zeros(self.shape[0] * self.shape[1], np.float32)
        self._t: int | None = None

    def _leak(self, t_ns: int) -> None:
        if self._t is None or abs(t_ns - self._t) > self.memory * 1e9:  # nothing is left, or the clock was reset
            self._sum[:] = 0.0
            self._t = t_ns
        elif t_ns > self._t:
            self._sum *= np.float32(np.exp(-(t_ns - self._t) * 1e-9 / self.tau))
            self._t = t_ns

    def add(self, events: Events) -> None:
        places, events = self._places(events)
        if not len(events):
            return
        self._leak(int(events.ns[0]))  # the events of one call count as simultaneous
        np.add.at(self._sum, places, np.where(events.p != 0, np.float32(1), np.float32(-1)))

    def image(self, t_ns: int) -> np.ndarray:
        self._leak(t_ns)
        grey = np.clip(128.0 + self.contrast * self._sum, 0, 255).astype(np.uint8).reshape(self.shape)
        return np.repeat(grey[:, :, None], 3, axis=2)


#: name of a style -> its painter
STYLES: dict[str, type[Painter]] = {"polarity": Polarity, "surface": Surface, "grey": Grey}


def painter(style: str, width: int, height: int, shrink: int = 1) -> Painter:
    """Return a new painter of the style ``style``. Raise InputError if the style is unknown."""
    if style not in STYLES:
        raise InputError(f"style = {style!r}: is not known; {nearest(style, STYLES)}")
    return STYLES[style](width, height, shrink)


def fitting(width: int, height: int, room: Sequence[int]) -> tuple[int, int]:
    """Return the integer factors (shrink, enlarge) with which a sensor's picture best fits into ``room``.

    room : (width, height) of the available space [pixel]
    """
    shrink = max(1, -(-width // room[0]), -(-height // room[1]))
    columns, rows = -(-width // shrink), -(-height // shrink)
    return shrink, max(1, min(room[0] // columns, room[1] // rows))


def likely_size(columns: int, rows: int) -> tuple[int, int]:
    """Return the likely (width, height) of a sensor [pixel].

    columns : number of columns in which events were seen: the largest x, plus 1
    rows : number of rows in which events were seen: the largest y, plus 1
    """
    fits = [size for size in SENSORS if size[0] >= columns and size[1] >= rows]
    return min(fits, key=lambda size: size[0] * size[1], default=(columns, rows))


def enlarge(image: np.ndarray, times: int) -> np.ndarray:
    """Return the image with each pixel repeated as a square of times x times pixels."""
    return image if times == 1 else np.repeat(np.repeat(image, times, axis=0), times, axis=1)
