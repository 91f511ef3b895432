"""``snn_control schema``: the JSON Schema of controller files, for editors."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import add_command, print_json

MORE = """\
An editor that knows it completes keys, explains them and marks mistakes while you type. It holds what is installed,
types that plug-ins bring included; 'snn_control check' also finds what no schema can say.

examples:
  snn_control schema controller.schema.json
  and as the first line of a controller file, for editors with yaml-language-server (VS Code, Neovim, Emacs):
  # yaml-language-server: $schema=controller.schema.json
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "schema", run, "write the JSON Schema of controller files for editors", MORE)
    parser.add_argument("file", nargs="?", metavar="FILE", help="where to write it; without it, it is printed")


def run(options: argparse.Namespace) -> int:
    import json

    from ..controller_file.schema import schema
    from ..errors import DescriptionError
    from ..files import replace_text

    if options.file is None:
        print_json(schema())
        return 0
    if Path(options.file).exists():
        raise DescriptionError("FILE", options.file, "exists already", "choose another name, or remove it")
    replace_text(options.file, json.dumps(schema(), indent=1) + "\n")
    print(f"{options.file}: written")
    return 0
