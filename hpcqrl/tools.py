"""The programs of the folder tools, as commands: `hpcqrl watch` is tools/watch.py."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hpcqrl.brought import module

TOOLS = {
    "watch": "watch",
    "curves": "curves",
    "table": "table",
    "speedup": "speedup",
    "scaling": "scaling",
    "reproduce": "reproduce",
    "data": "export",
}


def run_tool(command: str, arguments: Sequence[str]) -> None:
    """Run it, as the program that it is; it ends as that does."""
    beside = Path(__file__).resolve().parent.parent
    installed = beside / "hpcqrl_tools"
    sys.path.insert(
        0, str(installed if installed.is_dir() else beside / "tools")
    )  # as where Python runs a program there
    sys.argv = [f"hpcqrl {command}", *arguments]
    module(TOOLS[command]).main()
