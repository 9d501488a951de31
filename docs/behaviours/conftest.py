"""Every fenced block of the Markdown files here is a test; see README.md."""

from vivavoce.testing.collect import pytest_collect_file

__all__ = ["pytest_collect_file"]
