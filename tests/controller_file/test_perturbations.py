"""The names and values of perturbations: what is read, what is refused, and with which words."""

import dataclasses
import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control.controller_file import parse_spec
from snn_control.controller_file.perturbations import Perturbations
from snn_control.errors import DescriptionError
from tests.controller_file.cases import GOOD, VALIDATOR, with_value

RULES = Perturbations.checks()


@st.composite
def values(draw):
    """One valid value for each of some names."""
    found = {}
    for name in draw(st.lists(st.sampled_from(Perturbations.names()), unique=True)):
        rule = RULES[name]
        numbers = st.integers(int(rule.least), int(rule.most)) if rule.whole else st.floats(rule.least, rule.most)
        ends = sorted(draw(st.lists(numbers, min_size=1, max_size=2)))
        found[name] = ends[0] if len(ends) == 1 else ends
    return found


@given(values())
def test_what_is_given_is_kept(given):
    one = Perturbations.of(given)
    assert one.spans == {name: (v[0], v[-1]) if isinstance(v, list) else (v, v) for name, v in given.items()}
    assert Perturbations.of(one.plain).spans == one.spans
    assert list(one.spans) == [name for name in Perturbations.names() if name in given]
    texts = [f"{name}={':'.join(map(repr, v)) if isinstance(v, list) else repr(v)}" for name, v in given.items()]
    assert Perturbations.read(texts) == one
    assert Perturbations.read(one.texts).spans.keys() == one.spans.keys()


@given(values(), values())
def test_those_of_the_command_take_precedence(of_file, of_command):
    both = Perturbations.of(of_file).replaced_by(Perturbations.of(of_command))
    assert both.spans == Perturbations.of({**of_file, **of_command}).spans


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mas=1", "--perturb mas = 1: is not a perturbation; did you mean 'mass'?"),
        ("delay=1", "--perturb delay = 1: is not a perturbation; did you mean 'observation_delay'?"),
        ("mass", "--perturb = 'mass': must look like name=number or name=low:high"),
        ("mass=1:2:3", "--perturb = 'mass=1:2:3': must look like"),
        ("mass=0.8:", "--perturb = 'mass=0.8:': must look like"),
        ("mass=nan", "--perturb mass = nan: must be a number from 0.01 to 100"),
        ("mass=2:1", "--perturb mass = [2, 1]: must have low <= high; swap them"),
        ("action_delay=1.5", "--perturb action_delay = 1.5: must be a whole number from 0 to 10000"),
        ("dropout=1", "--perturb dropout = 1: must be a number from 0 to 0.99"),
        ("rate=0", "--perturb rate = 0: must be a number from 0.01 to 1"),
    ],
)
def test_a_wrong_text_is_refused_with_a_hint(text, message):
    with pytest.raises(DescriptionError, match=f"^{re.escape(message)}"):
        Perturbations.read([text])


def test_a_name_is_given_once():
    with pytest.raises(DescriptionError, match="is the second value of mass; write a range: low:high"):
        Perturbations.read(["mass=1", "mass=2"])


@pytest.mark.parametrize("value", ["1", True, [1, 2, 3], [], [True], {"low": 1}, float("inf")])
def test_a_value_is_a_number_or_a_range(value):
    with pytest.raises(DescriptionError, match="bias"):
        Perturbations.of({"bias": value})


def test_a_file_has_them_in_its_section_training():
    assert parse_spec(GOOD).training.perturb.spans == {"action_delay": (0, 2), "mass": (1.2, 1.2)}
    assert VALIDATOR.is_valid(GOOD)
    for wrong, message in (
        ({"mas": 1}, r"training\.perturb\.mas = 1: is not a known key; did you mean 'mass'"),
        ({"mass": [2, 1]}, r"training\.perturb\.mass = \[2, 1\]: must have low <= high"),
    ):
        with pytest.raises(DescriptionError, match=message):
            parse_spec(with_value("training.perturb", wrong))
    assert not VALIDATOR.is_valid(with_value("training.perturb", {"rate": 2}))


def test_every_name_is_documented():
    fields = [one.name for one in dataclasses.fields(Perturbations)]
    assert fields == Perturbations.names()
    described = inspect.cleandoc(Perturbations.__doc__)
    assert all(f"\n{name} : " in described for name in fields)
