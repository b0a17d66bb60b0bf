"""Manual pages for the wheel, made from the command line itself."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface):
    """Puts a manual page of each command into share/man/man1."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the pages; hatchling calls it before it collects the files."""
        sys.path.insert(0, self.root)
        try:
            from vipecli.cli.manual import manual_pages

            pages = manual_pages(self.metadata.version)
        finally:
            sys.path.remove(self.root)
        self._folder = TemporaryDirectory()
        for name, text in pages.items():
            path = Path(self._folder.name, name)
            path.write_text(text, encoding="utf-8")
            build_data["shared_data"][str(path)] = f"share/man/man1/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what the wheel holds by now."""
        self._folder.cleanup()
