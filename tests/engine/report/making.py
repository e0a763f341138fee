"""Reports to test with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.corpus import Corpus, Problem, Story, text_id
from engine.evidence import ConceptEvidence, Evidence, HeldOutConcept, Measured, Strength
from engine.report.content import Report, report_of
from engine.results import Results

HOSTILE = "<script>alert('x')</script> & \"quotes\" ```` | *stars* \x1b[31m \u202e"
NAMES = ("calm", "proud", "sad")


def corpus(text: str = "The lake lay still.", n: int = 4) -> Corpus:
    """Stories of three concepts; the first one's text is given."""
    stories = []
    for concept in NAMES:
        for i in range(n):
            said = text if (concept, i) == ("calm", 0) else f"Day {i} of a {concept[0]} kind, told in {i + 3} words."
            path = f"paired/day{i}/{concept}.txt"
            stories.append(Story(path=path, concept=concept, scenario=f"day{i}", text=said, text_id=text_id(said)))
    return Corpus(
        stories=tuple(stories),
        problems=(Problem(path="stories/<b>.txt", severity="error", code="empty", message="empty & <skipped>"),),
    )


def results(of: Corpus, *, flagged: int = 1, concepts: bool = True, **fields: Any) -> Results:
    """Of the first stories, it is said that they are proud; of concepts, made-up numbers."""
    evidence = []
    for i, story in enumerate(of.stories):
        is_off = i < flagged
        strength: Strength = "strong" if is_off else "none"
        evidence.append(
            Evidence(
                text_id=story.text_id,
                concept=story.concept or "",
                scenario=story.scenario,
                strange=0.01,
                misfiled=0.97 if is_off else 0.02,
                strength=strength,
                reads_as="proud" if story.concept != "proud" else "sad",
                shares=[("proud" if story.concept != "proud" else "sad", 0.96 if is_off else 0.02)],
                margin=4.0 if is_off else -4.0,
                neighbours=[
                    (of.stories[5].text_id, "proud", "day1", 0.5),
                    (of.stories[2].text_id, "calm", "day2", 0.4),
                ],
            )
        )
    judged = [
        ConceptEvidence(
            concept=name,
            auroc=Measured(value=0.9 - c / 10, low=0.8 - c / 10, high=0.95 - c / 10),
            rival="proud" if name != "proud" else "sad",
            rival_auroc=Measured(value=0.7, low=0.6, high=0.8),
            stability=0.5,
            camps=None,
            pulls=[],
            own_share=None,
            own_auroc=None,
            without_own=[],
        )
        for c, name in enumerate(NAMES)
    ]
    return Results(
        layers=[1],
        hidden_size=4,
        concepts=[],
        fits=[],
        evidence=evidence,
        concept_evidence=judged if concepts else [],
        without_vector={},
        truncated=[],
        max_tokens=9,
        **fields,
    )


HELD_OUT = {
    "calm": HeldOutConcept(n=3, auroc=0.9, auroc_interval=(0.7, 0.96), reads_as={"calm": 2, "sad": 1}),
    "proud": HeldOutConcept(n=2, auroc=0.6, auroc_interval=(0.3, 0.8), reads_as={"<b>": 1, "proud": 1}),
    "sad": HeldOutConcept(n=0, auroc=None, auroc_interval=None, reads_as={}),
}
"""How made-up held-out stories read."""


def report(
    text: str = "The lake lay still.",
    *,
    flagged: int = 1,
    concepts: bool = True,
    held_out: Mapping[str, HeldOutConcept] | None = None,
) -> Report:
    """Of these stories."""
    of = corpus(text)
    judged = results(of, flagged=flagged, concepts=concepts)
    return report_of("<my> corpus", judged, of, {"model": "m & m"}, 0.9, held_out)
