"""Turns a scan and results into what clients see of each story. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

import msgspec

from engine.corpus import BASELINE, Corpus, Problem, Story
from engine.results import Results
from engine.service.hosting.views import DIGITS, rounded
from engine.triage import outliers
from engine.wire.snapshot import StoryState, StoryView

PROBLEM_STATES: Mapping[str, StoryState] = {
    "empty": "empty",
    "duplicate": "duplicate",
    "case": "ok",
    "misplaced": "error",
}


def story_views(
    disk: Corpus, applied: Mapping[str, Story], results: Results | None, computing: Collection[str]
) -> dict[str, StoryView]:
    """Every story file on disk, by path.

    Args:
        disk: the latest scan.
        applied: the stories that `results` are of, by path; a story whose text differs is stale.
        results: the latest results, if any.
        computing: paths whose texts are being computed.

    A story that is stale or being computed keeps the scores of its earlier text until there are new ones.
    """
    scores = _Scores(results) if results is not None else None
    views = {story.path: _story_view(story, applied.get(story.path), computing, scores) for story in disk.stories}
    for problem in disk.problems:
        _add_problem(views, problem)
    return views


class _Scores:
    """The scores of each story in results, looked up by its text and concept."""

    def __init__(self, results: Results) -> None:
        self.fits = {(fit.text_id, fit.concept): fit for fit in results.fits}
        self.ranked = {
            (outlier.text_id, outlier.concept): (rank, outlier) for rank, outlier in enumerate(outliers(results))
        }
        self._results = results
        self._truncated, self._without_subspace = set(results.truncated), set(results.without_subspace)

    def notes(self, text_id: str) -> list[str]:
        """What a writer should know of how a text was read."""
        results, notes = self._results, []
        if text_id in self._truncated:
            notes.append(f"only its first {results.max_tokens} tokens are read")
        if text_id in self._without_subspace:
            notes.append(
                f"as many tokens as the model has dimensions ({results.hidden_size}): its subspace is left out"
            )
        return notes


def _story_view(story: Story, applied: Story | None, computing: Collection[str], scores: _Scores | None) -> StoryView:
    """One story; `applied` is the story that the numbers are of, at the same path."""
    is_stale = applied is None or applied.text_id != story.text_id
    state: StoryState = "computing" if story.path in computing else "stale" if is_stale else "ok"
    reason = "changed since the numbers were computed" if state == "stale" else ""
    key = (applied.text_id, applied.concept or "") if applied is not None else ("", "")
    fit = scores.fits.get(key) if scores is not None else None
    if fit is None or scores is None:
        return StoryView(path=story.path, concept=story.concept, scenario=story.scenario, state=state, reason=reason)
    rank, outlier = scores.ranked.get(key, (None, None))
    is_misread = outlier is not None and outlier.misread
    if outlier is not None and not reason:
        reason = outlier.reason
    if notes := scores.notes(fit.text_id):
        reason = "; ".join(filter(None, [reason, *notes]))
    return StoryView(
        path=story.path,
        concept=story.concept,
        scenario=story.scenario,
        state="outlier" if is_misread and state == "ok" else state,
        alignment=round(fit.alignment, DIGITS),
        own=rounded(fit.own),
        rival=fit.rival,
        rival_score=None if fit.rival is None else round(fit.rival_score, DIGITS),
        misread=is_misread,
        rank=rank,
        reason=reason,
    )


def _add_problem(views: dict[str, StoryView], problem: Problem) -> None:
    """Show a problem on its story; a file that is no story gets a view of its own, folders get none."""
    view = views.get(problem.path)
    state = PROBLEM_STATES.get(problem.code, "error")
    if view is not None:
        if view.state in ("ok", "outlier"):
            views[problem.path] = _with_problem(view, state if state != "ok" else view.state, problem.message)
    elif problem.path.endswith(".txt"):
        parts = PurePosixPath(problem.path)
        scenario = parts.parent.name if parts.parts[0] == "paired" and len(parts.parts) == 3 else None
        concept = None if parts.stem == BASELINE else parts.stem
        views[problem.path] = StoryView(
            path=problem.path, concept=concept, scenario=scenario, state=state, reason=problem.message
        )


def _with_problem(view: StoryView, state: StoryState, message: str) -> StoryView:
    reason = "; ".join(filter(None, [message, view.reason]))
    return msgspec.structs.replace(view, state=state, reason=reason)
