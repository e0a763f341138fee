"""The main job in a real terminal, at the two sizes that writers have."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.sample import MISFILED, mended
from tests.e2e.terminal import demo, mend


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_a_writer_mends_the_worst_story(size: tuple[int, int]) -> None:
    screens: dict[str, str] = {}
    with demo(*size) as (terminal, folder):
        mend(terminal, screens.__setitem__)
        assert (folder / "demo" / MISFILED).read_text("utf-8") == mended()
    assert "reads as disgusted" in screens["the worst story"]
    assert "1 text run" in screens["mended in the editor"]
    for shown in screens.values():
        assert all(len(line) <= size[0] for line in shown.splitlines())
