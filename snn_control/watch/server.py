"""The server of the live page. One port serves the page's files over HTTP, and the run's frames over a websocket.

The server runs in a thread of ordinary priority. The run never waits for the server: if a client reads too slowly, the
server drops and counts the oldest frames for this client. All messages of clients are untrusted input.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..errors import InputError, RuntimeFault, SnnControlError, describe_exception, optional
from ..record.run_folder import plain
from . import foxglove, protocol
from .source import Source

__all__ = ["Server"]

RATE = 30.0  # frames a second, at most
WAITING = 4  # frames that wait for a client, at most
MAX_CLIENTS = 64
MAX_REQUESTS = 128  # files that are being sent
OPEN_S = 5.0  # a connection must send its request in this time
MAX_BUFFER = 1 << 20  # bytes that the socket of a client may buffer
SILENT_S = 10.0  # without an answer to a ping, a client is gone
REFUSED_S = 0.2  # pause after a wrong message, so that a flood costs nothing
ANYWHERE = ("0.0.0.0", "::")  # all addresses of this machine
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip
TYPES = {
    "js": "text/javascript", "html": "text/html; charset=utf-8", "css": "text/css", "svg": "image/svg+xml",
    "bin": "application/octet-stream",
}  # fmt: skip


class _Client:
    """A connected page: its queue of frames, the populations that it selected, and its number of dropped frames."""

    def __init__(self, connection: Any, controls: bool) -> None:
        self.connection, self.controls = connection, controls
        self.frames: deque[tuple[dict[str, Any], Mapping[str, Any]] | None] = deque()
        self.dropped = 0
        self.looks: set[str] = set()
        self.foxglove: foxglove.Session | None = None  # if it speaks this protocol instead of the page's
        self.ready = asyncio.Event()

    def offer(self, frame: tuple[dict[str, Any], Mapping[str, Any]] | None) -> None:
        """Append a frame to the queue of this page. If too many frames wait, drop and count the oldest frame.

        frame : header and arrays; None announces a new scene, and removes all waiting frames
        """
        if frame is None:
            self.frames.clear()
        elif len(self.frames) >= WAITING:
            self.frames.remove(next(one for one in self.frames if one is not None))
            self.dropped += 1
        self.frames.append(frame)
        self.ready.set()


class Server:
    """Serves the frames of a run to pages.

    source : the run
    host, port : address to listen on; port 0: a free port
    control : whether pages whose address contains the token may change the run; if false, pages can only watch
    ended : event that is set when the server has ended; if an error ended the server, `close` raises RuntimeFault

    Raises RuntimeFault if the server cannot listen at this address.
    """

    def __init__(self, source: Source, host: str = "127.0.0.1", port: int = 0, control: bool = False) -> None:
        self.source, self.host, self.port = source, host, port
        self.token = secrets.token_urlsafe(18) if control else ""
        self.refused = 0  # connections and messages
        self._clients: set[_Client] = set()
        self._requests: set[Any] = set()  # connections that get a file
        self._pages = {one.name: one.read_bytes() for one in (resources.files(__package__) / "page").iterdir()}
        self._started, self.ended, self._error = threading.Event(), threading.Event(), ""
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="watch server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._error:
            raise RuntimeFault(f"the page cannot be served at {host}, port {port}: {self._error}")

    @property
    def url(self) -> str:
        """Address of the page. It contains the token if pages may change the run."""
        host = "127.0.0.1" if self.host in ANYWHERE else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/" + (f"#token={self.token}" if self.token else "")

    def close(self) -> None:
        """Close all connections and end the server's thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(5.0)
        if self._error:
            raise RuntimeFault(f"the live page ended: {self._error}")

    # the thread ------------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._note)  # of single connections
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._error = error.strerror or str(error)
        except Exception as error:  # a page that is dead must not look alive
            self._error = describe_exception(error)
        finally:
            self._loop.close()
            self._started.set()
            self.ended.set()

    def _note(self, loop: Any, context: dict[str, Any]) -> None:
        self.refused += 1

    async def _serve(self) -> None:
        serve = optional("websockets.asyncio.server", "the live page needs websockets", "watch").serve
        async with serve(
            self._client, self.host, self.port, process_request=self._request, compression=None,
            max_size=protocol.MAX_MESSAGE, max_queue=4, write_limit=MAX_BUFFER, open_timeout=OPEN_S,
            ping_interval=SILENT_S / 2, ping_timeout=SILENT_S, server_header=None, logger=_quiet(),
            subprotocols=[protocol.SUBPROTOCOL, *foxglove.SUBPROTOCOLS],
        ) as server:  # fmt: skip
            self.port = server.sockets[0].getsockname()[1]
            self._started.set()
            await self._give_frames()

    async def _give_frames(self) -> None:
        """Offer the frames of the run to all clients, until the server ends."""
        due, changes = time.monotonic(), self.source.changes
        while not self._end.is_set():
            due = max(due + 1 / RATE, time.monotonic())
            if self._clients:
                self.source.look(set().union(*(client.looks for client in self._clients)))
                if changes != self.source.changes:
                    changes = self.source.changes
                    for client in self._clients:
                        client.offer(None)
                for frame in self.source.frames():
                    for client in self._clients:
                        client.offer(frame)
            try:
                await asyncio.wait_for(self._end.wait(), max(0.001, due - time.monotonic()))
            except asyncio.TimeoutError:
                continue

    # connections -----------------------------------------------------------------------------------------------------
    def _request(self, connection: Any, request: Any) -> Any:
        """Return the response to a request: a file of the page, or a refusal; None lets the client open a websocket."""
        url = urlsplit(request.path)
        app = foxglove.offered(url.path, request.headers.get_all("Sec-WebSocket-Protocol"))
        given = parse_qs(url.query).get("token", [""])[0]
        known = bool(self.token) and hmac.compare_digest(given.encode(), self.token.encode())
        if not self._from_here(request.headers, any_origin=app and known):
            return self._refuse(connection, HTTPStatus.FORBIDDEN, "wrong host or origin")
        if url.path == "/ws" or app:
            if given and not known:
                return self._refuse(connection, HTTPStatus.UNAUTHORIZED, "wrong token")
            if len(self._clients) >= MAX_CLIENTS:
                return self._refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_CLIENTS} pages are open")
            connection.may_control = known
            return None
        name = "index.html" if url.path == "/" else url.path.removeprefix("/")
        if len(self._requests) >= MAX_REQUESTS:
            return self._refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_REQUESTS} files are being sent")
        if name == protocol.RECORD and self.source.data:
            begin = parse_qs(url.query).get("from", [""])[0]
            if not (begin.isascii() and begin.isdigit() and len(begin) < 16):
                return self._refuse(connection, HTTPStatus.BAD_REQUEST, f"ask for {protocol.RECORD}?from=BYTE")
            body = self.source.data[int(begin) : int(begin) + protocol.PART]
        elif name in self._pages:
            body = self._pages[name]
        else:
            return self._refuse(connection, HTTPStatus.NOT_FOUND, "no such file")
        self._requests.add(connection)
        asyncio.ensure_future(connection.wait_closed()).add_done_callback(lambda _: self._requests.discard(connection))
        response = connection.respond(HTTPStatus.OK, "")
        response.body = body
        kind = TYPES[name.rpartition(".")[2]]
        for key, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(response.body))}.items():
            if key in response.headers:
                del response.headers[key]
            response.headers[key] = value
        return response

    def _from_here(self, headers: Any, any_origin: bool) -> bool:
        """Return whether a request comes from the live page: Host is this server, and Origin is its page or missing.

        Other sites therefore cannot connect, nor pages under a foreign host name that resolves to this computer.

        any_origin : accept every Origin, for a web application that has the token
        """
        host = headers.get("Host", "")
        name = host.rpartition(":")[0].strip("[]") if ":" in host else host
        known = {"127.0.0.1", "localhost", "::1", self.host}
        if self.host in ANYWHERE:  # any address of this machine, but no name that others can choose
            known.add(name if name.replace(".", "").isdigit() or ":" in name else "localhost")
        origin = headers.get("Origin")
        return name in known and (any_origin or origin is None or urlsplit(origin).netloc == host)

    def _refuse(self, connection: Any, status: HTTPStatus, text: str) -> Any:
        self.refused += 1
        return connection.respond(status, text + "\n")

    async def _client(self, connection: Any) -> None:
        client = _Client(connection, connection.may_control)
        if connection.subprotocol in foxglove.SUBPROTOCOLS:
            scene = plain(self.source.scene(), "scene")
            client.foxglove = foxglove.Session(scene, client.controls, self.source.act)
            await self._send_all(client, client.foxglove.hello())
        else:
            await self._send_scene(client)
        self._clients.add(client)
        sender = asyncio.create_task(self._send(client))
        try:
            async for message in connection:
                if client.foxglove:
                    await self._answer(client, client.foxglove, message)
                else:
                    await self._message(client, message)
        except Exception:  # the connection is gone
            return
        finally:
            self._clients.discard(client)
            sender.cancel()

    async def _send_scene(self, client: _Client) -> None:
        scene = plain(self.source.scene(), "scene")
        if client.foxglove:
            await self._send_all(client, client.foxglove.change(scene))
        else:
            first = {"op": "scene", "version": protocol.VERSION, "control": client.controls}
            await client.connection.send(json.dumps(first | scene))

    async def _send(self, client: _Client) -> None:
        while True:
            await client.ready.wait()
            client.ready.clear()
            while client.frames:
                frame = client.frames.popleft()
                if frame is None:
                    await self._send_scene(client)
                    continue
                header, arrays = frame
                header = {"op": "frame", **header, "dropped": client.dropped + header.get("lost", 0)}
                if client.foxglove:
                    await self._send_all(client, client.foxglove.messages(header, arrays))
                else:
                    await client.connection.send(protocol.encode(header, arrays))

    async def _send_all(self, client: _Client, messages: Iterable[str | bytes]) -> None:
        for message in messages:
            await client.connection.send(message)

    async def _answer(self, client: _Client, session: foxglove.Session, message: str | bytes) -> None:
        """Perform the request in a message of a Foxglove client, and send the answers."""
        refused, answers = session.refused, await session.answer(message)
        if session.refused > refused:
            self.refused += 1
            await asyncio.sleep(REFUSED_S)
        await self._send_all(client, answers)

    async def _message(self, client: _Client, message: str | bytes) -> None:
        """Perform the request in a message of a page, and send the answer."""
        number = None
        try:
            said = json.loads(message)
            if not isinstance(said, dict):
                raise InputError("a message must be an object")
            number = said.get("id") if isinstance(said.get("id"), int) else None
            answer = await self._do(client, said)
        except Exception as error:  # of a message, of a disk, of a world; the page shows it
            self.refused += 1
            known = isinstance(error, SnnControlError | ValueError | OSError)
            answer = {"op": "error", "text": str(error)[:400] if known else describe_exception(error)}
            await asyncio.sleep(REFUSED_S)
        await client.connection.send(json.dumps(answer | {"id": number}))

    async def _do(self, client: _Client, said: Mapping[str, Any]) -> dict[str, Any]:
        if said.get("op") == "look":
            names = said.get("names")
            if (
                not isinstance(names, list)
                or len(names) > protocol.MAX_LOOKS
                or not all(isinstance(one, str) for one in names)
            ):
                raise InputError(f"look: names must be a list of at most {protocol.MAX_LOOKS} names")
            known = {one["name"] for one in self.source.scene()["populations"]}
            if unknown := next((one for one in names if one not in known), ""):
                raise InputError(f"look: {unknown!r:.40}: is not a population of this scene")
            client.looks = set(names)
            return {"op": "done"}
        if said.get("op") == "act":
            if not client.controls:
                raise InputError("this page may only look: open the link with the token, which --control prints")
            text = await asyncio.to_thread(self.source.act, str(said.get("action")), said)
            return {"op": "done", "text": text}
        raise InputError(f"op {said.get('op')!r:.40}: must be look or act")


def _quiet() -> Any:
    """Return a logger without output for the websocket library, because errors of clients are counted, not printed."""
    import logging

    logger = logging.getLogger("snn_control.watch")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
