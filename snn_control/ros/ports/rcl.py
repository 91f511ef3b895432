"""Functions and structures of rcl, the C library below rclpy, for the real-time thread.

rclpy creates the nodes, subscriptions and publishers. A port passes their handles to rcl directly, so that no Python
code runs between a message and a command. The shared libraries are found by name, because rclpy has loaded them.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from ...errors import RuntimeFault

__all__ = [
    "INFO_BYTES", "TAKE_FAILED", "ReceiveBuffer", "SendBuffer", "SerializedMessage", "address_of", "count_matched",
    "new_message_wakes",
]  # fmt: skip

TAKE_FAILED = 401  # RCL_RET_SUBSCRIPTION_TAKE_FAILED: no message
INFO_BYTES = 256  # upper limit: rmw_message_info_t differs between distributions


class Allocator(ctypes.Structure):
    """The C structure rcutils_allocator_t, a part of `SerializedMessage`."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("allocate", "deallocate", "reallocate", "zero_allocate", "state")]


class SerializedMessage(ctypes.Structure):
    """The C structure rcl_serialized_message_t (rcutils_uint8_array_t). Its first word is the buffer's address, its
    second word the length."""

    _fields_ = [
        ("buffer", ctypes.c_void_p), ("length", ctypes.c_size_t), ("capacity", ctypes.c_size_t),
        ("allocator", Allocator),
    ]  # fmt: skip


@cache
def _library(name: str) -> ctypes.CDLL:
    if name == "c":
        return ctypes.CDLL(None)
    import rclpy  # noqa: F401 - loads the libraries, from wherever this installation keeps them

    try:
        return ctypes.CDLL(f"lib{name}.so")
    except OSError as error:
        fix = "source the setup file of your ROS distribution"
        raise RuntimeFault(f"lib{name}.so cannot be loaded: {error}; {fix}") from None


@cache
def address_of(library: str, function: str) -> int:
    """Return the address of a function of librcl, librcutils or libc ("c").

    Raises RuntimeFault if the library has no such function.
    """
    found = getattr(_library(library), function, None)
    address = ctypes.cast(found, ctypes.c_void_p).value if found else None
    if not address:
        raise RuntimeFault(f"lib{library} has no function {function}; this ROS distribution is older than Humble")
    return address


def _declared(library: str, name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_library(library), name)
    function.restype, function.argtypes = result, arguments
    return function


def _call(name: str, *arguments: int | None) -> None:
    """Call a function of rcl with pointers. Raises RuntimeFault for an error code."""
    code = _declared("rcl", name, ctypes.c_int, *[ctypes.c_void_p] * len(arguments))(*arguments)
    if code != 0:
        _library("rcutils").rcutils_reset_error()
        raise RuntimeFault(f"{name} failed with {code}")


def _default_allocator() -> Allocator:
    return _declared("rcutils", "rcutils_get_default_allocator", Allocator)()


class ReceiveBuffer:
    """A buffer for received messages, in the form of rcl's serialized message. It is freed together with this object.

    If a message is longer than ``capacity`` [bytes], the middleware enlarges the buffer in the thread that takes the
    message.

    address : address of the buffer's C structure
    """

    def __init__(self, capacity: int) -> None:
        void, size = ctypes.c_void_p, ctypes.c_size_t
        self._finish = _declared("rcutils", "rcutils_uint8_array_fini", ctypes.c_int, void)
        start = _declared("rcutils", "rcutils_uint8_array_init", ctypes.c_int, void, size, void)
        allocator = _default_allocator()
        self.message = SerializedMessage()
        self.address = ctypes.addressof(self.message)
        if start(self.address, capacity, ctypes.addressof(allocator)) != 0:
            raise RuntimeFault(f"no memory for a message of {capacity} bytes")

    def __del__(self) -> None:
        if getattr(self, "message", None) is not None and self.message.buffer:
            self._finish(self.address)


class SendBuffer:
    """A serialized message in the form of rcl's C structure. Its bytes are those of an array, which is kept alive."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.message = SerializedMessage(data.ctypes.data, data.nbytes, data.nbytes, _default_allocator())
        self.address = ctypes.addressof(self.message)


def count_matched(entity: Any) -> int:
    """Return the number of publishers matched with a subscription, or of subscriptions matched with a publisher.

    The number may include publishers and subscriptions whose process has died.
    """
    publisher = hasattr(entity, "publish")
    name = "rcl_publisher_get_subscription_count" if publisher else "rcl_subscription_get_publisher_count"
    n = ctypes.c_size_t()
    with entity.handle:
        _call(name, entity.handle.pointer, ctypes.addressof(n))
    return n.value


def new_message_wakes(subscription: int, semaphore: int) -> None:
    """Make rcl post a semaphore whenever a message arrives at a subscription.

    subscription : a valid ``rcl_subscription_t *``, whose handle the caller keeps alive
    semaphore : address of the ``sem_t``; 0: stop posting

    Raises RuntimeFault.
    """
    # sem_post(sem_t *) serves as the callback (user data, number of messages): it ignores the second argument
    callback = address_of("c", "sem_post") if semaphore else None
    _call("rcl_subscription_set_on_new_message_callback", subscription, callback, semaphore or None)
