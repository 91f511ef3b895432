"""Event cameras: decode and encode their packets, and read, write and draw recordings.

`codecs` and `packets` are compiled and serve the real-time loop; `Decoder` and `open_recording` serve Python. Filters
and pooling belong to the encoders of a controller's input (`snn_control.coding`) and run in the tick.
"""

from .columns import Events
from .decoder import Decoder
from .files import open_recording
from .recording import Recording

__all__ = ["Decoder", "Events", "Recording", "open_recording"]
