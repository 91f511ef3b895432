"""Settings that all tests share."""

import importlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

#: files that take long, longest first: one of them at the end would leave cores idle. The first compiles all kernels;
#: those that come next compile into caches of their own or not at all, so that no two compile the same.
LONG = (
    "engine/test_kernels.py", "engine/test_compile.py", "events/test_fuzz.py", "test_types.py",
    "ros/test_controller_node.py", "ros/test_events_replay.py", "training/test_interruption.py",
    "training/test_event_tracker.py", "c_export/test_controllers.py",
    "engine/test_digests.py", "ros/test_replay.py", "test_flat.py", "test_docs.py",
    "training/test_events.py", "ros/test_supervisor.py", "report/test_look.py", "engine/test_brian2.py",
    "ros/test_shipped_worlds.py", "sim_worlds/test_pan_tilt.py", "cli/test_events_replay.py", "training/test_seeds.py",
    "cli/test_training_page.py", "training/test_trying_worlds.py", "report/test_report.py", "cli/test_cli.py",
    "network/test_connectors.py", "test_plugins.py", "cli/test_run.py", "ros/test_world_node.py",
    "ros/test_packet_nodes.py", "cli/test_new_events.py", "ros/test_trained.py", "ros/test_safety.py",
    "report/test_event_video.py", "cli/test_events_view.py", "engine/test_controller_reference.py", "test_one_tick.py",
    "ros/test_view_node.py", "ros/test_launch.py", "engine/test_fuzz.py", "engine/test_tuning.py",
    "controller_file/test_writing.py", "cli/test_train.py", "ros/test_deploy.py", "nir/test_export.py",
    "events/test_codecs.py", "cli/test_plot.py", "engine/test_scale.py", "record/test_input_log.py",
    "ros/test_encoder_node.py", "c_export/test_targets.py",
)  # fmt: skip

# read when NumPy is imported, here and in processes that tests start: threads of BLAS that wait for others stay busy
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

LEFT_OUT = pytest.StashKey[int]()  # number of tests marked `deep` that are not run

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--deep", action="store_true", help="run the tests marked `deep` too")


@pytest.fixture
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validations and evaluations of a training as short as can be."""
    for name, episodes in (("VALIDATION", 3), ("COMPARISON", 4), ("EVALUATION", 4)):
        monkeypatch.setattr(f"snn_control.training.training_run.{name}_EPISODES", episodes)


@pytest.fixture
def few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`evolve` finds its directions in few windows."""
    monkeypatch.setattr("snn_control.training.algorithms.directions.WINDOWS", 16)


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """``train`` ends without its page, at which only tests/cli/test_training_page.py looks."""
    monkeypatch.setattr("snn_control.cli.training_page.make_page", lambda *_: None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """``-m timed``: files without such a test are not even imported."""
    if config.option.markexpr == "timed" and collection_path.suffix == ".py":
        return b"pytest.mark.timed" not in collection_path.read_bytes() or None
    return None


def pytest_collection(session: pytest.Session) -> None:
    """Each worker of xdist imports all files, and each begins with others: one rewrites the assertions of a file, which
    takes longer than all else, and the others find its bytecode."""
    config, here = session.config, Path(__file__).parent
    worker = getattr(config, "workerinput", None)
    if worker is None or config.option.markexpr == "timed" or config.args_source != config.ArgsSource.TESTPATHS:
        return
    files = [file for file in sorted(here.rglob("test_*.py")) if file.parent.name != "ros"]  # its conftest comes first
    first = int(worker["workerid"].removeprefix("gw")) * len(files) // worker["workercount"]
    for file in files[first:] + files[:first]:
        with suppress(Exception, pytest.skip.Exception):  # what is wrong, or missing, is said when it is collected
            importlib.import_module(".".join(file.relative_to(here.parent).with_suffix("").parts))


@pytest.hookimpl(trylast=True)  # what ``-m`` and ``-k`` leave out is not counted
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files first, in the order of `LONG`; before them, with ``--deep``, the files that have deep tests."""
    here = Path(__file__).parent
    places = {here / name: k for k, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))
    deep = [item for item in items if item.get_closest_marker("deep")]
    if config.option.deep:
        first = {item.path for item in deep}
        items.sort(key=lambda item: item.path not in first)
    elif deep:
        items[:] = [item for item in items if item not in deep]
        config.hook.pytest_deselected(items=deep)
        config.stash[LEFT_OUT] = len(deep)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["deep"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each worker of xdist collects all tests, and their process none."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("deep", 0)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if n := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{n} tests marked deep were not run: add --deep, or run `make test-all`")
