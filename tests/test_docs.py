"""The documents: every link leads to a file, every example in Python runs."""

import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

from snn_control.controller import build_program
from snn_control.controller_file import load_spec, schema
from snn_control.engine import registry
from snn_control.ros.nodes import services
from tools import prose, reference

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: a block of code after a comment that says why it is not run, or to which file it belongs
BLOCK = re.compile(r"^(?:<!-- (not run|file): (.*?) -->\n)?```(python|bash|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = {page: BLOCK.findall(page.read_text("utf-8")) for page in PAGES}

#: what shortens the commands of a page and leaves the rest as it is: fewer steps of training, shorter episodes
SHORTER = (
    (r"(snn_control (?:train|quantize) [^#\n]*?)(?=\s*(#|$))", r"\1 --steps 500 --set n_steps=64"),
    (r"--env sim_worlds:ArmUnknownLoad-v0", r"\g<0> --arg duration=1"), (r"--video seen.mp4", r"\g<0> --speed 0.2"),
    (r'"total_timesteps": 10_000', '"total_timesteps": 1_000, "n_steps": 64'), (r"--episodes 20", "--episodes 2"),
    (r"range\(1, 2001\)", "range(1, 101)"), (r"2000 - k", "100 - k"), (r"\[500, 1500\]", "[25, 75]"),  # a recording
)  # fmt: skip
#: a line of the shell that only starts our command, which then runs in the process of the page: a start takes longer
#: than most commands
COMMAND = re.compile(r"snn_control ([^|&;<>$`\\]*)")
QUICK = """\
import contextlib, io, shlex, warnings
from snn_control.cli import main, training_page
from snn_control.scoreboard import protocol
from snn_control.training import training_run as run
protocol.Task.seeds = property(lambda task: range(protocol.FIRST_SEED, protocol.FIRST_SEED + 2))
training_page.make_page = lambda *_: None  # at which tests/cli/test_training_page.py looks
run.VALIDATION_EPISODES, run.COMPARISON_EPISODES, run.EVALUATION_EPISODES = 3, 4, 4
def command(line):
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.resetwarnings()  # errors are those of the Python of the page
        assert main(shlex.split(line)) == 0, line
"""
QUOTED = {"docs/tutorials/own_neuron.md"}  # parts of files of examples/plugin, which tests/test_plugins.py compares


def name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_to_a_file(page):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:|#", link)]
    files = [(page.parent / link.partition("#")[0]).resolve() for link in links]
    built = {reference.REFERENCE / name for name in reference.BUILT}
    assert [file for file in files if not file.exists() and file not in built] == []


def test_links_and_examples_are_found():
    assert "](docs/howto/bring_network.md)" in PAGES[0].read_text("utf-8")
    assert sum(len(EXAMPLES[page]) for page in PAGES if page.parent.name == "coming_from") >= 5


def test_every_block_has_a_language():
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.MULTILINE)
        assert "" not in fences[::2], f"{name(page)}: a block of code needs a language, e.g. text"


def shortened(code):
    for pattern, shorter in SHORTER:
        code = re.sub(pattern, shorter, code, flags=re.MULTILINE)
    return code


def shell(code):
    return f"subprocess.run(['bash', '-ec', {code!r}], check=True, stdout=subprocess.DEVNULL)"


def commands(code):
    """Return code that runs shortened shell commands. Commands of this package run in the process of the page."""
    code = shortened(code)
    lines = [line.partition(" #")[0] for line in code.splitlines() if line and not line.startswith("#")]
    found = [COMMAND.fullmatch(line) for line in lines]
    return "\n".join(f"command({one[1]!r})" for one in found if one) if all(found) else shell(code)


def program(page, short=False):
    """A Python program that does what a reader of the page does, from top to bottom; ``short``: it does less of it."""
    lines = ["import subprocess", "from pathlib import Path"]
    for mark, text, language, code in EXAMPLES[page]:
        if mark == "file":
            lines.append(f"Path({text!r}).write_text({code!r})")
        elif mark or language == "yaml":
            assert mark != "not run" or text, "say why it is not run"
        elif language == "bash":
            lines.append(commands(code) if short else shell(code))
        else:
            lines.append(shortened(code) if short else code)
    return "\n".join(lines)


RUN = [page for page in PAGES if name(page) not in QUOTED and len(program(page).splitlines()) > 2]


def line(*arguments):
    """Of a Python process with our commands that does not know this folder."""
    path = os.pathsep.join([str(ROOT), *(p for p in sys.path if p)])
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return [sys.executable, "-W", "error", *arguments], os.environ | {"PYTHONPATH": path, "PATH": commands}


def prepared(folder, program):
    shutil.copytree(ROOT / "config", folder / "config")
    if "gymnasium" in program:
        pytest.importorskip("gymnasium")


def run(folder, program):
    """In a separate process and folder: some examples register encoders and rules, some write files."""
    prepared(folder, program)
    command, environment = line("-c", program)
    done = subprocess.run(command, cwd=folder, env=environment, timeout=240, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def forked():
    """Return a function that does what `run` does, in a process that is forked after the imports."""
    pytest.importorskip("gymnasium")
    command, environment = line("-m", "tests.pages")
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pages:

        def run(folder, program):
            prepared(folder, program)
            pages.stdin.write(json.dumps([str(folder), program]) + "\n")
            pages.stdin.flush()
            assert pages.stdout.readline() == "0\n", (folder / "error.txt").read_text()

        yield run
        pages.stdin.close()


@pytest.mark.parametrize("page", RUN, ids=name)
def test_the_examples_of_a_page_run_from_top_to_bottom(page, tmp_path, forked):
    code = QUICK + program(page, short=True)
    (run if "__main__" in code else forked)(tmp_path, code)  # its workers import a file


@pytest.mark.deep
@pytest.mark.parametrize("page", [page for page in RUN if program(page, short=True) != program(page)], ids=name)
def test_the_examples_of_a_page_run_as_long_as_they_are_written(page, tmp_path):
    run(tmp_path, program(page))


@pytest.mark.parametrize("page", reference.COMMITTED, ids=name)
def test_pages_that_are_committed_are_those_of_the_declarations(page):
    text = page.read_text("utf-8")
    assert reference.COMMITTED[page](text) == text, "rewrite it: python -m tools.reference"
    assert text.count("\n|---|") >= 5


SPHINX = ["--fail-on-warning", "--keep-going", "--quiet", str(ROOT / "docs"), "site"]
QUICK_SITE = f"""\
import warnings
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.cmd.build import main
warnings.resetwarnings()
StandaloneHTMLBuilder.search = False
assert main({SPHINX} + ["-D", "html_theme=basic"]) == 0
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, forked):
    """The pages of the site, which is built without theme and index of words."""
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("docs")
    forked(folder, QUICK_SITE)
    return lambda page: (folder / f"site/{page}.html").read_text("utf-8")


@pytest.mark.deep
def test_the_site_is_built_with_its_theme(tmp_path):
    pytest.importorskip("sphinx")
    line = [sys.executable, "-m", "sphinx", *SPHINX]
    done = subprocess.run(line, cwd=tmp_path, timeout=280, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'class="sidebar-tree"' in (tmp_path / "site/index.html").read_text("utf-8")


def test_the_site_has_every_declaration(site):
    keys, kernels, cli, nodes = map(site, ("reference/keys", "reference/kernels", "reference/cli", "reference/nodes"))
    for key in ("plausible", "v_threshold", "delay", "surrogate", "joints"):
        assert f">{key}<" in keys
    for detail in ("snn_control.network.LIF<", "arctan        slope / 2 / (1 + (pi / 2 slope x)^2)"):
        assert detail in keys
    for kernel in registry.all_kernels():
        assert f'id="{kernel.replace("_", "-")}"' in kernels
    for option in re.findall(r"--[a-z][a-z-]+", reference.commands()):
        assert option in cli
    for node, cls in reference.NODES.items():
        for parameter in getattr(importlib.import_module(f"snn_control.ros.nodes.{node}"), cls).PARAMETERS:
            assert f">{parameter}<" in nodes
    for module in reference.PUBLIC:
        page, made = site(f"reference/api/{module}"), importlib.import_module(module)
        for public in made.__all__:
            if inspect.isclass(getattr(made, public)) or inspect.isfunction(getattr(made, public)):
                assert f".{public}" in page, f"{module}.{public} needs a docstring"


def test_what_is_added_to_the_declarations_is_on_their_pages(monkeypatch):
    from snn_control import cli
    from snn_control.ros.nodes.controller_node import ControllerNode
    from snn_control.ros.nodes.process import Parameter

    whole = schema.schema()
    whole["properties"]["new_key"] = {"type": "number", "minimum": 3, "description": "the text of a new key"}
    monkeypatch.setattr(schema, "schema", lambda: whole)
    assert "| `new_key` | number from 3 |  |  | the text of a new key |" in reference.keys()
    made = cli.parser()
    commands = next(action for action in made._actions if hasattr(action, "choices") and action.choices)
    commands.choices["run"].add_argument("--new-option", metavar="N", default=4, help="the text of a new option")
    monkeypatch.setattr(cli, "parser", lambda: made)
    assert "| `--new-option` N | `4` | the text of a new option |" in reference.commands()
    parameter = Parameter(5.0, "the text of a new parameter", low=1.0, high=9.0)
    monkeypatch.setattr(ControllerNode, "PARAMETERS", ControllerNode.PARAMETERS | {"new_parameter": parameter})
    page = reference.nodes((reference.REFERENCE / "nodes.md").read_text("utf-8"))
    assert "| `new_parameter` | double, 1 to 9 | `5.0` | the text of a new parameter |" in page


#: kinds of keys whose values have entries of their own, with examples
OWN_ENTRIES = ("mapping", "rules or null", "camera or null", "list of decoders")


def test_every_key_has_an_example_in_a_file_that_is_read():
    section = ""
    for line in reference.keys().splitlines():
        section = line if line.startswith("## ") else section
        if line.startswith("| `"):
            key, kind, default, example = re.split(r" (?<!\\)\| ", line[2:])[:4]
            longer = kind in OWN_ENTRIES
            assert default or example or longer, f"{section}: {key} needs an example: docs/reference/examples"
    assert build_program(load_spec(reference.REFERENCE / "examples" / "rare_keys.yaml")).facts.inputs


def test_every_topic_and_service_of_the_nodes_has_an_entry():
    page = (reference.REFERENCE / "nodes.md").read_text("utf-8")
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "snn_control" / "ros").rglob("*.py"))
    names = set(re.findall(r'"(~/[a-z_]+|/clock|/diagnostics)\b', sources))
    names |= {f"~/{name}" for name in services.TRIGGERS}
    assert len(names) > 10
    assert [one for one in sorted(names) if f"`{one}" not in page] == []


def constants(code):
    """All constants of a module as text, and the parts of its f-strings."""
    for one in code.co_consts:
        yield from constants(one) if isinstance(one, types.CodeType) else [str(one)]


def test_every_message_of_the_page_on_troubleshooting_is_in_the_code():
    """In the first column, ``...`` stands for what a message fills in; code of a word alone is no message."""
    sources = [path.read_text("utf-8") for path in (ROOT / "snn_control").rglob("*.py")]
    said = "\n".join(text for source in sources for text in constants(compile(source, "", "exec")))
    rows = re.findall(r"^\| (.*?) \|", (ROOT / "docs/howto/troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    messages = [one for row in rows for one in re.findall("`([^`]+)`", row) if " " in one]
    assert len(messages) > 30
    parts = [part.strip(" ,:=") for one in messages for part in one.split("...")]
    assert [part for part in parts if part not in said] == []


def test_the_checker_of_language_finds_what_each_rule_forbids(tmp_path, monkeypatch):
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    wrong = {
        "but for": "All is there but for one.", "told": "The user is told.", "over": "The episode is over.",
        "coming": "It counts in the coming tick.", "in the mean": "It takes 3 s in the mean.",
        "has against": "Say what it has against it.", "of": "Of all neurons two fire.",
        "what": "What fires is counted.", "that": "That it fires is counted.", "history": "It formerly fired.",
        "long": "word " * 41 + ".",
    }  # fmt: skip
    page = tmp_path / "page.md"
    for rule, text in wrong.items():
        page.write_text(f"# Title\n\nThe neuron fires.\n\n{text}\n\n```text\n{text}\n```\n")
        found = list(prose.findings(page))
        assert len(found) == 1, found
        assert found[0].startswith("page.md:5: language.")
        assert rule.split()[-1] in found[0]
    page.write_text("The guard limits the command. What does it do?\n\n| what | it does |\n|---|---|\n| a | b |\n")
    assert list(prose.findings(page)) == []


def test_a_benchmark_against_nengo_says_in_one_line_that_it_needs_it():
    code = "import runpy, sys; sys.modules['nengo'] = None; runpy.run_module('benchmarks.nef', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert done.stderr == "benchmarks.nef needs nengo: pip install nengo, into an environment of its own\n"
