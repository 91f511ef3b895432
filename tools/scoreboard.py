"""Write the table and the picture of docs/scoreboard.md from the rows: ``python -m tools.scoreboard``."""

from __future__ import annotations

import re
from pathlib import Path

from snn_control.report.scoreboard_page import board_pictures
from snn_control.report.table import number
from snn_control.scoreboard.row import Row, read_board

DOCS = Path(__file__).parents[1] / "docs"
BOARD, PAGE, PICTURE = DOCS / "scoreboard", DOCS / "scoreboard.md", DOCS / "images/scoreboard.png"
HEADS = (
    "who", "return", "IQM (95 %)", "spikes", "AC", "MAC", "memory [kB]", "energy [nJ]", "int8 MLP [nJ]", "tick [µs]"
)  # fmt: skip


def table(rows: list[Row]) -> str:
    """Return the Markdown of the tables, one for each environment."""
    parts = []
    for name in dict.fromkeys(row.environment for row in rows):
        lines = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
        lines += [f"| {' | '.join(cells(row))} |" for row in rows if row.environment == name]
        parts.append("\n".join([f"### {name.removeprefix('sim_worlds:')}", "", *lines]))
    return "\n\n".join(parts)


def cells(row: Row) -> list[str]:
    r, of = row.results, row.results["return"]
    cost = [""] * 7
    if own := r.get("operations"):
        beside = number(r["perceptron"]["nanojoule"]) if "perceptron" in r else ""
        cost = [number(r["spikes"]), number(own["accumulates"]), number(own["multiply_accumulates"]),
                number(r["footprint"] / 1e3), number(sum(r["nanojoule"].values())), beside,
                number(r["tick_us"])]  # fmt: skip
    interval = f"{number(of['iqm'])} ({number(of['low'])} to {number(of['high'])})"
    return [f"**{row.name}**" if row.kind == "controller" else row.name, number(of["mean"]), interval, *cost]


def page(text: str) -> str:
    """Return the text of docs/scoreboard.md with the present table."""
    between = r"(<!-- rows -->\n).*(\n<!-- end of rows -->)"
    return re.sub(between, lambda found: f"{found[1]}\n{table(read_board(BOARD))}\n{found[2]}", text, flags=re.DOTALL)


def main() -> None:
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    PICTURE.write_bytes(board_pictures(read_board(BOARD))[0].png)


if __name__ == "__main__":
    main()
