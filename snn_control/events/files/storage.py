"""What the storage formats of bags share."""

from __future__ import annotations

__all__ = ["full_type", "unpacked"]

ZSTD = b"\x28\xb5\x2f\xfd"
MOST = 1 << 30  # bytes that a packed message or chunk may have, unpacked


def full_type(name: str) -> str:
    """``package/msg/Name``, also of ``package/Name``."""
    package, _, rest = name.partition("/")
    return f"{package}/msg/{rest}" if rest and "/" not in rest else name


def unpacked(data: object) -> bytes | None:
    """A message's bytes, of rosbag2's compression mode "message" too; None for what cannot be unpacked."""
    if not isinstance(data, bytes):
        return None
    if not data.startswith(ZSTD):
        return data
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=MOST)
    except zstandard.ZstdError:
        return None
