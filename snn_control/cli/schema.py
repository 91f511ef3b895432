"""``snn_control schema``: write the JSON Schema of controller files, for editors."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .common import add_command, add_shared, write_new

MORE = """\
With the schema, an editor completes keys, explains them and marks mistakes while you type. The schema covers the types
installed here, including those of plug-ins. 'snn_control check' also finds mistakes that no schema can express.

examples:
  snn_control schema controller.schema.json
  and as the first line of a controller file, for editors with yaml-language-server (VS Code, Neovim, Emacs):
  # yaml-language-server: $schema=controller.schema.json
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "schema", run, "write the JSON Schema of controller files for editors", MORE)
    add_shared(parser, "file", nargs="?", help="file to write; without it, the schema is printed")
    add_shared(parser, "--force")


def run(options: argparse.Namespace) -> int:
    from ..controller_file.schema import schema

    if write_new(options, json.dumps(schema(), indent=1) + "\n"):
        print(f"{options.file}: written")
    return 0
