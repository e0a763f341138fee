"""The main job in a real terminal, at the two sizes that writers have."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.sample import MISFILED, mended
from tests.e2e.terminal import demo, mend, suspend, type_ahead


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


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_what_is_typed_while_the_editor_has_the_terminal_never_reaches_the_studio() -> None:
    with demo() as (terminal, folder):
        shown = type_ahead(terminal, folder)
    assert "Four days without current" in shown
    assert "PAUSED" not in shown


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_the_studio_back() -> None:
    with demo(by_shell=True) as (terminal, _folder):
        in_shell, back = suspend(terminal)
    assert "2 Triage" not in in_shell
    assert "socket " not in back
    assert "PAUSED" not in back
