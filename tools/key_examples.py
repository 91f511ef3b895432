"""An example for each key of a controller file, found in files that are read and checked.

The files are walked beside the JSON Schema: where a mapping of the schema meets a mapping of the file, each key of the
file is an example of the schema's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 60  # characters of an example


def files() -> list[Path]:
    """Controller files of the package, then those with the keys that none of these needs."""
    patterns = ("snn_control/templates/robots/*.yaml", "config/*.yaml", "docs/reference/examples/*.yaml")
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


class KeyExamples:
    """Examples by section of a schema and key.

    schema : the whole JSON Schema; sections are mappings in it, and are found by identity
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.definitions = schema["$defs"]
        self.found: dict[int, dict[str, str]] = {}
        for path in files():
            self.walk(schema, yaml.safe_load(path.read_text("utf-8")))

    def of(self, section: Mapping[str, Any], key: str) -> str:
        """An example of a key as YAML in one line, or an empty text."""
        return self.found.get(id(section), {}).get(key, "")

    def walk(self, node: Any, value: Any) -> None:
        """Collect the examples in a value of a file that is described by a node of the schema."""
        if not isinstance(node, Mapping):
            return
        for variant in self.variants(node, value):
            self.walk(variant, value)
        if isinstance(value, list):
            for item in value:
                self.walk(node.get("items"), item)
        if isinstance(value, Mapping):
            properties, found = node.get("properties", {}), self.found.setdefault(id(node), {})
            for key, one in value.items():
                if key in properties and key not in found and len(text := one_line(one)) <= LONGEST:
                    found[key] = text
                self.walk(properties.get(key, node.get("additionalProperties")), one)

    def variants(self, node: Mapping[str, Any], value: Any) -> Iterator[Any]:
        """Parts of a node that may describe the value."""
        if "$ref" in node:
            yield self.definitions[node["$ref"].rpartition("/")[2]]
        if "if" in node and isinstance(value, Mapping):
            yield node["then" if value.keys() >= set(node["if"].get("required", ())) else "else"]
        for variant in (*node.get("anyOf", ()), *node.get("oneOf", ())):
            marks = variant.get("properties", {}) if isinstance(variant, Mapping) else {}
            kinds = {key: one["const"] for key, one in marks.items() if "const" in one}
            if not kinds or (isinstance(value, Mapping) and all(value.get(k) == kind for k, kind in kinds.items())):
                yield variant


def one_line(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
