"""A controller file whose network stands in a NIR file."""

import jsonschema
import nir
import numpy as np
import pytest
import yaml

from snn_control.controller import Controller, build_program
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError
from snn_control.nir import import_nir
from tests.controller_file.cases import VALIDATOR
from tests.nir.frameworks import Chain, Leaky

FILE = """\
version: 1
period: 1.0e-4
inputs:
  input: {kind: value, size: 10}
network:
  nir: net.nir
  dialect: snntorch
  options: {reset_mechanism: zero, reset_delay: false}
outputs:
  force: {decoder: {type: linear, from: n3, weights: 0.01, tau: 0.01}}
"""


@pytest.fixture
def folder(tmp_path):
    chain = Chain(np.random.default_rng(0), 10, Leaky(12, 0.9), Leaky(6, 0.8))
    nir.write(tmp_path / "net.nir", chain.graph())
    (tmp_path / "mine.yaml").write_text(FILE)
    return tmp_path


def test_the_network_of_a_controller_can_be_a_nir_file(folder):
    spec = load_spec(folder / "mine.yaml")
    expected = import_nir(
        folder / "net.nir", "snntorch", None, {"reset_mechanism": "zero", "reset_delay": False}
    ).network
    assert [p.neuron for p in spec.network.populations] == [p.neuron for p in expected.populations]
    controller = Controller.from_spec(spec)
    rng, force = np.random.default_rng(1), []
    for _ in range(50):
        force.append(controller.step({"input": (rng.random(10) < 0.4) * 1.0})["force"][0])
    assert max(force) > 0.1
    VALIDATOR.validate(yaml.safe_load(FILE.replace("1.0e-4", "0.0001")))


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("net.nir", "no.nir", "network.nir = 'no.nir': there is no such file"),
        ("dialect: snntorch", "dialect: torch", "mine.yaml: network.dialect = 'torch': must be one of snntorch"),
        ("reset_delay: false", "delay: 1", "network.options.delay = 1: is not an option of snntorch"),
        ("reset_delay: false", "reset_delay: 2", "network.options.reset_delay = 2: must be true or false"),
        ("  nir: net.nir", "  nir: net.nir\n  populations: {}", "network.populations = {}: is not a known key"),
        ("  input:", "  x:", "projections[input -> n1].pre = 'input': must be an input or a population"),
        ("dialect: snntorch", "dialect: norse", "net.nir: nodes.1.r = 9.99"),
    ],
)  # fmt: skip
def test_mistakes_name_the_place(folder, was, now, says):
    (folder / "mine.yaml").write_text(
        FILE.replace(was, now).replace(
            "  options: {reset_mechanism: zero, reset_delay: false}\n",
            "" if "norse" in now else "  options: {reset_mechanism: zero, reset_delay: false}\n",
        )
    )
    with pytest.raises(DescriptionError) as caught:
        build_program(load_spec(folder / "mine.yaml"))
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(folder / "mine.yaml"))


def test_the_schema_knows_the_keys():
    document = yaml.safe_load(FILE.replace("1.0e-4", "0.0001"))
    for key, value in (("populations", {}), ("dialect", "torch"), ("net", 1)):
        wrong = {**document, "network": document["network"] | {key: value}}
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate(wrong)
