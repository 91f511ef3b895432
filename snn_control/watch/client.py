"""A Python client for the live page's server, for tests and scripts.

>>> with Client("http://127.0.0.1:8765/#token=...") as client:
...     client.act("tune", path="network.populations.hidden.bias", value=0.5)
...     header, arrays = client.frame()
"""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np

from ..errors import InputError, RuntimeFault, optional
from . import protocol

__all__ = ["Client"]


class Client:
    """A connection to a run that ``snn_control watch`` shows.

    url : the address that ``snn_control watch`` prints; with the token in it the client may change the run
    timeout : longest wait for an answer or a frame [s]
    scene : description of the controller, see `snn_control.watch.scene`; replaced if the run gets another controller,
        or if a node is started again

    Raises RuntimeFault if there is no server, or if the server refuses the connection.
    """

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        connect = optional("websockets.sync.client", "the live page needs websockets", "watch").connect
        parts, self.timeout, self._open = urlsplit(url), timeout, ExitStack()
        token = parse_qs(parts.fragment).get("token", [""])[0]
        address = f"ws://{parts.netloc}/ws" + (f"?token={quote(token)}" if token else "")
        try:
            self._connection = self._open.enter_context(connect(
                address, subprotocols=[protocol.SUBPROTOCOL], max_size=None, compression=None, open_timeout=timeout,
                proxy=None,
            ))  # fmt: skip
        except Exception as error:
            raise RuntimeFault(f"{url}: cannot be watched: {error}") from None
        self._frames: deque[bytes] = deque(maxlen=256)
        self._number = 0
        self.scene: dict[str, Any] = {}
        self._take()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. This reads all remaining frames, because they precede the server's last answer."""
        closing = threading.Thread(target=self._open.close)
        closing.start()
        with suppress(Exception):  # the connection is closed
            while True:
                self._connection.recv(self.timeout)
        closing.join()

    def frame(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the next frame of activity: its header, and its arrays by name (docs/reference/watch_protocol.md).

        Raises RuntimeFault if no frame arrives in time.
        """
        try:
            while not self._frames:
                self._take()
        except Exception as error:
            raise RuntimeFault(f"no frame within {self.timeout:g} s: {error}") from None
        return protocol.decode(self._frames.popleft())

    def look(self, names: list[str]) -> None:
        """Select the populations whose membrane potentials each frame contains."""
        self._ask({"op": "look", "names": names})

    def act(self, action: str, **values: Any) -> dict[str, Any]:
        """Request an action such as ``pause`` or ``tune``, and return the server's answer.

        Raises InputError if the server refuses the action.
        """
        return self._ask({"op": "act", "action": action, **values})

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        self._connection.send(json.dumps(message | {"id": self._number}))
        while (said := self._take()).get("id") != self._number:
            pass
        if said["op"] == "error":
            raise InputError(said["text"])
        return said

    def _take(self) -> dict[str, Any]:
        """Receive one message of the server. Store a frame or a scene; return a text message, or {} for a frame."""
        message = self._connection.recv(self.timeout)
        if isinstance(message, bytes):
            self._frames.append(message)
            return {}
        said: dict[str, Any] = json.loads(message)
        if said["op"] == "scene":
            self.scene = said
            self._frames.clear()
        return said
