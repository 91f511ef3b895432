"""The examples of docs/explanation/coding.md run, and do what it says."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from snn_control.controller import Controller
from snn_control.controller_file import parse_spec
from snn_control.controller_file.reader import Loader
from snn_control.engine import registry

TEXT = (Path(__file__).resolve().parents[2] / "docs/explanation/coding.md").read_text(encoding="utf-8")
POPULATIONS, ACTION = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
(OWN,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
#: the population vector of place cells is a velocity; each pulse of a distance adds r dt = 0.05 to the integrator
PLACES = """
version: 1
period: 1e-2
dt: 1e-3
seed: 7
inputs:
  place:
    {kind: value, size: 2, range: [-1, 1], encoder: {type: fields, grid: [4, 3], neuron: {type: poisson, rate: 20}}}
  distance: {kind: value, encoder: {type: step_forward, threshold: 0.05}}
network:
  populations: {followed: {size: 1, neuron: {type: integrator, r: 50}}}
  projections: [{pre: distance, post: followed, weights: [[1], [-1]]}]
outputs:
  velocity:
    size: 2
    decoder:
      type: population_vector
      from: place
      tau: 0.05
      directions: [[1, 1], [1, 0], [1, -1], [0.3, 1], [0.3, 0], [0.3, -1],
                   [-0.3, 1], [-0.3, 0], [-0.3, -1], [-1, 1], [-1, 0], [-1, -1]]
  distance_again: {decoder: {type: membrane, from: followed, weights: 1}}
"""


def controller(text):
    return Controller.from_spec(parse_spec(yaml.load(text, Loader)))


def test_the_populations_drive_a_network():
    one = controller(POPULATIONS)
    torque = [one.step({"angle": 0.3, "speed": -1.0})["torque"][0] for _ in range(60)]
    assert 0 < np.mean(torque[20:]) < 2


def test_the_largest_drive_is_the_action():
    one = controller(ACTION)
    for drive, action in (([0.1, 0.9, 0.2, 0.3], 0), ([0.1, 0.2, 0.9, 0.3], 1), ([0, 0, 0, 0.1], 2), ([0] * 4, 2)):
        assert one.step({"drive": drive})["action"] == action


def test_the_velocity_leads_inwards_and_the_distance_is_followed():
    one = controller(PLACES)
    for _ in range(200):
        u = one.step({"place": [0.9, -0.9], "distance": 1.02})
    assert u["velocity"][0] < -0.3
    assert u["velocity"][1] > 0.3
    assert abs(u["distance_again"][0] - 1.02) < 0.051


def test_an_encoder_of_your_own(monkeypatch):
    monkeypatch.setattr(registry, "_added", registry._Table())
    exec(compile(OWN, "docs/explanation/coding.md", "exec"), {"__name__": "own"})
    text = PLACES.replace("encoder: {type: step_forward, threshold: 0.05}", "encoder: {type: mirrored}")
    one = controller(text)
    one.step({"place": [0, 0], "distance": 0.75})
    assert one.bound.array("distance.drive").tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("## Encoders: numbers", registry.types("encoders")),
        ("## Decoders: spikes", [*registry.types("decoders"), "argmax"]),
    ],
)
def test_the_tables_name_all_types(heading, names):
    table = TEXT.split(heading)[1].split("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", table.partition("|---")[2], re.MULTILINE)
    assert sorted(named) == sorted(names)


def test_every_type_that_the_tables_name_is_there():
    known = {*(name for kind in ("encoders", "decoders", "neurons") for name in registry.types(kind)), "argmax"}
    here = [line.split("|")[2] for line in TEXT.split("to here\n")[1].split("\n## ")[0].splitlines()[3:] if "|" in line]
    named = {word for cell in here for word in re.findall(r"`(\w+)`", cell)}
    keys = {"gain", "bias", "tau", "clip", "window", "threshold", "limits"}
    assert named - keys <= known
    assert len(named & known) > 12
