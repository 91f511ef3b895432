"""What only the running graph can show: who is at the other end of a topic, and why nothing comes."""

from __future__ import annotations

from typing import Any

__all__ = ["describe_mismatch"]


def describe_mismatch(node: Any, topic: str, expected_type: str, qos: Any, *, publishing: bool = False) -> str | None:
    """Why our end of ``topic`` is not served, naming both sides; None if somebody fits.

    Parameters
    ----------
    node : rclpy node, whose name stands for our side
    topic : name as given to the subscription or publisher, before remapping
    expected_type : e.g. ``sensor_msgs/msg/Imu``
    qos : the QoSProfile of our end
    publishing : our end is a publisher, the others are subscriptions
    """
    from rclpy.duration import Infinite
    from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

    # what was left open is without limit, as those that the graph reports say it
    qos = QoSProfile(
        depth=qos.depth, reliability=qos.reliability, durability=qos.durability,
        deadline=qos.deadline if qos.deadline.nanoseconds else Infinite,
        liveliness_lease_duration=Infinite,
    )  # fmt: skip

    full = node.resolve_topic_name(topic)
    ours = f"{node.get_fully_qualified_name()} {'publishes' if publishing else 'expects'} {expected_type}"
    # the query expands and remaps the name itself: a name that is remapped already must not be remapped again
    others = (node.get_subscriptions_info_by_topic if publishing else node.get_publishers_info_by_topic)(topic)
    if not others:
        return f"{full}: {ours}, nobody {'subscribes' if publishing else 'publishes'}"
    faults = []
    for other in others:
        theirs = f"{other.node_namespace.rstrip('/')}/{other.node_name}"
        if other.topic_type != expected_type:
            faults.append(f"{theirs} {'expects' if publishing else 'publishes'} {other.topic_type}")
            continue
        pair = (qos, other.qos_profile) if publishing else (other.qos_profile, qos)
        verdict, reason = qos_check_compatible(*pair)
        if verdict != QoSCompatibility.ERROR:
            return None
        reason = reason.replace("ERROR: ", "").strip(" ;")
        faults.append(f"the QoS of {theirs} is incompatible ({reason})")
    return f"{full}: {ours}, but {'; '.join(faults)}"
