"""Settings that all tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

#: files that take long, longest first: one of them at the end would leave cores idle. The first compiles all kernels;
#: those that come next compile into caches of their own, so that no two compile the same.
LONG = (
    "engine/test_kernels.py", "events/test_fuzz.py", "engine/test_compile.py", "ros/test_controller_node.py",
    "ros/test_replay.py", "engine/test_brian2.py", "ros/test_events_replay.py", "cli/test_cli.py",
    "training/test_interruption.py", "ros/test_world_node.py", "engine/test_digests.py", "test_one_tick.py",
    "ros/test_packet_nodes.py", "ros/test_launch.py", "report/test_look.py", "cli/test_events_replay.py",
    "test_plugins.py", "test_docs.py", "report/test_report.py", "training/test_events.py", "engine/test_aarch64.py",
    "cli/test_training_page.py", "cli/test_new_events.py", "engine/test_fuzz.py", "ros/test_deploy.py",
    "ros/test_safety.py", "training/test_seeds.py", "ros/test_supervisor.py", "ros/test_trained.py",
    "training/test_trying_worlds.py", "sim_worlds/test_pan_tilt.py", "controller_file/test_writing.py",
    "ros/test_shipped_worlds.py", "engine/test_scale.py", "record/test_input_log.py", "ros/test_view_node.py",
    "ros/test_encoder_node.py",
)  # fmt: skip

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """``-m timed``: files without such a test are not even imported."""
    if config.option.markexpr == "timed" and collection_path.suffix == ".py":
        return b"pytest.mark.timed" not in collection_path.read_bytes() or None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, in the order of `LONG`."""
    here = Path(__file__).parent
    places = {here / name: k for k, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))
