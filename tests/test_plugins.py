"""Plug-ins by entry point: the example package, and packages that are broken. Each case is a process of its own."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.plugins import EXAMPLE, metadata
from snn_control.coding import DirectEncoder, Output, SpikeDecoder, ValueInput
from snn_control.engine import registry
from snn_control.engine.bound import Bound
from snn_control.engine.build import build
from snn_control.engine.lowering import EncoderLowering, Plugin
from snn_control.engine.registry import builtin
from snn_control.errors import BuildError, ProgramError
from snn_control.network import LIF, Network, Population

ROOT = Path(__file__).resolve().parents[1]
DOCS = (ROOT / "docs/tutorials/own_neuron.md").read_text(encoding="utf-8")


def run(arguments, *path, **environment):
    """Output of a Python process that finds packages, and what is known about them, in these folders."""
    paths = os.pathsep.join(map(str, (*path, ROOT)))
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(code, *path, **environment):
    return run(["-c", textwrap.dedent(code)], *path, **environment)


@pytest.fixture
def example(tmp_path):
    """Folders by which the example package is found as if it were installed."""
    metadata(EXAMPLE, tmp_path / "site")
    return tmp_path / "site", EXAMPLE


def test_the_example_passes_its_own_tests(example):
    options = ["-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml"]
    out = run(["-m", "pytest", *options, EXAMPLE / "tests"], *example, PYTEST_ADDOPTS="")  # colcon's are for this run
    assert " passed" in out
    assert "skipped" not in out


LISTED = """
    from snn_control.engine import registry
    from snn_control.engine.registry import all_kernels
    from tests import reference
    references = {**reference.REFERENCES, **registry.companions("reference")}
    own = set(all_kernels()) - set(registry.builtin("kernels"))
    print(sorted(own), set(all_kernels()) - set(references), repr(registry.faults()))
"""


def test_our_own_conformance_test_sees_the_kernels_of_plugins(example):
    assert python(LISTED, *example) == "['lif_again', 'oja', 'quadratic', 'weber'] set() ''\n"
    assert python(LISTED) == "[] set() ''\n"


ENCODE = """
    import numpy as np
    from snn_control.engine.compile import compilations
    from snn_control.engine.registry import kernel
    from snn_control.testing import call_kernel
    ones = np.ones(1, np.float32)
    out = np.zeros(2, np.float32)
    kernel("lif_again").address, kernel("copy").address
    call_kernel(kernel("weber").address, [1, 3 * ones, out, ones, np.array([[4], [1], [0]], np.float32)])
    print(out.tolist(), sorted(name.rpartition(".")[2] for name, how in compilations.items() if how == "compiled"))
"""


def test_an_edited_package_is_compiled_again_and_no_other(example, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    path, cache = (example[0], copy), {"SNN_CONTROL_CACHE": str(tmp_path / "cache")}
    assert python(ENCODE, *path, **cache) == "[4.0, 0.0] ['copy', 'lif_again', 'weber']\n"
    assert python(ENCODE, *path, **cache) == "[4.0, 0.0] []\n"
    file = copy / "snn_control_example" / "kernels" / "weber.py"
    source = file.read_text()
    assert source.count("y = p.gain[i] *") == 1
    file.write_text(source.replace("y = p.gain[i] *", "y = p.gain[i] * p.gain[i] *"))
    assert python(ENCODE, *path, **cache) == "[16.0, 0.0] ['lif_again', 'weber']\n"


BROKEN = {
    "away": ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
    "wrong": ("PLUGIN = 7", "wrong:PLUGIN is a int, must be a Plugin"),
    "taken": (
        """
        from snn_control.engine.lowering import Plugin
        from snn_control.engine.rows import count, kernel
        @kernel()
        def copy(n: count): pass
        PLUGIN = Plugin(kernels=(copy,))
        """,
        "a kernel 'copy' exists already",
    ),
    "formless": (
        """
        from snn_control.engine.lowering import Plugin
        from snn_control.network import LIF
        class Mine(LIF): pass
        PLUGIN = Plugin(neurons={"mine": (Mine, 7)})
        """,
        "neurons 'mine': 7 is not a lowering of neurons",
    ),
    "ours": (
        """
        from snn_control.engine.lowering import Plugin
        from snn_control.engine.registry import builtin
        PLUGIN = Plugin(neurons={"mine": builtin("neurons")["lif"]})
        """,
        "neurons 'mine': LIF is a description of snn_control; make a subclass of it",
    ),
    "unlisted": (
        """
        from snn_control.engine.lowering import Plugin
        PLUGIN = Plugin(kernels=(7,))
        """,
        "kernels: 7 is not a Kernel",
    ),
}
MINE = """
    from dataclasses import dataclass
    from snn_control.engine.lowering import Plugin
    from snn_control.engine.registry import builtin
    from snn_control.engine.rows import count, kernel
    from snn_control.network import LIF
    @dataclass(frozen=True, eq=False)
    class Mine(LIF):
        pass
    @kernel()
    def k(n: count):
        pass
    lowering = builtin("neurons")["lif"][1]
    PLUGIN = Plugin(kernels=(k,), neurons={"%s": (Mine, lowering), "%s": (Mine, lowering)})
"""


def package(site, name, code):
    """A package of one module, and the metadata of its entry point."""
    info = site / f"{name}_package-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}_package\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[snn_control.plugins]\n{name} = {name}:PLUGIN\n")
    (site / f"{name}.py").write_text(textwrap.dedent(code))


ASK = """
    import yaml
    from snn_control.engine.registry import kernel
    from snn_control.errors import SnnControlError
    from snn_control.network import Population, Network, NeuronModel
    from snn_control.controller import build_program
    from snn_control.controller_file import parse_spec
    NEURON = "version: 1\\nperiod: 0.01\\nnetwork: {populations: {a: {size: 1, neuron: {type: %s}}}}\\n"
    REST = "outputs: {u: {decoder: {type: linear, from: a, weights: 1.0, tau: 0.1}}}"
    def ask(name):
        spec = parse_spec(yaml.safe_load(NEURON % name + REST))
        build_program(spec)
        return spec
    def told(function, *arguments):
        try:
            function(*arguments)
            print("fine")
        except SnnControlError as error:
            print(type(error).__name__, error)
"""


def test_a_broken_plugin_is_named_where_it_is_missed_and_stops_nobody_else(tmp_path, example):
    for name, (code, _) in BROKEN.items():
        package(tmp_path / "broken", name, code)
    code = (
        ASK
        + """
    import sys
    told(ask, "lif")
    print("away" in sys.modules, "wrong" in sys.modules)
    told(ask, "quadratic")
    told(ask, "quadratik")
    told(kernel, "nowhere")
    class Unknown(NeuronModel): pass
    from snn_control.engine.build.builder import lowering_of
    told(lowering_of, "here", Unknown())
    """
    )
    out = python(code, tmp_path / "broken", *example).splitlines()
    assert out[:3] == ["fine", "False False", "fine"]  # not even imported where nobody asks
    kinds = ["DescriptionError network.populations.a.neuron.type = 'quadratik': must be one of if, lif, "]
    kinds += ["ProgramError kernel 'nowhere' is not installed; known: ", "BuildError here = 'Unknown': no kernel"]
    for line, start in zip(out[3:], kinds, strict=True):
        assert line.startswith(start)
        for name, (_, fault) in BROKEN.items():
            assert f"plug-in '{name}' of {name}_package: {fault}" in line
    assert "did you mean 'quadratic'?" in out[3]


def test_names_that_clash_are_told_and_mean_nothing(tmp_path):
    package(tmp_path, "one", MINE % ("mine", "both"))
    package(tmp_path, "two", MINE % ("both", "lif"))
    code = (
        ASK
        + """
    told(ask, "mine")
    told(ask, "both")
    told(kernel, "k")
    import one, two
    print(type(ask("lif").network.populations[0].neuron).__name__)
    spec = ask("mine")
    print(type(spec.network.populations[0].neuron).__module__, spec.save("%s").read_text().count("type: mine"))
    from dataclasses import replace
    other = replace(spec, network=Network((Population("a", 1, two.Mine()),)))
    told(other.save, "%s")
    """
    )
    out = python(code.replace('"%s"', repr(str(tmp_path / "saved.yaml"))), tmp_path).splitlines()
    assert out[0] == "fine"
    assert "neurons 'both' is in plug-in 'one' of one_package and in plug-in 'two' of two_package" in out[1]
    assert "kernel 'k' is not installed" in out[2]
    assert "kernels 'k' is in plug-in 'one' of one_package and in plug-in 'two' of two_package" in out[2]
    assert out[3:5] == ["LIF", "one 1"]
    assert "'Mine': has no name in the controller file" in out[5]
    assert "plug-in 'two' of two_package: neurons 'lif' exists already" in out[5]


class Mine(LIF):
    pass


class MyEncoder(DirectEncoder):
    pass


def fails(*_):
    raise RuntimeError("no idea")


LOWERING = builtin("neurons")["lif"][1]
STATES = LOWERING.states(LIF())


@pytest.mark.parametrize(
    ("kind", "lowering", "error"),
    [
        ("neurons", replace(LOWERING, parameters=fails), "RuntimeError: no idea (test_plugins.py:"),
        ("neurons", replace(LOWERING, parameters=lambda *_: None), "TypeError: 'NoneType' object is not iterable ("),
        ("neurons", replace(LOWERING, states=fails), "RuntimeError: no idea (test_plugins.py:"),
        ("neurons", replace(LOWERING, states=lambda _: {}), "kernel 'integrate_and_fire': missing ['v']"),
        ("encoders", EncoderLowering(fails), "RuntimeError: no idea (test_plugins.py:"),
        ("encoders", EncoderLowering(lambda *_: None), "build returned None: must be the Place of the currents"),
    ],
)
def test_a_lowering_that_fails_is_named_with_its_place_in_the_file(monkeypatch, kind, lowering, error):
    monkeypatch.setattr(registry, "_added", registry._Table())
    description = {"neurons": Mine, "encoders": MyEncoder}[kind]
    registry.add(Plugin(**{kind: {"mine": (description, lowering)}}))
    inputs = [ValueInput("x", encoder=MyEncoder() if kind == "encoders" else None)]
    network = Network((Population("a", 1, Mine() if kind == "neurons" else LIF()),))
    with pytest.raises(BuildError) as caught:
        build(network, inputs, [Output("u", (SpikeDecoder("a", 1.0, 0.1),))], dt=1e-3, period=1e-3)
    where = "populations.a.neuron" if kind == "neurons" else "inputs.x.encoder"
    name = f"{__name__}.{description.__name__}"
    assert str(caught.value).startswith(f"{where} = '{name}': its lowering failed (this process): ")
    assert error in str(caught.value)


def test_a_state_of_another_dtype_than_its_kernel_declares_is_refused(monkeypatch):
    monkeypatch.setattr(registry, "_added", registry._Table())
    lowering = replace(LOWERING, states=lambda _: STATES | {"v": "float64"})
    registry.add(Plugin(neurons={"mine": (Mine, lowering)}))
    outputs = [Output("u", (SpikeDecoder("a", 1.0, 0.1),))]
    with pytest.raises(ProgramError, match="of a: v of dtype <f8: must be f32"):
        Bound(build(Network((Population("a", 1, Mine()),)), [], outputs, dt=1e-3, period=1e-3))


def test_only_a_plugin_is_added():
    with pytest.raises(ProgramError, match="3 is a int, must be a Plugin"):
        registry.add(3)


# the tutorial --------------------------------------------------------------------------------------------------
def test_every_code_block_of_the_tutorial_stands_in_the_example():
    files = {p: p.read_text(encoding="utf-8") for p in EXAMPLE.rglob("*") if p.suffix in (".py", ".toml", ".yaml")}
    blocks = re.findall(r"```(?:python|toml|yaml)\n(.*?)```", DOCS, re.DOTALL)
    assert len(blocks) >= 9
    for block in blocks:
        assert any(block in text for text in files.values()), block


def test_the_files_that_the_tutorial_names_are_there():
    named = re.findall(r"`((?:snn_control_example|tests)/[\w/]+\.py|\w+\.(?:toml|yaml))`", DOCS)
    assert len(set(named)) >= 8
    for name in named:
        assert (EXAMPLE / name).is_file(), name
