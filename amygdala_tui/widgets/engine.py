"""The Engine view: what it is doing, its last error in full, and what each revision moved."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.moved import revision_words, stages
from amygdala_tui.words import bar, counted, engine_state, progress
from engine import paths
from engine.plain import plain
from engine.settings import Settings

BAR_WIDTH = 40


class EnginePane(VerticalScroll, can_focus=True):
    """The engine's state in full."""

    def compose(self) -> ComposeResult:
        yield Static(id="engine-text", markup=False)

    def show(self, corpus: Path, socket: Path, mirror: Mirror, away: str) -> None:
        """Draw this state."""
        self.query_one("#engine-text", Static).update(report(corpus, socket, mirror, away))


def report(corpus: Path, socket: Path, mirror: Mirror, away: str) -> Text:
    """State, settings, problems, revisions."""
    text = engine_state(mirror, away)
    doing = mirror.doing
    if away:
        text.append(f"\n{plain(away)}\nThe numbers shown are the last ones known. Edits are safe: they are files.")
    elif doing is not None:
        text.append("  live" if doing.live else "  paused (L: live)", style="" if doing.live else styles.LOUD)
        text.append(f"\n{plain(doing.detail)}", style=styles.BAD if doing.state == "failed" else styles.DIM)
        if doing.note:
            text.append(f"\n{plain(doing.note)}", style=styles.RIVAL)
        if doing.waiting:
            stories = counted(doing.waiting, "story has", "stories have")
            text.append(f"\n{stories} changed since the numbers were computed (r: retrain)")
        if doing.total:
            text.append(
                f"\n{bar(doing.done / doing.total, BAR_WIDTH):<{BAR_WIDTH}} {progress(doing)}", style=styles.BUSY
            )
    text.append(f"\n\ncorpus   {plain(str(corpus))}\nsocket   {socket}\nlog      {paths.log_path()}")
    if doing is not None:
        text.append(f"\ndevice   {doing.device or '—'}\nrevision {mirror.revision}")
    if mirror.settings is not None:
        text.append_text(_settings(mirror.settings, mirror.layers))
    if mirror.problems:
        text.append(f"\n\n{counted(len(mirror.problems), 'problem', 'problems')} in the corpus", style=styles.HEADING)
        for problem in mirror.problems:
            text.append(f"\n{problem.severity:<8}", style=styles.BAD if problem.severity == "error" else styles.RIVAL)
            text.append(f"{plain(problem.path)}: {plain(problem.message)}")
    if mirror.moves:
        text.append("\n\nwhat moved, newest first", style=styles.HEADING)
        for moved in mirror.moves:
            text.append("\n").append_text(revision_words(moved)).append(f"\n    {stages(moved)}", style=styles.DIM)
    return text


def _settings(settings: Settings, layers: tuple[int, ...]) -> Text:
    blocks = ", ".join(map(str, layers)) or "—"
    text = Text(f"\nmodel    {plain(settings.model)}\nblocks   {blocks}\nmethod   {settings.method}")
    defaults = Settings()
    changes = [
        f"{name} = {getattr(settings, name)}"
        for name in Settings.__struct_fields__
        if name not in ("model", "method") and getattr(settings, name) != getattr(defaults, name)
    ]
    return text.append(f"\nchanged  {'; '.join(changes)}") if changes else text
