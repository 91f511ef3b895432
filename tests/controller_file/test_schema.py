"""The JSON Schema of controller files: it refuses and accepts what the reader does."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import jsonschema
import pytest

from snn_control.coding import (
    ArgmaxDecoder,
    EventsInput,
)
from snn_control.controller import build_program
from snn_control.controller_file import RosTopic, parse_spec
from snn_control.controller_file.training import Limits, Surrogate, Training
from snn_control.controller_file.writing import SECTIONS
from snn_control.engine import registry
from tests.controller_file.cases import (
    FIRST,
    GOOD,
    INFINITY,
    JOINTS,
    MISSING,
    MOTOR,
    MOTOR_TO_SLOW,
    PAN,
    POSE,
    SCHEMA,
    SECOND,
    SHEET,
    SLOW,
    VALIDATOR,
    with_value,
)
from tests.controller_file.test_errors import STRUCTURAL, identify


@pytest.mark.parametrize("case", STRUCTURAL, ids=identify)
def test_the_schema_refuses_what_the_parser_refuses(case):
    assert not VALIDATOR.is_valid(with_value(*case[:2]))


def test_the_schema_is_one_and_accepts_what_the_parser_accepts():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(GOOD)
    for path, value in [
        ("dt", 0.0005), ("repeat", MISSING), ("guard", MISSING), ("ros", MISSING), ("training", MISSING), ("training.trainable.x", {"low": -INFINITY}), ("seed", MISSING), (f"{JOINTS}.plausible", MISSING),
        (f"{FIRST}.weights", MISSING), (f"{PAN}.decoder", GOOD["outputs"]["pan"]["decoder"][0]), (f"{PAN}.slew", [60.0]),
        (f"{FIRST}.receptor", ""), (f"{MOTOR}.bias", [1, 2, 3, 4]), (f"{JOINTS}.range", [[-1, -2], 2]),
        (f"{POSE}.encoder.sigma", [0.2, 0.3]), (f"{POSE}.encoder.neuron", {"type": "latency", "tau": 0.003, "linear": True}),
        ("inputs.speed.encoder", {"type": "delta", "neuron": {"type": "phase"}}),
        ("inputs.speed.encoder", {"type": "signed", "gain": 2, "neuron": {"type": "poisson"}}),
        (f"{FIRST}.weights", {"type": "normal", "mean": 0, "std": 0.1, "seed": 1}),
        (f"{MOTOR}.bias", {"type": "uniform", "low": 0, "high": 0.1, "seed": 1}), (f"{SLOW}.v_init", {"type": "normal", "mean": 0, "std": 0.1, "seed": 1}),
        (SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_probability", "p": 0.5, "seed": 1, "allow_self": False}}),
        (SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_indegree", "n": 2, "seed": 1}}),
        (SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_outdegree", "n": 5, "seed": 1, "with_replacement": True}}),
        (SECOND, MOTOR_TO_SLOW | {"connection": SHEET | {"pre_positions": {"shape": [2, 2], "extent": [1, 1]}, "post_positions": [[1, 1], [0, 0.5]], "period": [2, 2]}}),
    ]:  # fmt: skip
        build_program(parse_spec(with_value(path, value)))
        VALIDATOR.validate(with_value(path, value))


def objects(schema):
    """Every object of the schema that closes its list of keys."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_the_schema_knows_the_fields_of_the_descriptions():
    import dataclasses

    from snn_control import coding, network

    closed = [set(o["properties"]) for o in objects(SCHEMA)]
    for cls, renamed, extra in [
        *((cls, {}, {"type"}) for cls in (registry.types("neurons") | registry.types("rules")).values()),
        (network.Population, {"name": None}, set()), (network.Projection, {}, set()),
        *((cls, {}, {"type"}) for cls in registry.types("encoders").values()),
        *((cls, {"source": "from"}, {"type"}) for cls in registry.types("decoders").values()), (ArgmaxDecoder, {}, {"type"}),
        (coding.ValueInput, {"name": None}, {"kind"}), (EventsInput, {"name": None}, {"kind"}),
        (coding.Output, {"name": None}, {"joint_limits"}), (coding.Guard, {}, set()),
        (network.Uniform, {}, {"type"}), (network.Normal, {}, {"type"}), (network.FixedProbability, {}, {"type"}),
        (network.FixedIndegree, {}, {"type"}), (network.DistanceDependent, {}, {"type"}), (network.Grid, {}, set()),
        (Training, {}, set()), (Limits, {}, set()), (Surrogate, {}, set()),
    ]:  # fmt: skip
        names = {renamed.get(f.name, f.name) for f in dataclasses.fields(cls)} - {None} | extra
        assert names in closed, f"{cls.__name__}: {names}"
    topic = {f.name for f in dataclasses.fields(RosTopic)}
    sides = {
        side: set(one["additionalProperties"]["properties"])
        for side, one in SCHEMA["properties"]["ros"]["properties"].items()
    }
    assert sides == {
        "inputs": topic - {"values", "stamp"},
        "outputs": topic - {"age", "reduce", "pace", "late", "grid"},
    }


def test_the_schema_explains_every_key():
    """For readers of an editor's hints; a key that holds a description refers to the text of that description."""
    for one in objects(SCHEMA):
        for key, said in one["properties"].items():
            known = {"const", "description", "$ref"} & set(said) or said.get("items", {}).get("$ref")
            assert known or key in {*SECTIONS, "ros", "populations", "projections"}, (one.get("description"), key)


@pytest.mark.parametrize(
    ("path", "value", "fits"),
    [
        ("network.populations.h.neuron.tau_mem", {"value": 0.02, "tunable": [0.01, 0.1]}, True),
        ("outputs.u.bias", {"value": 0.0, "tunable": [-1, 1]}, True),
        ("outputs.u.slew", {"value": 1.0, "tunable": [0.5, 1]}, False),
        ("outputs.u.bias", {"value": 0.0, "tunable": [-1]}, False),
    ],
)
def test_the_schema_knows_what_may_be_tuned(path, value, fits):
    document = {
        "version": 1, "period": 0.01,
        "network": {"populations": {"h": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.02}}}},
        "outputs": {"u": {"decoder": {"type": "membrane", "from": "h", "weights": 1}}},
    }  # fmt: skip
    at, (*steps, last) = document, path.split(".")
    for step in steps:
        at = at[step]
    at[last] = value
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(document) == fits
