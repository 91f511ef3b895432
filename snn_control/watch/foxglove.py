"""Show a watched run in Foxglove, Lichtblick and other clients of Foxglove's websocket protocol, version 1.

A client sees tunable parameters as Foxglove parameters, and can subscribe to channels. The server computes only
channels with a subscription. The time stamps of the messages start at wall-clock time when the client connects, and
advance with the time of the run: they stand still while the run is paused, and continue after a reset of the run.

The protocol: https://github.com/foxglove/ws-protocol/blob/releases/typescript/ws-protocol/v0.8.0/docs/spec.md
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import InputError, SnnControlError
from ..record.run_folder import plain
from . import protocol
from .foxglove_channels import Channels, Frame
from .source import number_in

__all__ = ["PATHS", "SUBPROTOCOLS", "Session", "offered"]

SUBPROTOCOLS = ("foxglove.sdk.v1", "foxglove.websocket.v1")
PATHS = ("/", "/ws", "/foxglove")
DATA, TIME = b"\x01", b"\x02"  # opcodes
WARNING, ERROR = 1, 2  # levels of a status
MAX_ITEMS, MAX_TEXT = 256, 400  # in a list of a client's message; of an answer


def offered(path: str, subprotocols: Iterable[str]) -> bool:
    """Return whether a client requests Foxglove's protocol instead of the protocol of the live page.

    path : path of the client's HTTP request
    subprotocols : lines of the client's HTTP header that name protocols
    """
    offers = {one.strip() for line in subprotocols for one in line.split(",")}
    return path in PATHS and protocol.SUBPROTOCOL not in offers and not offers.isdisjoint(SUBPROTOCOLS)


def _said(**message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


def _items(said: Mapping[str, Any], key: str, kind: type) -> list[Any]:
    """Return the list ``said[key]`` of a message. Raises InputError unless it is a short list of type ``kind``."""
    found = said.get(key)
    if not isinstance(found, list) or len(found) > MAX_ITEMS or not all(type(one) is kind for one in found):
        raise InputError(f"{key}: must be a list of at most {MAX_ITEMS} elements of type {kind.__name__}")
    return found


class Session:
    """The connection of one client of Foxglove's protocol.

    scene : description of the run, see `snn_control.watch.scene`
    controls : whether the client may set parameters
    act : function (action, values) that performs an action of the `Source`; it may wait for the run
    refused : number of invalid messages
    """

    def __init__(self, scene: Mapping[str, Any], controls: bool, act: Callable[[str, Mapping[str, Any]], Any]) -> None:
        self._title, self._kind, self._controls, self._act = scene["title"], scene.get("kind"), controls, act
        self._first_id = 0  # of the channels
        self._use(scene)
        self._follows: set[str] = set()  # parameters whose changes are sent
        self._last_ns = self._clock_ns = 0
        self._offset_ns: int | None = None  # from the run's time to the time of messages
        self.refused = 0

    def _use(self, scene: Mapping[str, Any]) -> None:
        self._period_ns = round(scene["period"] * 1e9)
        self._channels = Channels(scene)
        self._subscribed: dict[int, int] = {}  # subscription -> channel
        self._sent: dict[int, tuple[int, bytes]] = {}  # subscription -> newest message; a repetition is not sent
        self._tuned = self._parameters = {one["path"]: one["value"] for one in scene["tunable"]}

    def hello(self) -> list[str]:
        """Return the first messages for the client: they describe the server and its channels."""
        capabilities = ["time", "parameters", "parametersSubscribe"]
        info = {"name": f"snn_control: {self._title}", "capabilities": capabilities, "sessionId": secrets.token_hex(8)}
        first = [_said(op="serverInfo", **info), self._advertise()]
        if self._kind == "record":
            first.append(_said(op="status", level=WARNING, message="a record is played in the page only"))
        return first

    def change(self, scene: Mapping[str, Any]) -> list[str]:
        """Continue with the scene of another controller. Return the messages that describe its channels to the client.

        The client must then subscribe again.
        """
        old = range(self._first_id, self._first_id + len(self._channels.all))
        self._first_id = old.stop
        self._use(scene)
        return [_said(op="unadvertise", channelIds=[*old]), self._advertise(), self._values(self._follows)]

    def _advertise(self) -> str:
        return _said(op="advertise", channels=[
            {"id": self._first_id + k, "topic": one.topic, "encoding": "json", "schemaName": one.schema["title"],
             "schema": json.dumps(one.schema), "schemaEncoding": "jsonschema"}
            for k, one in enumerate(self._channels.all)
        ])  # fmt: skip

    # messages from the client ----------------------------------------------------------------------------------------
    async def answer(self, message: str | bytes) -> list[str]:
        """Perform the request in a client's message. Return the messages that answer the request.

        An invalid message is counted and answered with an error.
        """
        answers: list[str] = []
        errors: list[str] = []
        try:
            if isinstance(message, bytes):
                raise InputError("binary messages are not accepted: the server offers neither topics nor services")
            said = json.loads(message)
            name = said.get("op") if isinstance(said, dict) else None
            if not isinstance(name, str) or name not in OPERATIONS:
                raise InputError(f"op {name!r:.40}: must be one of {', '.join(OPERATIONS)}")
            answers += await OPERATIONS[name](self, said, errors)
        except (SnnControlError, ValueError, RecursionError) as error:
            errors.append(str(error))
        if errors:
            self.refused += 1
            answers.append(_said(op="status", level=ERROR, message="; ".join(errors)[:MAX_TEXT]))
        return answers

    async def _subscribe(self, said: Mapping[str, Any], errors: list[str]) -> list[str]:
        for one in _items(said, "subscriptions", dict):
            number, channel = one.get("id"), one.get("channelId")
            if type(number) is not int or not 0 <= number < 2**32:
                errors.append("subscription id: must be a whole number from 0 to 4294967295")
            elif type(channel) is not int or not 0 <= channel - self._first_id < len(self._channels.all):
                errors.append(f"channel {channel!r:.40}: is not advertised")
            elif number in self._subscribed or channel in self._subscribed.values():
                errors.append(f"subscription {number} to channel {channel}: one of them is in use")
            else:
                self._subscribed[number] = channel
        return []

    async def _unsubscribe(self, said: Mapping[str, Any], _: list[str]) -> list[str]:
        for number in _items(said, "subscriptionIds", int):  # perhaps of a channel that was withdrawn meanwhile
            self._subscribed.pop(number, None)
            self._sent.pop(number, None)
        return []

    async def _get(self, said: Mapping[str, Any], _: list[str]) -> list[str]:
        return [self._values(self._named(said), said)]

    async def _set(self, said: Mapping[str, Any], errors: list[str]) -> list[str]:
        names = []
        for one in _items(said, "parameters", dict):
            name = one.get("name")
            try:
                if not isinstance(name, str) or name not in self._parameters:
                    raise InputError(f"parameter {name!r:.80}: does not exist")
                names.append(name)
                if not self._controls:
                    raise InputError("parameters may only be read: use the link with the token, which --control prints")
                value = number_in(one, "value", -1e308, 1e308)
                await asyncio.to_thread(self._act, "tune", {"path": name, "value": value})
                self._parameters = self._parameters | {name: value}
            except SnnControlError as error:
                errors.append(str(error))
        return [self._values(names, said)]  # the present values, also of what was refused

    async def _follow(self, said: Mapping[str, Any], _: list[str]) -> list[str]:
        self._follows |= set(self._named(said))
        return []

    async def _leave(self, said: Mapping[str, Any], _: list[str]) -> list[str]:
        self._follows -= set(self._named(said))
        return []

    def _named(self, said: Mapping[str, Any]) -> list[str]:
        """Return the names of existing parameters that a message contains; all names if the message contains none."""
        names = _items(said, "parameterNames", str)
        return [name for name in self._parameters if name in names or not names]

    def _values(self, names: Iterable[str], said: Mapping[str, Any] | None = None) -> str:
        now = self._parameters
        values = [{"name": name, "value": now[name], "type": "float64"} for name in names if name in now]
        number = (said or {}).get("id")
        asked = {"id": number} if isinstance(number, str) and len(number) <= MAX_TEXT else {}
        return _said(op="parameterValues", parameters=values, **asked)

    # messages to the client ------------------------------------------------------------------------------------------
    def messages(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Iterator[str | bytes]:
        """Convert a frame to messages: changed parameters, then messages of subscribed channels, sorted by time."""
        yield from self._changed(header["tuned"])
        frame = Frame(header, arrays, self._time(header))
        found: list[tuple[int, int, bytes]] = []
        for number, k in self._subscribed.items():
            channel = self._channels.all[k - self._first_id]
            found += [(ns, number, _said(**plain(body, channel.topic)).encode()) for ns, body in channel.make(frame)]
        found.sort(key=lambda one: one[0])
        for ns, number, payload in found:
            yield from self._clock(ns)
            if number in self._subscribed and self._sent.get(number) != (ns, payload):  # it may have left meanwhile
                self._sent[number] = ns, payload
                yield DATA + number.to_bytes(4, "little") + ns.to_bytes(8, "little") + payload
        yield from self._clock(frame.ns)

    def _changed(self, tuned: list[float]) -> Iterator[str]:
        """Yield a message with the parameters that changed since the last frame, if the client subscribed to them.

        A value that a client sets appears in the frames from the next tick on.

        tuned : present values of the tunable parameters
        """
        now = dict(zip(self._tuned, tuned, strict=True))
        names = [name for name, value in now.items() if value != self._tuned[name]]
        self._tuned, self._parameters = now, self._parameters | {name: now[name] for name in names}
        if followed := [name for name in names if name in self._follows]:
            yield self._values(followed)

    def _time(self, header: Mapping[str, Any]) -> int:
        """Return the time stamp for the end of a frame [ns]. Time stamps also increase after a reset of the run."""
        t_ns = round(header["t"] * 1e9)
        if self._offset_ns is None:
            self._offset_ns = time.time_ns() - t_ns
        begin = t_ns + self._offset_ns - header["ticks"] * self._period_ns
        if begin < self._last_ns - self._period_ns // 2:  # after a reset, the run counts its ticks anew
            self._offset_ns += self._last_ns - begin
            self._channels.restart()
        self._last_ns = t_ns + self._offset_ns
        return self._last_ns

    def _clock(self, ns: int) -> Iterator[bytes]:
        if ns > self._clock_ns:
            self._clock_ns = ns
            yield TIME + ns.to_bytes(8, "little")


OPERATIONS: dict[str, Callable[[Session, Mapping[str, Any], list[str]], Awaitable[list[str]]]] = {
    "subscribe": Session._subscribe,
    "unsubscribe": Session._unsubscribe,
    "getParameters": Session._get,
    "setParameters": Session._set,
    "subscribeParameterUpdates": Session._follow,
    "unsubscribeParameterUpdates": Session._leave,
}
