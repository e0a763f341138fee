"""What the tests in a real terminal share: one engine, which loads the embedded model once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.home import Home
from tests.e2e.home import home as new_home


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    """A home whose engine goes on from test to test; each test has a corpus of its own."""
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    with new_home() as place:
        yield place
