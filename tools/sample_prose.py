"""``python -m tools.sample_prose --seed S``: paragraphs of docs and docstrings, drawn at random, for readers to rate.

Each text has its number and place, and what a reader sees above it: headings and the line that leads into a list, or
the definition in Python. A reader writes a number from 1 (must be read several times) to 5 (understood on
first reading) beside each; the aim is a mean of 4.3 for docs and 4.2 for docstrings, with at most 5 % at 2 or less.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .prose import ROOT, docstrings, files

LEAST_WORDS = 8  # shorter paragraphs are captions and headings


class Text(NamedTuple):
    """A text to rate: its place, what stands above it, and itself."""

    place: str
    above: str
    text: str


def paragraphs(path: Path) -> Iterator[Text]:
    """Yield each paragraph and list item of a page, with its headings and, for an item, the line before the list."""
    text = re.sub(r"^```.*?^```|<!--.*?-->", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings, lead = list[str](), ""
    for block in re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", text):
        block = block.strip()
        item = bool(re.match(r"[-*] |\d+\. ", block))
        if found := re.match(r"(#+) (.*)", block):
            headings = [*headings[: len(found[1]) - 1], found[2]]
        elif len(block.split()) >= LEAST_WORDS and not block.startswith(("|", "![")):
            yield Text(str(path.relative_to(ROOT)), " > ".join(headings) + f"\n{lead}" * item, block)
        lead = lead if item else block if block.endswith(":") else ""


def definitions(path: Path) -> Iterator[Text]:
    """Yield each docstring of a module, with the definition that it belongs to."""
    lines = path.read_text("utf-8").splitlines()
    for node, text in docstrings(path):
        first = 0 if isinstance(node, ast.Module) else node.lineno
        yield Text(f"{path.relative_to(ROOT)}:{first}", "\n".join(lines[first - 1 : node.body[0].lineno - 1]), text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="seed of the choice")
    parser.add_argument("--count", type=int, default=40, help="texts of each kind (default: 40)")
    given = parser.parse_args()
    kinds = (("docs", ".md", paragraphs), ("docstrings", ".py", definitions))
    for title, suffix, texts in kinds:
        every = [text for path in sorted(files()) if path.suffix == suffix for text in texts(path)]
        for number, one in enumerate(random.Random(given.seed).sample(every, given.count), 1):
            print(f"\n### {title} {number} ({one.place})\n\n{one.above}\n\n{one.text}")


if __name__ == "__main__":
    main()
