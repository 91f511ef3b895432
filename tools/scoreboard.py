"""Write the table and the picture of docs/scoreboard.md from the rows: ``python -m tools.scoreboard``."""

from __future__ import annotations

from pathlib import Path

from snn_control.report.scoreboard_page import COLUMNS, board_pictures, cells
from snn_control.scoreboard.row import Row, read_board

DOCS = Path(__file__).parents[1] / "docs"
BOARD, PAGE, PICTURE = DOCS / "scoreboard", DOCS / "scoreboard.md", DOCS / "images/scoreboard.png"


def table(rows: list[Row]) -> str:
    """Return the Markdown of the tables, one for each environment."""
    parts = []
    for name in dict.fromkeys(row.environment for row in rows):
        lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        lines += [f"| {' | '.join(cells(row))} |" for row in rows if row.environment == name]
        parts.append("\n".join([f"### {name.removeprefix('sim_worlds:')}", "", *lines]))
    return "\n\n".join(parts)


def page(text: str) -> str:
    """Return the text of docs/scoreboard.md with the present table between its two marks."""
    head, start, rest = text.partition("<!-- rows -->\n")
    _, end, tail = rest.partition("<!-- end of rows -->")
    if not start or not end:
        raise SystemExit(f"{PAGE}: has no marks for the table")
    return f"{head}{start}\n{table(read_board(BOARD))}\n\n{end}{tail}"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    PICTURE.write_bytes(board_pictures(read_board(BOARD))[0].png)


if __name__ == "__main__":
    main()
