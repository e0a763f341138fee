"""What a report says, as plain values: every form of it is made from these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine import __version__
from engine.corpus import Corpus, Problem, left_out
from engine.evidence import HeldOutConcept
from engine.export.evidence import JudgedConcept, JudgedStory, judged
from engine.report import words
from engine.results import Results


class FlaggedStory(msgspec.Struct, frozen=True, kw_only=True):
    """A story that a writer should look at."""

    concept: str
    says: str
    """What the evidence says, in a sentence."""
    reasons: list[str]
    """What may be behind it, a sentence each."""
    text: str
    evidence: JudgedStory


class ReportedConcept(msgspec.Struct, frozen=True, kw_only=True):
    """One concept."""

    name: str
    n_stories: int
    n_flagged: int
    """Without the accepted ones."""
    n_untold: int
    """Stories of which nothing can be told."""
    without_vector: str | None
    """Why it gets no vector."""
    evidence: JudgedConcept | None
    """None where it was not judged."""


class HeldOutReading(msgspec.Struct, frozen=True, kw_only=True):
    """How the vectors read one concept's stories of `held-out/`."""

    concept: str
    reading: HeldOutConcept


class CopiedPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two stories that share most of their wording."""

    one: str
    other: str
    share: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, what is wrong first."""

    corpus: str
    """The folder's name."""
    headline: list[str]
    """What is wrong, in a few sentences."""
    flagged: list[FlaggedStory]
    """Those that are most likely off first; without the accepted ones."""
    n_accepted: int
    """Stories that a writer accepts as they are."""
    problems: list[str]
    """Of files, with what to do."""
    copies: list[CopiedPair]
    """The closest first."""
    concepts: list[ReportedConcept]
    """Those that read worst first."""
    held_out: list[HeldOutReading] | None
    """Of concepts that have such stories, those that read worst first; None where the corpus has no `held-out/`."""
    n_stories: int
    """Without baselines."""
    made_of: dict[str, Any]
    """Model, layers, digest: what the numbers are of."""


def report_of(
    name: str,
    results: Results,
    corpus: Corpus,
    made_of: Mapping[str, Any],
    redundant_r2: float,
    held_out: Mapping[str, HeldOutConcept] | None = None,
    held_out_problems: Sequence[Problem] = (),
) -> Report:
    """The report of a corpus whose stories were judged.

    Args:
        name: the corpus's.
        results: with evidence.
        corpus: the stories that the results are of.
        made_of: the model and the settings that are to be named.
        redundant_r2: the threshold of this name.
        held_out: how held-out stories are read, by concept; None where the corpus has no `held-out/`.
        held_out_problems: of that folder's files.
    """
    of_corpus = judged(results, corpus, redundant_r2)
    told = [story for of_concept in of_corpus.stories.values() for story in of_concept]
    texts = {story.path: story for story in corpus.stories}
    concept_of = {path: story.concept or "" for path, story in texts.items()}
    flagged = [
        FlaggedStory(
            concept=concept_of[story.path],
            says=words.says(story, concept_of[story.path]),
            reasons=words.reasons(story, concept_of),
            text=texts[story.path].text,
            evidence=story,
        )
        for story in sorted(told, key=lambda story: (-story.misfit, story.path))
        if story.is_to_fix
    ]
    copies = {
        CopiedPair(one=min(story.path, other), other=max(story.path, other), share=share)
        for story in told
        for other, share in story.near_copies
    }
    problems = [*corpus.problems, *left_out(corpus.stories, results.left_out), *held_out_problems]
    n_accepted = sum(story.accepted is not None for story in told)
    untold = sum(story.strength == "too few to tell" for story in told)
    return Report(
        corpus=name,
        headline=words.headline(len(flagged), len(told), untold, len(copies), len(problems), n_accepted),
        flagged=flagged,
        n_accepted=n_accepted,
        problems=[str(problem) for problem in problems],
        copies=sorted(copies, key=lambda pair: (-pair.share, pair.one, pair.other)),
        concepts=_concepts(results, of_corpus.stories, of_corpus.concepts, concept_of),
        held_out=None if held_out is None else _held_out(held_out),
        n_stories=sum(concept != "" for concept in concept_of.values()),
        made_of={
            "written_by": f"amygdala-studio {__version__}",
            **made_of,
            "layers": results.layers,
            "corpus_digest": corpus.digest,
        },
    )


def _concepts(
    results: Results,
    stories: Mapping[str, list[JudgedStory]],
    evidence: Mapping[str, JudgedConcept],
    concept_of: Mapping[str, str],
) -> list[ReportedConcept]:
    counts = Counter(concept for concept in concept_of.values() if concept)
    concepts = [
        ReportedConcept(
            name=name,
            n_stories=count,
            n_flagged=sum(story.is_to_fix for story in stories.get(name, [])),
            n_untold=sum(story.strength == "too few to tell" for story in stories.get(name, [])),
            without_vector=results.without_vector.get(name),
            evidence=evidence.get(name),
        )
        for name, count in counts.items()
    ]
    return sorted(concepts, key=_worst_first)


def _held_out(concepts: Mapping[str, HeldOutConcept]) -> list[HeldOutReading]:
    readings = [HeldOutReading(concept=name, reading=reading) for name, reading in concepts.items() if reading.n]
    return sorted(readings, key=lambda each: 1.0 if each.reading.auroc is None else each.reading.auroc)


def _worst_first(concept: ReportedConcept) -> tuple[float, float, str]:
    auroc = concept.evidence.auroc if concept.evidence is not None else None
    return 1.0 if auroc is None else auroc, -concept.n_flagged / concept.n_stories, concept.name
