"""What tests of `engine export` share."""

from __future__ import annotations

from collections.abc import Callable

from tests.places import GOLDEN

Run = Callable[..., tuple[int, str, str]]
"""Takes a command line; gives its exit code, output and diagnostics."""
MODEL = str(GOLDEN / "models" / "llama")
