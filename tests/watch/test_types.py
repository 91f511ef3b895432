"""The types of the page's JavaScript, which its comments declare, fit: what TypeScript checks."""

from __future__ import annotations

import shutil
import subprocess
from importlib import resources

import pytest

from snn_control.errors import in_line

TYPESCRIPT = "typescript@5.9.3"
OPTIONS = [
    "--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable",
    "--module", "es2022", "--moduleResolution", "bundler", "--noUnusedLocals", "--noUnusedParameters",
    "--skipLibCheck",  # the declarations of the browser alone
]  # fmt: skip
NO_ANSWER_S = 100  # of the registry


def test_the_types_of_the_page_fit(tmp_path):
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm: sudo apt install npm")
    line = [npm, "install", "--prefix", str(tmp_path), "--no-audit", "--no-fund", "--fetch-retries=0", TYPESCRIPT]
    try:
        got = subprocess.run(line, capture_output=True, text=True, timeout=NO_ANSWER_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{TYPESCRIPT} did not come from the npm registry within {NO_ANSWER_S} s")
    if got.returncode != 0:
        pytest.skip(f"{TYPESCRIPT} does not come from the npm registry: {in_line(got.stderr, 200)}")
    main = resources.files("snn_control.watch") / "page" / "main.js"
    tsc = tmp_path / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([tsc, *OPTIONS, str(main)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
