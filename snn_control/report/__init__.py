"""Reports on a run: a self-contained HTML page and a table in the terminal."""

from .page import write_report
from .table import print_summary

__all__ = ["print_summary", "write_report"]
