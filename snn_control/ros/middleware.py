"""Over which ROS 2 and which middleware messages go, in words."""

from __future__ import annotations

import os

__all__ = ["middleware"]

DISTRIBUTIONS = {3: "humble", 7: "jazzy", 9: "kilted"}  # of rclpy's first number
#: variables that have a say in how messages travel
CHOICES = (
    "FASTDDS_BUILTIN_TRANSPORTS",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "CYCLONEDDS_URI",
    "ZENOH_CONFIG_OVERRIDE",
)
USUAL = {"rmw_fastrtps_cpp": "UDP, no shared memory", "rmw_cyclonedds_cpp": "UDP"}  # see `transport`


def middleware(rclpy_version: str) -> dict[str, str]:
    """``ROS distribution``, ``rmw`` and ``transport`` of processes that are started from this one."""
    from rclpy.utilities import get_rmw_implementation_identifier

    name = os.environ.get("ROS_DISTRO")
    first = rclpy_version.partition(".")[0]
    guess = DISTRIBUTIONS.get(int(first)) if first.isdigit() else None
    rmw = get_rmw_implementation_identifier()
    chosen = [f"{key}={os.environ[key]}" for key in CHOICES if os.environ.get(key)]
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # as launching.environment_of_child has it
    usual = USUAL.get(rmw, f"default of {rmw}")
    return {
        "ROS distribution": name or f"{guess or 'unknown'}, as rclpy {rclpy_version} is",
        "rmw": rmw,
        "transport": "; ".join([usual, *chosen, f"discovery {reach}"]),
    }
