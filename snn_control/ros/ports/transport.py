"""Configure the middleware so that a dead process cannot block a publisher: messages go over UDP, not shared memory.

By default, Fast DDS uses shared memory between processes of one machine. A reader that dies while it holds a lock there
blocks every writer for ever: the loop would block in its publish call, and the robot would continue to execute the last
command. Therefore our nodes send and receive over UDP only, and override contrary environment variables. `use_udp`
writes a profile for Fast DDS without shared memory, based on the user's profile if there is one. The profile applies to
this process. Other processes may use shared memory among themselves, and reach this process over UDP.

If discovery is limited to this machine, rmw_fastrtps adds shared memory to any profile. The profile then limits
discovery itself (no multicast, 127.0.0.1 as the only peer), and the environment variable that limited discovery is
reset. A node whose Fast DDS has not read the profile would then be seen in the whole network. Therefore
`remove_profile` refuses it. Other middleware is left as it is.
"""

from __future__ import annotations

import atexit
import importlib.metadata
import os
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from ...errors import DescriptionError

__all__ = ["middleware", "profile_files", "remove_profile", "shared_memory", "use_udp"]

VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")  # for Fast DDS 3 and for 2
BEFORE_3 = ("humble", "iron", "jazzy")  # distributions with Fast DDS 2; later ones warn of its variable
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"
ALONE = ("UDPv4", "UDPv6")  # built-in transports without shared memory
BUFFER = 4 << 20  # bytes that a socket may buffer for a camera's packet; the kernel's net.core.rmem_max limits it
NAME = "snn_control_udp"
PEERS = 32  # most processes of one machine that find each other without multicast, as in rmw_fastrtps
EMPTY = "<dds><profiles/></dds>"
DESCRIPTOR = f"""<transport_descriptor>
<transport_id>{NAME}</transport_id> <type>UDPv4</type> <non_blocking_send>true</non_blocking_send>
<sendBufferSize>{BUFFER}</sendBufferSize> <receiveBufferSize>{BUFFER}</receiveBufferSize>
<maxInitialPeersRange>{PEERS}</maxInitialPeersRange>
</transport_descriptor>"""
OPEN_FILES = "/proc/self/fd/"
_open: dict[str, int] = {}  # profiles that no node has read yet: name -> file descriptor
_limits: set[str] = set()  # variables that limited discovery, and which the profile replaces
#: variables that influence how messages travel
CHOICES = (TRANSPORTS, *VARIABLES, "CYCLONEDDS_URI", "ZENOH_CONFIG_OVERRIDE")
USUAL = {"rmw_fastrtps_cpp": "UDP, no shared memory", "rmw_cyclonedds_cpp": "UDP"}
DISTRIBUTIONS = {"3": "humble", "7": "jazzy", "9": "kilted"}  # first number of rclpy's version -> distribution


def _child(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    found = parent.find(name)
    if found is None:
        found = ET.SubElement(parent, name)
    if text is not None:
        found.text = text
    return found


def _limit(rtps: ET.Element) -> None:
    """Limit the profile's discovery to this machine and the static peers, without multicast."""
    builtin = _child(rtps, "builtin")
    ET.SubElement(ET.SubElement(_child(builtin, "metatrafficUnicastLocatorList"), "locator"), "udpv4")
    for address in ["127.0.0.1", *filter(None, os.environ.get("ROS_STATIC_PEERS", "").split(";"))]:
        peer = ET.SubElement(ET.SubElement(_child(builtin, "initialPeersList"), "locator"), "udpv4")
        ET.SubElement(peer, "address").text = address


def _without_shared_memory(root: ET.Element, limited: bool) -> list[str]:
    """Change the profiles of Fast DDS so that participants use no shared memory. Return a description of each change.

    limited : whether discovery is limited to this machine
    """
    profiles = root if root.tag == "profiles" else _child(root, "profiles")
    shared = {
        one.findtext("transport_id", "").strip()
        for one in profiles.iterfind("transport_descriptors/transport_descriptor")
        if one.findtext("type", "").strip() == "SHM"
    }
    if profiles.find("participant[@is_default_profile='true']") is None:
        ET.SubElement(profiles, "participant", profile_name=NAME, is_default_profile="true")
    changed = []
    for participant in profiles.iterfind("participant"):
        whose = f"of participant {participant.get('profile_name')}"
        rtps = _child(participant, "rtps")
        if limited:
            _limit(rtps)
        users, builtin = _child(rtps, "userTransports"), rtps.find("builtinTransports")
        for one in [one for one in users if (one.text or "").strip() in shared]:
            users.remove(one)
            changed.append(f"transport {(one.text or '').strip()} {whose}")
        if builtin is not None and (builtin.text or "").strip() not in ALONE:
            rtps.remove(builtin)
            changed.append(f"builtinTransports {(builtin.text or '').strip()} {whose}")
            builtin = None
        if len(users) == 0 and builtin is None:
            ET.SubElement(users, "transport_id").text = NAME
        if len(users) > 0:
            _child(rtps, "useBuiltinTransports", "false")
        else:
            rtps.remove(users)
    if profiles.find("transport_descriptors") is None:
        profiles.insert(0, ET.Element("transport_descriptors"))
    descriptors = _child(profiles, "transport_descriptors")
    if all(one.findtext("transport_id") != NAME for one in descriptors):  # a process of ours hands its profile on
        descriptors.append(ET.fromstring(DESCRIPTOR))
    return changed


def use_udp() -> list[str]:
    """Make Fast DDS use no shared memory in this process. Call this before rclpy starts.

    Return a description of each overridden setting in environment variables or in the user's profile. Raises
    DescriptionError if the user's profile cannot be read, or the new profile cannot be written.
    """
    if "fastrtps" not in os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"):
        return []
    said = os.environ.get(TRANSPORTS, "")
    variable = next((name for name in VARIABLES if os.environ.get(name)), "")
    if os.environ.get(RANGE, "").upper() == "LOCALHOST":
        _limits.add(f"{RANGE}=LOCALHOST")
    if os.environ.pop("ROS_LOCALHOST_ONLY", "") == "1":
        _limits.add("ROS_LOCALHOST_ONLY=1")
    limited = bool(_limits)
    if limited:  # the profile expresses the limit instead, and shared memory shows that the profile was not read
        os.environ[RANGE] = "SYSTEM_DEFAULT"
        os.environ.pop(TRANSPORTS, None)
    if not (variable or limited) and said.partition("?")[0] in ALONE:
        return []
    file = os.environ.get(variable, "")
    try:
        root = ET.parse(file).getroot() if variable else ET.fromstring(EMPTY)
    except (OSError, ET.ParseError) as error:
        fix = "correct it, or unset the variable"
        raise DescriptionError(variable, file, f"cannot be read: {error}", fix) from None
    for element in root.iter():  # Fast DDS ignores namespaces
        element.tag = element.tag.rpartition("}")[2]
    changed = [f"{variable}: {what}" for what in _without_shared_memory(root, limited)]
    if said and said.partition("?")[0] not in ALONE:
        changed.append(f"{TRANSPORTS}={said}")
    try:
        handle, name = tempfile.mkstemp(prefix="snn_control-", suffix=".xml")
        atexit.register(Path(name).unlink, missing_ok=True)
        os.write(handle, ET.tostring(root, encoding="utf-8", xml_declaration=True))
        os.set_inheritable(handle, True)
    except OSError as error:
        if variable or limited:
            given, rule = os.environ.get("TMPDIR", ""), f"cannot write a profile for Fast DDS: {error.strerror}"
            raise DescriptionError("TMPDIR", given, rule, "set it to a folder with room") from None
        os.environ[TRANSPORTS] = ALONE[0]  # the same transport, without the size of the buffers
        return changed
    for key in VARIABLES:
        os.environ.pop(key, None)
    os.environ[VARIABLES[distribution() in BEFORE_3]] = name
    _open[name] = handle
    return changed


def remove_profile() -> None:
    """Remove the profile's file, so that it does not remain after SIGKILL.

    Call this once a node exists, because a node reads the file when it is made. This process keeps the file open, and
    the processes that it starts read the open file. Raises DescriptionError if discovery was limited to this machine,
    and Fast DDS did not read the profile.
    """
    for name, handle in _open.items():
        Path(name).unlink(missing_ok=True)
        os.environ.update({key: f"{OPEN_FILES}{handle}" for key in VARIABLES if os.environ.get(key) == name})
    _open.clear()
    if _limits and shared_memory():
        what, value = sorted(_limits)[0].split("=")
        rule = "cannot be applied, because Fast DDS did not read the profile that limits it"
        raise DescriptionError(what, value, rule, "unset it in a network of your own, or use another rmw")


def profile_files() -> tuple[int, ...]:
    """Return the file descriptor of the open profile, as a tuple with one element or none.

    A process that inherits the environment variables must inherit the file descriptor too.
    """
    names = {os.environ.get(key, "") for key in VARIABLES}
    return tuple(int(name.removeprefix(OPEN_FILES)) for name in names if name.startswith(OPEN_FILES))


def shared_memory() -> bool:
    """Return whether this process has mapped shared memory of Fast DDS. Call this when a node exists."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return False
    return "/dev/shm/fastdds_" in maps or "/dev/shm/fastrtps_" in maps


def distribution() -> str:
    """Return the name of the ROS 2 distribution: what the environment says, or what rclpy's version tells."""
    try:
        first = importlib.metadata.version("rclpy").partition(".")[0]
    except importlib.metadata.PackageNotFoundError:
        first = ""
    return os.environ.get("ROS_DISTRO") or DISTRIBUTIONS.get(first, "unknown")


def middleware() -> dict[str, str]:
    """Return descriptions of the ROS 2 distribution and middleware that child processes of this process use.

    The keys are ``ROS distribution``, ``rmw`` and ``transport``.
    """
    from rclpy.utilities import get_rmw_implementation_identifier

    rmw = get_rmw_implementation_identifier()
    chosen = [f"{key}={os.environ[key]}" for key in CHOICES if os.environ.get(key)]
    reach = os.environ.get(RANGE, "LOCALHOST")  # as launching.environment_of_child has it
    usual = USUAL.get(rmw, f"default of {rmw}")
    return {
        "ROS distribution": distribution(),
        "rmw": rmw,
        "transport": "; ".join([usual, *chosen, f"discovery {reach}"]),
    }
