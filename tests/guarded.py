"""Memory for compiled functions that must not read or write beyond its end."""

from __future__ import annotations

import ctypes
import mmap


class Guarded:
    """Memory that ends at a page which must not be touched."""

    PROT_NONE = 0

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        self.size = -(-size // page) * page
        self._map = mmap.mmap(-1, self.size + page)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if libc.mprotect(self._start + self.size, page, self.PROT_NONE) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")

    def put(self, data: bytes) -> int:
        """Copy ``data`` to the end -> its address."""
        address = self._start + self.size - len(data)
        ctypes.memmove(address, data, len(data))
        return address
