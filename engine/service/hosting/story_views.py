"""Turns a scan and results into what clients see of each story. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import PurePosixPath

import msgspec

from engine.corpus import BASELINE, Accepted, Corpus, Problem, Story, changed_paths, left_out
from engine.evidence import Evidence, Place, Ranked
from engine.results import Results, StoryFit
from engine.service.hosting.views import DIGITS, rounded
from engine.triage import accepted_words, rank, why
from engine.wire.snapshot import StoryState, StoryView

PROBLEM_STATES: Mapping[str, StoryState] = {
    "empty": "empty",
    "duplicate": "duplicate",
    "case": "ok",
    "misplaced": "error",
    "left-out": "left-out",
}


def story_views(
    disk: Corpus, applied: Mapping[str, Story], results: Results | None, computing: Collection[str]
) -> dict[str, StoryView]:
    """Every story file on disk, by path, from nothing.

    Args:
        disk: the latest scan.
        applied: the stories that `results` are of, by path; a story whose text differs is stale.
        results: the latest results, with every fit, if any.
        computing: paths whose texts are being computed.

    A story that is stale or being computed keeps the scores of its earlier text until there are new ones.
    """
    scores = Scores.of(results, applied) if results is not None else None
    return StoryViews().follow(disk, problems(disk, applied, results), applied, scores, computing)


def problems(disk: Corpus, applied: Mapping[str, Story], results: Results | None) -> tuple[Problem, ...]:
    """What a person should know of the files on disk: the scan's problems, and the stories that are left out.

    Args:
        disk: the latest scan.
        applied: the stories that `results` are of, by path; a story whose text has changed since is tried anew.
        results: the latest results, if any.
    """
    if results is None or not results.left_out:
        return disk.problems
    unchanged = [
        story for story in disk.stories if story.path in applied and applied[story.path].text_id == story.text_id
    ]
    return tuple(sorted((*left_out(unchanged, results.left_out), *disk.problems), key=attrgetter("path")))


Pair = tuple[str, str]
"""A text's id and the concept that it stands under."""


@dataclass(frozen=True)
class Scores:
    """What results say of each story, looked up by its text, concept and scenario."""

    applied: Mapping[str, Story]
    """The stories that the scores are of, by path."""
    fits: Mapping[Pair, StoryFit]
    """Of these stories at least."""
    evidence: Mapping[Place, Evidence]
    """Of these stories alone."""
    effects: Mapping[Place, float]
    """What each story's concept reads better without it, when all stories were settled last."""
    notes: Mapping[str, list[str]]
    """By text id, what a writer should know of how a text was read."""
    changed_ids: Collection[str] | None
    """Texts of which anything differs from the scores before; None where all may."""

    @classmethod
    def of(cls, results: Results, applied: Mapping[str, Story], last: Scores | None = None) -> Scores:
        """From results.

        Args:
            results: these tell of all stories once they are settled, and until then only of new ones.
            applied: the stories that they are of.
            last: the scores before, which hold on where the results tell nothing newer.
        """
        fits, evidence = results.fit_of, {story.place: story for story in results.evidence}
        told_ids = {text_id for text_id, _ in fits} | {text_id for text_id, _, _ in evidence}
        if last is not None and not results.stories_are_settled:
            fits = {**last.fits, **fits}
            evidence = {**last.evidence, **evidence}
            changed = changed_paths(last.applied, applied)
            for gone in _places(last.applied, changed) - _places(applied, changed):
                evidence.pop(gone, None)
        effects: Mapping[Place, float] = {} if last is None else last.effects
        if results.stories_are_settled:
            effects = {effect.place: effect.auroc for effect in results.story_effects}
        notes = _notes(results)
        if last is None or results.stories_are_settled:
            return cls(applied, fits, evidence, effects, notes, None)
        noted = {i for i in notes.keys() | last.notes.keys() if notes.get(i) != last.notes.get(i)}
        return cls(applied, fits, evidence, effects, notes, told_ids | noted)


def _places(stories: Mapping[str, Story], paths: Iterable[str]) -> set[Place]:
    return {stories[path].place for path in paths if path in stories}


def _notes(results: Results) -> dict[str, list[str]]:
    notes: dict[str, list[str]] = {}
    for text_id in results.truncated:
        notes.setdefault(text_id, []).append(f"only its first {results.max_tokens} tokens are read")
    for text_id in results.without_subspace:
        notes.setdefault(text_id, []).append(
            f"as many tokens as the model has dimensions ({results.hidden_size}): its subspace is left out"
        )
    return notes


class StoryViews:
    """The views of all story files, followed from state to state: one is made again only where its story changed."""

    def __init__(self) -> None:
        self.shown: dict[str, StoryView] = {}
        """By path; replaced, never changed, so that whoever holds the last one can compare."""
        self._on_disk: Mapping[str, Story] = {}
        self._applied: Mapping[str, Story] = {}
        self._computing: frozenset[str] = frozenset()
        self._problem_paths: set[str] = set()
        self._accepted: Mapping[str, Accepted] = {}
        self._scores: Scores | None = None

    def follow(
        self,
        disk: Corpus,
        problems: Collection[Problem],
        applied: Mapping[str, Story],
        scores: Scores | None,
        computing: Collection[str],
    ) -> dict[str, StoryView]:
        """The views as things stand now. `problems` are of files on disk; the other arguments as of `story_views`."""
        on_disk = {story.path: story for story in disk.stories}
        problem_paths = {problem.path for problem in problems}
        changed = changed_paths(self._on_disk, on_disk) | changed_paths(self._applied, applied)
        changed |= self._computing.symmetric_difference(computing) | problem_paths | self._problem_paths
        if disk.accepted is not self._accepted:
            old, new = self._accepted, disk.accepted
            changed |= {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
        if scores is not None and scores is not self._scores:
            changed |= _paths(applied, scores.changed_ids)
        shown = dict(self.shown)
        for path in changed:
            shown.pop(path, None)
            if path in on_disk:
                shown[path] = _story_view(
                    on_disk[path], applied.get(path), computing, scores, disk.acceptance(on_disk[path])
                )
        for problem in problems:
            _add_problem(shown, problem)
        self.shown, self._on_disk, self._applied, self._scores = shown, on_disk, applied, scores
        self._computing, self._problem_paths, self._accepted = frozenset(computing), problem_paths, disk.accepted
        return shown


def _paths(applied: Mapping[str, Story], text_ids: Collection[str] | None) -> set[str]:
    """Of the stories that have these texts; None stands for all texts."""
    return {path for path, story in applied.items() if text_ids is None or story.text_id in text_ids}


def _story_view(
    story: Story, applied: Story | None, computing: Collection[str], scores: Scores | None, accepted: str | None
) -> StoryView:
    """One story; `applied` is the story that the numbers are of, at the same path; `accepted` as of `StoryView`."""
    is_stale = applied is None or applied.text_id != story.text_id
    state: StoryState = "computing" if story.path in computing else "stale" if is_stale else "ok"
    reason = "changed since the numbers were computed" if state == "stale" else ""
    if accepted is not None:
        reason = "; ".join(filter(None, [accepted_words(accepted), reason]))
    view = StoryView(
        path=story.path,
        concept=story.concept,
        scenario=story.scenario,
        state=state,
        accepted=accepted,
        reason=reason,
    )
    if scores is None or applied is None:
        return view
    fit = scores.fits.get((applied.text_id, applied.concept or ""))
    if fit is not None:
        view = msgspec.structs.replace(
            view,
            alignment=round(fit.alignment, DIGITS),
            own=rounded(fit.own),
            rival=fit.rival,
            rival_score=None if fit.rival is None else round(fit.rival_score, DIGITS),
        )
    place = applied.text_id, applied.concept, applied.scenario
    view = msgspec.structs.replace(view, effect=rounded(scores.effects.get(place)))
    evidence = scores.evidence.get(place)
    if evidence is not None:
        place_in_queue = rank(evidence.misfit, evidence.strength) if accepted is None else None
        view = msgspec.structs.replace(
            view,
            rank=place_in_queue,
            state="misread" if evidence.misread and accepted is None and state == "ok" else state,
            reason=why(evidence) if place_in_queue is not None and not reason else reason,
            misfit=round(evidence.misfit, DIGITS),
            strength=evidence.strength,
            reads_as=evidence.reads_as,
            shares=_shares(evidence),
        )
    if notes := scores.notes.get(applied.text_id):
        view = msgspec.structs.replace(view, reason="; ".join(filter(None, [view.reason, *notes])))
    return view


def _shares(evidence: Evidence) -> list[Ranked]:
    """Of its own concept, then of the likeliest others."""
    own = evidence.concept, 1 - evidence.misfiled
    return [(name, round(share, DIGITS)) for name, share in (own, *evidence.shares)]


def _add_problem(views: dict[str, StoryView], problem: Problem) -> None:
    """Show a problem on its story; a file that is no story gets a view of its own, folders get none."""
    view = views.get(problem.path)
    state = PROBLEM_STATES.get(problem.code, "error")
    if view is not None:
        if view.state in ("ok", "misread"):
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
