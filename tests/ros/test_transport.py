"""The transport of messages: no shared memory, whatever the environment sets, and both sides find each other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from snn_control.errors import DescriptionError
from snn_control.ros.ports.transport import TRANSPORTS, VARIABLES, use_udp
from tests.ros.node_processes import CHECKOUT, child_environment

SHARED = """<dds xmlns="http://www.eprosima.com"><profiles>
<transport_descriptors><transport_descriptor><transport_id>shm</transport_id><type>SHM</type></transport_descriptor>
<transport_descriptor><transport_id>udp</transport_id><type>UDPv4</type></transport_descriptor></transport_descriptors>
<participant profile_name="mine" is_default_profile="true"><rtps><userTransports><transport_id>shm</transport_id>
%s</userTransports><useBuiltinTransports>false</useBuiltinTransports><name>mine</name></rtps></participant>
</profiles></dds>"""
BUILT_IN = """<dds><profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
<participant profile_name="mine" is_default_profile="true"><rtps><builtinTransports>%s</builtinTransports></rtps>
</participant></profiles></dds>"""
PROFILES = {
    "shared memory and UDP": SHARED % "<transport_id>udp</transport_id>",
    "shared memory alone": SHARED % "",
    "built-in default": BUILT_IN % "DEFAULT",
    "built-in UDP": BUILT_IN % "UDPv4",
}
NODE = """
import os, sys, tempfile
tempfile.tempdir = sys.argv[2] if sys.argv[2:] else None
from snn_control.ros.ports.transport import remove_profile, shared_memory, use_udp
told = use_udp() if sys.argv[1] != "default" else []
if sys.argv[1] == "unread":  # by a Fast DDS that looks elsewhere
    for name in [name for name in os.environ if "PROFILES_FILE" in name]:
        os.environ["OTHER_" + name] = os.environ.pop(name)
import rclpy
rclpy.init()
node = rclpy.create_node("one")
from std_msgs.msg import Float64
publisher = node.create_publisher(Float64, "x", 1)
if sys.argv[1] != "default":
    remove_profile()
    use_udp()  # as a process that it starts does: the profile can be read
    remove_profile()
print(int(shared_memory()), len(told), flush=True)
os._exit(0)  # as if it was killed
"""


def node(*words: str, **environment: str) -> tuple[int, int]:
    """Whether a node has mapped shared memory, and how many of its reports say that a requirement is not met."""
    given = {k: v for k, v in child_environment().items() if k not in (*VARIABLES, TRANSPORTS)} | environment
    done = subprocess.run(
        [sys.executable, "-c", NODE, *words], env=given, cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    mapped, told = done.stdout.split()
    return int(mapped), int(told)


@pytest.mark.parametrize("limited", ["LOCALHOST", "SUBNET"])
def test_a_node_has_no_shared_memory_by_default_and_leaves_no_file(limited, tmp_path):
    assert node("default", ROS_AUTOMATIC_DISCOVERY_RANGE=limited)[0] == 1  # what there is without us
    assert node("udp", ROS_AUTOMATIC_DISCOVERY_RANGE=limited, TMPDIR=str(tmp_path)) == (0, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("kind", "told"), [("SHM", 1), ("LARGE_DATA", 1), ("UDPv4", 0)])
def test_the_environment_does_not_bring_it_back(kind, told):
    assert node("udp", FASTDDS_BUILTIN_TRANSPORTS=kind) == (0, told)


@pytest.mark.parametrize("limit", ["ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST", "ROS_LOCALHOST_ONLY=1"])
@pytest.mark.parametrize("transports", ["", "UDPv4"])
def test_a_limit_to_this_machine_that_was_not_applied_is_refused(limit, transports):
    key, value = limit.split("=")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        node("unread", **{"ROS_AUTOMATIC_DISCOVERY_RANGE": "", TRANSPORTS: transports, key: value})
    assert f"{key} = '{value}': cannot be applied, because Fast DDS did not read the profile" in failed.value.stderr


@pytest.mark.parametrize(
    ("distribution", "version", "variable"),
    [("", "7.1.6", 1), ("", "9.1.2", 0), ("jazzy", "9.1.2", 1), ("kilted", "7.1.6", 0), ("rolling", "11.0.0", 0)],
)
def test_fast_dds_reads_the_profile_and_other_middleware_keeps_its_limit(distribution, version, variable, monkeypatch):
    for name in (*VARIABLES, TRANSPORTS):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr("snn_control.ros.ports.transport._limits", set())
    monkeypatch.setenv("ROS_DISTRO", distribution)
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "1")
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    assert use_udp() == []
    assert os.environ["ROS_LOCALHOST_ONLY"] == "1"
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    use_udp()
    assert VARIABLES[1 - variable] not in os.environ
    assert "127.0.0.1" in Path(os.environ[VARIABLES[variable]]).read_text()
    assert "ROS_LOCALHOST_ONLY" not in os.environ  # Jazzy warns of it, whatever its value


def test_without_a_folder_that_takes_a_file_a_node_starts_all_the_same_or_says_so(monkeypatch):
    assert node("udp", "/none", ROS_AUTOMATIC_DISCOVERY_RANGE="SUBNET") == (0, 0)
    monkeypatch.setattr(tempfile, "tempdir", "/none")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "0")
    monkeypatch.setattr("snn_control.ros.ports.transport._limits", set())
    with pytest.raises(DescriptionError, match=r"TMPDIR = .*: cannot write a profile for Fast DDS: No such file"):
        use_udp()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_of_the_users_keeps_all_but_shared_memory(profile, tmp_path, monkeypatch):
    file = tmp_path / "profile.xml"
    file.write_text(PROFILES[profile])
    changed = profile != "built-in UDP"
    assert node("udp", FASTDDS_DEFAULT_PROFILES_FILE=str(file)) == (0, changed)
    for name in (*VARIABLES, TRANSPORTS):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv(VARIABLES[0], str(file))
    use_udp()
    use_udp()  # as a process that this one starts does, with the profile that it finds
    (name,) = (os.environ[name] for name in VARIABLES if name in os.environ)
    written = ET.parse(name).getroot()
    assert [e.get("profile_name") for e in written.iter() if e.tag == "participant"] == ["mine"]
    described = [e.findtext("transport_id") for e in written.iter() if e.tag == "transport_descriptor"]
    assert len(set(described)) == len(described)
    used = [e.text for e in written.iter() if e.tag == "userTransports" for e in e]
    assert "shm" not in used
    assert ("udp" in used) == (profile == "shared memory and UDP")
    assert PROFILES[profile] == file.read_text()


def test_a_profile_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLES[0], str(tmp_path / "none.xml"))
    with pytest.raises(DescriptionError, match=r"FASTDDS_DEFAULT_PROFILES_FILE = .*none.xml.*cannot be read"):
        use_udp()
    (tmp_path / "none.xml").write_text("<dds><profiles>")
    with pytest.raises(DescriptionError, match="cannot be read"):
        use_udp()
