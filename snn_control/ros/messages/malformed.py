"""The reasons why a message counts as malformed: an error code, a counter and a description for each reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import counted
from ...events.cdr import ENCAPSULATION, MISSING, TRUNCATED
from ...events.packets import BAD_LAYOUT
from .paths import Named
from .selection import EXTRA, NO_BEAM, NO_NAME, REPEATED, UNEVEN

__all__ = ["ABOUT", "BAD_ENCODING", "CODE", "COUNTS", "FEW", "REASONS", "REASON_WORDS"]
__all__ += ["OTHER_SIZE", "TOO_SMALL", "explain"]

#: fewer numbers than the input takes; a picture with an encoding that is not supported, with fewer pixels than cells,
#: or with another size than the input's frames. The other codes come from the readers of messages
FEW, BAD_ENCODING, TOO_SMALL, OTHER_SIZE = -10, -11, -12, -13
CELLS = ("mono8", "rgb8", "bgr8", "rgba8", "bgra8", "8UC1", "8UC3", "8UC4")  # encodings that become cells of a grid

#: code -> its word in the names of counters
REASONS = {
    ENCAPSULATION: "encapsulation", TRUNCATED: "truncated", MISSING: "missing", EXTRA: "too_many", FEW: "too_few",
    BAD_LAYOUT: "layout", NO_NAME: "no_name", REPEATED: "repeated_name", UNEVEN: "uneven", NO_BEAM: "no_beam",
    BAD_ENCODING: "encoding", TOO_SMALL: "too_small", OTHER_SIZE: "other_size",
}  # fmt: skip

# Words of a log: the newest code and two numbers about it; then a counter for each code, starting with code 0
CODE, ABOUT, COUNTS = 0, 1, 3
REASON_WORDS = COUNTS + 1 - min(REASONS)


def explain(
    code: int, about: Sequence[int], field: str = "", named: Named | None = None, size: int = 0,
    encodings: Sequence[str] = CELLS,
) -> str:  # fmt: skip
    """Describe why a message is malformed, e.g. ``'gripper' is not in name``; "" if ``code`` is not an error.

    code : an error code in `REASONS`
    about : two numbers that were stored with the code, such as counts; for an unknown encoding, the first 16 bytes of
        its name
    field : path of the field that was read
    named : the part of the path that selects elements by name
    size : how many numbers the input needs; 0: not known
    encodings : accepted encodings of pictures
    """
    a, b = about
    if code in (NO_NAME, REPEATED) and named is not None and 0 <= a < len(named.names):
        return f"{named.names[a]!r} is {'not' if code == NO_NAME else 'more than once'} in {named.key}"
    if code in (EXTRA, FEW):
        takes = f"the input takes {size}" if size else "more than expected"
        return f"has {counted(a)} in {field}, {takes}" + (": select as many, or `reduce` them" if code == EXTRA else "")
    if code == UNEVEN and named is not None:
        return f"has {counted(a, 'element')} in {field}, but {counted(b, 'name')} in {named.key}"
    if code == BAD_ENCODING:
        name = np.array([a, b], np.int64).tobytes().partition(b"\0")[0].decode(errors="replace")
        return f"is {name!r}, not {', '.join(encodings[:-1])} or {encodings[-1]}"
    if code == MISSING:
        return f"has {counted(a, 'element')}, too few for {field}" if field else "lacks a field"
    return {
        ENCAPSULATION: "is not a plain CDR message",
        TRUNCATED: "ends too early",
        BAD_LAYOUT: "has fields of other types",
        NO_BEAM: f"has only {counted(a, 'beam')} in {field}: a part of it" if a else f"has no beam within {field}",
        OTHER_SIZE: f"has {a} x {b} pixels, not those of the input",
        TOO_SMALL: "has fewer pixels than the grid has cells",
    }.get(code, "")
