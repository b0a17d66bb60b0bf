"""Outputs: videos, pages, plots, tables and timelines."""
