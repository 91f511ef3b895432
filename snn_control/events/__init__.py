"""Event cameras: decode and encode their packets, and read, write and draw recordings.

`codecs` and `packets` are compiled functions for the real-time loop. `Decoder` and `open_recording` are for use from
Python. Event filters and pooling belong to the inputs of a controller (`snn_control.coding`) and run in the tick.
"""

from .columns import Events
from .decoder import Decoder
from .files import open_recording
from .recording import Recording

__all__ = ["Decoder", "Events", "Recording", "open_recording"]
