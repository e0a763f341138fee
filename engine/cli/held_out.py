"""The stories of `held-out/`, read by the vectors that a command has computed; always in the command's own process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engine import paths
from engine.cli.report import ForwardProgress, diagnostics
from engine.corpus import Layout, Problem, Story, left_out
from engine.corpus import held_out as scanned
from engine.evidence import HeldOutConcept
from engine.settings import Settings
from engine.wire.jobs import Placement

if TYPE_CHECKING:
    from engine.cli.computing import Computed


class HeldOut(NamedTuple):
    """What the vectors make of them."""

    concepts: dict[str, HeldOutConcept]
    """Of every concept that has a vector."""
    problems: list[Problem]
    """Of the folder's files, sorted by path: what was not read, and why."""


def held_out(layout: Layout, chosen: Settings, computed: Computed) -> HeldOut | None:
    """Read the held-out stories, and say what is wrong with their files; None where the corpus has no such folder.

    An engine knows nothing of them. So where it has computed the vectors, this process reads the texts: from the store,
    and those that it lacks by loading the model here.

    Raises:
        AmygdalaError: the model cannot be used.
    """
    kept = scanned(layout, computed.corpus)
    if kept is None:
        return None
    names = computed.readout.concepts
    stories = [story for story in kept.stories if story.concept is None or story.concept in names]
    concepts, refused = _read(stories, chosen, computed)
    problems = [*kept.problems, *_without_vector(kept.stories, names), *left_out(stories, refused)]
    problems.sort(key=lambda problem: problem.path)
    for problem in problems:
        diagnostics.print(str(problem))
    return HeldOut(concepts, problems)


def _read(
    stories: Sequence[Story], chosen: Settings, computed: Computed
) -> tuple[dict[str, HeldOutConcept], dict[str, str]]:
    # imported here, so that a wrong flag or folder is answered at once: torch takes seconds
    from engine.compute.activations.source import Tally
    from engine.compute.activations.store import Store
    from engine.compute.live.held_out import read_held_out
    from engine.compute.model.depth import outline_for

    store = Store(paths.cache_dir())
    layers = ",".join(map(str, computed.results.layers))
    as_computed = msgspec.structs.replace(chosen, target_layers=layers)  # a sweep may have chosen them
    model = computed.model or outline_for(as_computed, store.digest, store.sketches)
    placements = [Placement(*story.place) for story in stories]
    texts = {story.text_id: story.text for story in stories}
    tally = Tally()
    with ForwardProgress() as progress:
        read = read_held_out(model, as_computed, store, computed.readout, placements, texts, progress, tally)
    diagnostics.print(f"held-out stories: {tally.n_run} texts through the model, {tally.n_cached} from the cache")
    return read


def _without_vector(stories: Sequence[Story], names: Sequence[str]) -> list[Problem]:
    """The problems of stories that no vector can read."""
    return [
        Problem(
            path=story.path,
            severity="warning",
            code="left-out",
            message=f"left out, since {story.concept} has no vector: write stories of it into the corpus, or rename it",
        )
        for story in stories
        if story.concept is not None and story.concept not in names
    ]
