"""The configurations of viewers in config/: their structure, and that what they show is what our nodes publish."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from snn_control.controller_file import load_spec
from snn_control.resources import shipped
from snn_control.ros.nodes.launching import closed_loop
from snn_control.ros.nodes.view_node import ViewNode
from tests.ros.node_processes import CHECKOUT

RVIZ = yaml.safe_load((CHECKOUT / "config" / "snn_control.rviz").read_text())
FOXGLOVE = json.loads((CHECKOUT / "config" / "snn_control.foxglove.json").read_text())


@pytest.fixture(scope="module")
def published():
    """Topics of the closed loop with viewers, as they are by default."""
    spec = load_spec(shipped("pan_tilt"))
    topics = {f"/{t.topic}" for t in (*spec.ros_inputs.values(), *spec.ros_outputs.values())}
    names = [p.name for p in closed_loop(view="true")]
    assert ViewNode.NAME in names
    return topics | {"/diagnostics"} | {f"/view/{name}" for name in ("image", "cloud", "spikes")}


def strings(value):
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def leaves(layout):
    if isinstance(layout, str):
        return [layout]
    assert set(layout) == {"direction", "first", "second", "splitPercentage"}
    assert layout["direction"] in ("row", "column")
    assert 0 < layout["splitPercentage"] < 100
    return [*leaves(layout["first"]), *leaves(layout["second"])]


def test_every_panel_of_the_foxglove_layout_is_shown_once_and_has_its_settings():
    assert {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"} <= set(FOXGLOVE)
    panels = leaves(FOXGLOVE["layout"])
    assert sorted(panels) == sorted(FOXGLOVE["configById"])
    assert {name.partition("!")[0] for name in panels} == {
        "Image", "3D", "Plot", "RawMessages", "DiagnosticSummary"
    }  # fmt: skip


def test_the_foxglove_layout_shows_topics_that_are_there(published):
    topics = {re.split(r"[.\[]", text)[0] for text in strings(FOXGLOVE["configById"]) if text.startswith("/")}
    assert {"/view/image", "/view/cloud", "/view/spikes", "/velocity_command", "/diagnostics"} <= topics
    assert topics <= published
    for name, panel in FOXGLOVE["configById"].items():
        for path in panel.get("paths", []) if name.startswith("Plot!") else []:
            assert path["enabled"] is True  # else nothing is drawn
            assert path["timestampMethod"] == "receiveTime"


def test_the_plots_of_diagnostics_are_of_keys_that_are_there(start):
    """Read from the diagnostics of a controller: a misspelt key would be an empty plot."""
    from snn_control.realtime.histogram import summary

    paths = [p["value"] for panel in FOXGLOVE["configById"].values() for p in panel.get("paths", [])]
    found = [re.fullmatch(r'/diagnostics\.status\[:\]\{name=="([^"]+)"\}\.values\[:\]\{key=="([^"]+)"\}\.value', p)
             for p in paths if p.startswith("/diagnostics")]  # fmt: skip
    assert len(found) >= 5
    assert all(found)
    assert {match.group(1) for match in found if match} == {"/controller: loop", "/controller: input camera"}
    keys = {match.group(2) for match in found if match}
    assert {key.partition(".")[2] for key in keys if "." in key} <= {f"{key}_ns" for key in summary([0] * 1160)}
    assert {key.partition(".")[0] for key in keys} <= {"latency", "tick", "wake", "missed", "dropped"}


def test_the_rviz_configuration_shows_topics_that_are_there(published):
    manager = RVIZ["Visualization Manager"]
    displays = manager["Displays"]
    kinds = {d["Class"] for d in displays}
    assert kinds == {f"rviz_default_plugins/{kind}" for kind in ("Image", "PointCloud2", "TF", "Grid")}
    topics = [d["Topic"]["Value"] for d in displays if "Topic" in d]
    assert topics == ["/view/image", "/view/cloud", "/view/spikes"]
    assert set(topics) <= published
    assert manager["Global Options"]["Fixed Frame"] == "snn_view"
    # as the node publishes: of an image of many packets on the wire most would be lost
    assert all(d["Topic"]["Reliability Policy"] == "Reliable" for d in displays if "Topic" in d)
    assert {"Panels", "Visualization Manager"} <= set(RVIZ)


def test_the_frame_of_both_is_the_view_nodes():
    source = (CHECKOUT / "snn_control" / "ros" / "nodes" / "view_node.py").read_text()
    assert '"frame": Parameter("snn_view"' in source
    assert FOXGLOVE["configById"]["3D!clouds"]["followTf"] == "snn_view"
