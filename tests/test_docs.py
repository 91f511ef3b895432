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
EXAMPLES = {
    page: re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE) for page in PAGES
}

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


@pytest.mark.parametrize("page", [page for page in PAGES if EXAMPLES[page] and name(page) not in QUOTED], ids=name)
def test_the_examples_of_a_page_run_from_top_to_bottom(page, tmp_path):
    """In a separate process and folder: some examples register encoders and rules, some write files."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    if "gymnasium" in "".join(EXAMPLES[page]):
        pytest.importorskip("gymnasium")
    path = os.pathsep.join([str(ROOT), *(p for p in sys.path if p)])
    done = subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(EXAMPLES[page])], cwd=tmp_path, timeout=240,
                          capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})  # fmt: skip
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
