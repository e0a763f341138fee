"""The sample corpus's misfiled story and the text that mends it, as its tutorial gives them."""

from __future__ import annotations

import re
from importlib import resources

MISFILED = "paired/power-cut/jealous.txt"
CONCEPT = "jealous"


def mended() -> str:
    """The first text to paste in the tutorial: a right story for the misfiled one's place."""
    tutorial = (resources.files("amygdala_tui") / "sample/TUTORIAL.md").read_text("utf-8")
    block = re.search(r"```text\n(.*?)```", tutorial, re.DOTALL)
    assert block is not None
    return block.group(1)
