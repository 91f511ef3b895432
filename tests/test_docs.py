"""The documents: every link leads to a file, every example in Python runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from snn_control.engine import registry
from tools import reference

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: a block of code after a comment that says why it is not run, or to which file it belongs
BLOCK = re.compile(r"^(?:<!-- (not run|file): (.*?) -->\n)?```(python|bash|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = {page: BLOCK.findall(page.read_text("utf-8")) for page in PAGES}

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


def program(page):
    """A Python program that does what a reader of the page does, from top to bottom."""
    lines = ["import subprocess", "from pathlib import Path"]
    for mark, text, language, code in EXAMPLES[page]:
        if mark == "file":
            lines.append(f"Path({text!r}).write_text({code!r})")
        elif mark or language == "yaml":
            assert mark != "not run" or text, "say why it is not run"
        elif language == "bash":
            lines.append(f"subprocess.run(['bash', '-ec', {code!r}], check=True, stdout=subprocess.DEVNULL)")
        else:
            lines.append(code)
    return "\n".join(lines)


RUN = [page for page in PAGES if name(page) not in QUOTED and len(program(page).splitlines()) > 2]


@pytest.mark.parametrize("page", RUN, ids=name)
def test_the_examples_of_a_page_run_from_top_to_bottom(page, tmp_path):
    """In a separate process and folder: some examples register encoders and rules, some write files."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    if "gymnasium" in program(page):
        pytest.importorskip("gymnasium")
    path = os.pathsep.join([str(ROOT), *(p for p in sys.path if p)])
    env = os.environ | {"PYTHONPATH": path, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run([sys.executable, "-W", "error", "-c", program(page)], cwd=tmp_path, timeout=240,
                          capture_output=True, text=True, env=env)  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", reference.COMMITTED, ids=name)
def test_pages_that_are_committed_are_those_of_the_declarations(page):
    text = page.read_text("utf-8")
    assert reference.COMMITTED[page](text) == text, "rewrite it: python -m tools.reference"
    assert text.count("\n|---|") >= 5


def test_the_site_is_built_without_a_warning_and_has_every_declaration(tmp_path):
    pytest.importorskip("sphinx")
    line = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", str(ROOT / "docs"), "site"]
    done = subprocess.run(line, cwd=tmp_path, timeout=280, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = {page: (tmp_path / f"site/reference/{page}.html").read_text("utf-8") for page in ("keys", "kernels")}
    for key in ("plausible", "v_threshold", "delay", "surrogate"):
        assert f">{key}<" in text["keys"]
    for kernel in registry.all_kernels():
        assert f'id="{kernel.replace("_", "-")}"' in text["kernels"]


def test_a_benchmark_against_nengo_says_in_one_line_that_it_needs_it():
    code = "import runpy, sys; sys.modules['nengo'] = None; runpy.run_module('benchmarks.nef', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert done.stderr == "benchmarks.nef needs nengo: pip install nengo, into an environment of its own\n"
