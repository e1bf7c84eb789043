"""What README shows: its commands, its programs, its links."""

import re

from launch import ROOT

TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Its blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Its commands, a line each, without their comments."""
    lines = [re.sub(r"\s+#.*", "", line) for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line]
