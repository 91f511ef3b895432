"""The rows of the scoreboard that ships, and its page."""

from pathlib import Path

from snn_control.controller_file import load_spec
from snn_control.resources import controller_path
from snn_control.scoreboard.protocol import SUITES
from snn_control.scoreboard.row import read_board
from tools import scoreboard

BOARD = Path(__file__).parents[2] / "docs" / "scoreboard"


def test_the_board_has_its_rows_and_their_files():
    rows = read_board(BOARD)
    assert len(rows) >= 20
    for row in rows:
        if row.actor.endswith((".yaml", ".npz")):
            assert load_spec(BOARD / row.actor)
        elif row.kind == "controller":
            assert controller_path(row.actor, "FILE").is_file()
    assert {row.environment for row in rows} >= {task.environment for task in SUITES["worlds"]}


def test_the_table_of_the_page_is_that_of_the_rows():
    text = scoreboard.PAGE.read_text("utf-8")
    assert scoreboard.page(text) == text
    for row in read_board(BOARD):
        assert f"| {row.name} | {row.kind} |" in text
