"""Computations in steps, between which other work may go first."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

R = TypeVar("R")


def run(steps: Generator[object, None, R]) -> R:
    """Drive a computation to its end, with nothing between its steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: R = end.value
            return result
