"""What pip, colcon and people read about the package must agree, and its files must be found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from snn_control import resources
from snn_control.errors import DescriptionError

ROOT = Path(__file__).resolve().parents[1]


def test_one_version():
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    version = manifest.findtext("version")
    assert version
    assert f'version="{version}"' in (ROOT / "setup.py").read_text()
    assert version in (ROOT / "CHANGELOG.rst").read_text()
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_requirement_is_pinned():
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    program = (
        "import setuptools, runpy\n"
        "def show(install_requires, extras_require, **rest):\n"
        "    print(*install_requires, *sum(extras_require.values(), []), sep='\\n')\n"
        "setuptools.setup = show\n"
        "runpy.run_path('setup.py')"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    required = {re.split(r"[<>=\[; ]", line)[0].lower() for line in shown.stdout.splitlines()}
    assert len(required) > 20
    assert required - pinned == set()


@pytest.mark.deep
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_pinned_versions_fit_together_in_every_python(python):
    pytest.importorskip("uv")
    extras = ("all", "docs", "interfaces", "test", "ray", "tensorboard", "decoders", "box2d", "mujoco")
    options = [f"--extra={name}" for name in extras]
    options += ["--constraint=constraints.txt", f"--python-version={python}.0", "--quiet"]
    line = ["tools/uv.sh", sys.prefix, "pip", "compile", "setup.py", *options]  # from the index of pip's settings
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_address_of_an_index_stands_in_the_project():
    files = ("setup.py", "setup.cfg", "pyproject.toml", "constraints.txt", "Makefile")
    for path in (*(ROOT / name for name in files), *(ROOT / "tools").glob("*.sh")):
        assert not re.search(r"https?://|=\s*\w+\.\w+\.(?:org|com)", path.read_text()), path


def test_shipped_files_are_found_in_the_checkout():
    assert resources.shipped("package.xml", folder=".") == ROOT / "package.xml"


def test_a_wrong_name_gets_the_nearest_one(tmp_path, monkeypatch):
    share = tmp_path / "share" / "snn_control" / "config"
    share.mkdir(parents=True)
    (share / "arm.yaml").write_text("version: 1\n")
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "lib" / "python3.11" / "site-packages" / "snn_control")
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    assert resources.shipped("arm") == resources.shipped("arm.yaml") == share / "arm.yaml"
    assert resources.shipped_names() == ["arm"]
    with pytest.raises(DescriptionError, match=r"shipped = 'arn': .*did you mean 'arm'"):
        resources.shipped("arn")


def test_ament_prefixes_are_searched_last(tmp_path, monkeypatch):
    share = tmp_path / "overlay" / "share" / "snn_control" / "config"
    share.mkdir(parents=True)
    (share / "only_there.yaml").write_text("")
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(["", str(tmp_path / "overlay")]))
    assert resources.shipped("only_there") == share / "only_there.yaml"
