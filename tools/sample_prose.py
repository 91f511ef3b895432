"""``python -m tools.sample_prose --seed S``: paragraphs of docs and docstrings, drawn at random, for readers to rate.

Each text has its number and place. A reader writes a number from 1 (must be read several times) to 5 (understood on
first reading) beside each; the aim is a mean of 4.3 for docs and 4.2 for docstrings, with at most 5 % at 2 or less.
"""

from __future__ import annotations

import argparse
import random
import re
from pathlib import Path

from .prose import ROOT, docstrings, files

LEAST_WORDS = 8  # shorter paragraphs are captions and headings


def paragraphs(path: Path) -> list[tuple[str, str]]:
    """Place and text of each paragraph of prose of a page."""
    text = re.sub(r"^```.*?^```|<!--.*?-->", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    blocks = [block.strip() for block in re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", text)]
    prose = [one for one in blocks if not one.startswith(("#", "|", "![")) and len(one.split()) >= LEAST_WORDS]
    return [(str(path.relative_to(ROOT)), one) for one in prose]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="seed of the choice")
    parser.add_argument("--count", type=int, default=40, help="texts of each kind (default: 40)")
    given = parser.parse_args()
    pages = [found for path in sorted(files()) if path.suffix == ".md" for found in paragraphs(path)]
    modules = [path for path in sorted(files()) if path.suffix == ".py"]
    strings = [(f"{path.relative_to(ROOT)}:{line}", text) for path in modules for line, text in docstrings(path)]
    for title, texts in (("docs", pages), ("docstrings", strings)):
        for number, (place, text) in enumerate(random.Random(given.seed).sample(texts, given.count), 1):
            print(f"\n### {title} {number} ({place})\n\n{text}")


if __name__ == "__main__":
    main()
