"""Reports on runs and controllers: self-contained HTML pages, pictures, videos, and tables in the terminal."""

from .page import write_report
from .table import print_summary

__all__ = ["print_summary", "write_report"]
