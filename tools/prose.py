"""``python -m tools.prose [FILE ...]``: check the language of README, docs and docstrings.

The rules of CONTRIBUTING.md are checks of proselint; some of its own are used too. Code is not read: blocks,
``literals``, links' targets.
Prints ``path:line: rule: text`` for each finding; exit code 1 if there is one.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from proselint.checks import __register__ as standard
from proselint.registry.checks import Check, CheckResult, types
from proselint.registry.checks.engine import Fancy, RegexOptions

ROOT = Path(__file__).resolve().parents[1]
MAX_WORDS = 40  # of a sentence; under 25 is the aim
USED = ("nonwords", "redundancy", "spelling")  # of proselint's own checks
ENGINE = Fancy(RegexOptions(case_insensitive=False))
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef  # may have a docstring
SENTENCE = re.compile(r"\S.*?(?:[.!?:;](?=\s|$)|$)")

#: rule -> pattern, each with what to write instead
RULES = {
    "but for": (r"\bbut for\b", "write 'except'"),
    "told": (r"\b(?:is|are|was|were|be|being) (?:told|believed)\b", "write 'reported', 'accepted'"),
    "is over": (r"\b(?:is|are) over(?=[.,;])", "write 'has ended'"),
    "coming": (r"\bcoming (?:tick|step|period|round|episode|packet)s?\b", "write 'next'"),
    "in the mean": (r"\bin the mean\b", "write 'on average'"),
    "has against": (r"\b(?:has|have) against\b", "write 'rejects'"),
    "of": (r"(?:^|(?<=[.!?:] ))Of [a-z][^.?]*[.?]", "begin with the subject"),
    "what": (r"(?:^|(?<=[.!?] ))What [a-z][^.?]*\.", "begin with the subject; 'what' asks"),
    "that": (r"(?:^|(?<=[.!?] ))That (?:it|they|the|a|an|there|no|one|this)\b[^.?]* (?:is|are) [^.?]*\.(?= |$)",
             "begin with the subject"),
    "history": (r"\b(?:formerly|used to be|has been tried|(?:former|earlier|previous) version)\b",
                "describe the present state"),
}  # fmt: skip


def long_sentences(text: str, check: Check) -> Iterator[CheckResult]:
    """A check of proselint: sentences of more than `MAX_WORDS` words."""
    for found in SENTENCE.finditer(text):
        columns = "  " in found[0]  # of a table, not a sentence
        if (count := len(re.findall(r"[A-Za-z][\w'-]*", found[0]))) > MAX_WORDS and not columns:
            yield CheckResult(check.path, f"{count} words: one idea a sentence", found.span(), None)


@functools.cache
def checks() -> list[Check]:
    """The rules as checks of proselint, and those of its own that are used."""
    own = [
        Check(types.ExistenceSimple(pattern), ENGINE, f"language.{rule}", message)
        for rule, (pattern, message) in RULES.items()
    ]
    return [*own, Check(long_sentences, ENGINE, "language.long"), *(c for c in standard if c.path.startswith(USED))]


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of each paragraph, list item, table cell; code and links' targets are blanked."""
    text = re.sub(r"^```.*?^```|^---.*?^---|<!--.*?-->", lambda m: "\n" * m[0].count("\n"), text, flags=re.S | re.M)
    text = re.sub(r"``[^`]+``|`[^`\n]*(?:\n[^`\n]*)?`", "x", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    begin, lines = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        fresh = re.match(r"\s*(?:[-*#|>]|\d+\.|>>>|\w+(?:, \w+)* : )", line)
        if (not line.strip() or fresh) and lines:
            yield begin, " ".join(lines)
            lines = []
        if fresh and line.lstrip().startswith("|"):
            yield from ((number, cell.strip()) for cell in line.split("|"))
        elif line.strip():
            begin = begin if lines else number
            lines.append(re.sub(r"^\s*(?:[-*#>]+|\d+\.) ", "", line).strip())


def docstrings(path: Path) -> Iterator[tuple[Documented, str]]:
    """Definition and text of each docstring of a module."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, Documented):
            if text := ast.get_docstring(node):
                yield node, text


def findings(path: Path) -> Iterator[str]:
    """What the rules find in a page or a module, as ``path:line: rule: text``."""
    if path.suffix == ".md":
        source = [(1, path.read_text("utf-8"))]
    else:
        source = [(node.body[0].lineno, text) for node, text in docstrings(path)]
    for first, text in source:
        for line, paragraph in paragraphs(text):
            for check in checks():
                for one in check.check_with_flags(paragraph):
                    where = f"{path.relative_to(ROOT)}:{first + line - 1}"
                    yield f"{where}: {one.check_path}: {paragraph[slice(*one.span)].strip()[:100]!r}: {one.message}"


def files() -> list[Path]:
    """README, CONTRIBUTING, all pages that are there, and all modules of the package."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [*pages, *(ROOT / "snn_control").rglob("*.py"), *(ROOT / "sim_worlds").rglob("*.py")]


def main(arguments: list[str]) -> int:
    found = [text for path in [Path(one).resolve() for one in arguments] or sorted(files()) for text in findings(path)]
    print("\n".join(found) or "no findings")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
