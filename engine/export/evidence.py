"""What the evidence and the texts say, under the names of files: what `quality.json` and reports are made of."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from engine.corpus import Corpus, Story
from engine.evidence import ConceptEvidence, Evidence, Measured, Place, Ranked, Strength
from engine.prose.apart import Apart, SetApart
from engine.prose.confounds import ConfoundAlarm, confound_alarm, confounds
from engine.prose.copies import Copies
from engine.prose.giveaway import giveaways
from engine.prose.openings import SharedWords, shared_words
from engine.prose.words import Told
from engine.results import Results
from engine.verdicts import ENOUGH_STORIES, ConceptVerdict, Finding, concept_verdicts

SHARES = 5


class JudgedStory(msgspec.Struct, frozen=True, kw_only=True):
    """One story: how it is judged, and what its text shows."""

    path: str
    misfit: float
    misfiled: float
    strange: float
    flagged: bool
    """What the evidence says, accepted or not."""
    accepted: str | None
    """The reason for which a writer accepts its text as it is, "" without one; None where nobody does."""
    strength: Strength
    reads_as: str | None
    shares: list[Ranked]
    """The likeliest five concepts, its own among them; empty where nothing can be told."""
    margin: float | None
    loo_alignment: float | None
    """`StoryFit.own`."""
    neighbours: list[Ranked]
    """The stories that it is most like, each with the cosine."""
    near_copies: list[Ranked]
    """The stories that share most of its wording, each with the share."""
    sets_apart: SetApart | None
    """None where its concept has too few other stories."""
    giveaways: list[str]
    """Where it says its concept's name: the words that stand there."""

    @property
    def is_to_fix(self) -> bool:
        """Whether a writer should look at it."""
        return self.flagged and self.accepted is None


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """Two groups within one concept."""

    p_value: float
    smaller: list[str]
    """Paths of the smaller group's stories."""


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """How well one concept is told from the others by its wording alone, and what its stories begin or end with."""

    function_words: float | None
    """AUROCs by the corpus's commonest words, by many words, by the narrator, by length."""
    bag_of_words: float | None
    person: float | None
    length: float | None
    alarms: list[ConfoundAlarm]
    """Reasons to doubt that the vector reads meaning; none of a concept of few stories, where such numbers vary."""
    shared_words: list[SharedWords]


class JudgedConcept(msgspec.Struct, frozen=True, kw_only=True):
    """How well one concept reads stories that it was not made from."""

    auroc: float | None
    auroc_interval: tuple[float, float] | None
    rival: str | None
    auroc_rival: float | None
    auroc_rival_interval: tuple[float, float] | None
    stability: float | None
    groups: Groups | None
    verdict: str | None
    """What a writer should know of it, in a few words; None for a concept without a vector."""
    reasons: list[str]
    """The numbers that decided, with what chance gives."""
    wording: Wording | None
    """None where its texts are too few, or were not read."""


class JudgedCorpus(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, by concept."""

    stories: dict[str, list[JudgedStory]]
    """In the order of their paths; empty where no story was judged."""
    concepts: dict[str, JudgedConcept]
    """Empty where no concept was judged."""


def judged(results: Results, corpus: Corpus, redundant_r2: float) -> JudgedCorpus:
    """What the results say of the corpus that they are of; texts are read only if its stories were judged.

    Args:
        results: with evidence or without.
        corpus: the stories that they are of.
        redundant_r2: the threshold of this name.
    """
    paths: dict[Place, list[str]] = {}
    for story in corpus.stories:
        paths.setdefault(story.place, []).append(story.path)
    used = {
        story.path: Told(story.text, story.concept, story.scenario)
        for story in corpus.stories
        if story.text_id not in results.left_out
    }
    stories: dict[str, list[JudgedStory]] = {}
    if results.evidence:
        evidence = {each.place: each for each in results.evidence}
        own_scores = {(fit.text_id, fit.concept): fit.own for fit in results.fits}
        texts = _Texts(used)
        for story in corpus.stories:
            if story.concept is not None and story.place in evidence:
                own = own_scores.get((story.text_id, story.concept))
                entry = _judged_story(story, evidence[story.place], own, paths, texts, corpus.acceptance(story))
                stories.setdefault(story.concept, []).append(entry)
    verdicts = concept_verdicts(results, redundant_r2, corpus.relatives) if results.concept_evidence else {}
    wording = _wording(used, results.concept_evidence) if results.concept_evidence else {}
    concepts = {
        each.concept: _judged_concept(each, verdicts.get(each.concept), paths, wording.get(each.concept))
        for each in results.concept_evidence
    }
    return JudgedCorpus(stories=stories, concepts=concepts)


def _wording(stories: Mapping[str, Told], concepts: Sequence[ConceptEvidence]) -> dict[str, Wording]:
    readouts = {each.concept: _value(each.auroc) for each in concepts}
    counts = Counter(story.concept for story in stories.values())
    shared: dict[str | None, list[SharedWords]] = {}
    for words in shared_words(stories):
        shared.setdefault(words.concept, []).append(words)
    return {
        each.concept: Wording(
            function_words=each.function_words,
            bag_of_words=each.bag_of_words,
            person=each.person,
            length=each.length,
            alarms=confound_alarm(each, readouts.get(each.concept)) if counts[each.concept] >= ENOUGH_STORIES else [],
            shared_words=shared.get(each.concept, []),
        )
        for each in confounds(stories)
    }


class _Texts:
    """What the texts of stories show."""

    def __init__(self, stories: Mapping[str, Told]) -> None:
        self.apart = Apart(stories)
        self.copies: dict[str, list[Ranked]] = {}
        for pair in Copies(stories).pairs:
            self.copies.setdefault(pair.one, []).append((pair.other, pair.share))
            self.copies.setdefault(pair.other, []).append((pair.one, pair.share))


def _judged_story(
    story: Story,
    evidence: Evidence,
    own: float | None,
    paths: Mapping[Place, Sequence[str]],
    texts: _Texts,
    accepted: str | None,
) -> JudgedStory:
    return JudgedStory(
        path=story.path,
        misfit=evidence.misfit,
        misfiled=evidence.misfiled,
        strange=evidence.strange,
        flagged=evidence.misread,
        accepted=accepted,
        strength=evidence.strength,
        reads_as=evidence.reads_as,
        shares=largest_shares(evidence),
        margin=evidence.margin,
        loo_alignment=own,
        neighbours=[
            (paths[text_id, concept, scenario][0], cosine) for text_id, concept, scenario, cosine in evidence.neighbours
        ],
        near_copies=texts.copies.get(story.path, []),
        sets_apart=texts.apart.of(story.path),
        giveaways=[giveaway.words for giveaway in giveaways(story.text, evidence.concept)],
    )


def largest_shares(evidence: Evidence) -> list[Ranked]:
    """The likeliest concepts of one story, its own among them; empty where nothing can be told."""
    if evidence.reads_as is None:
        return []
    shares = [(evidence.concept, 1 - evidence.misfiled), *evidence.shares]
    return sorted(shares, key=lambda share: -share[1])[:SHARES]


def _judged_concept(
    evidence: ConceptEvidence,
    verdict: ConceptVerdict | None,
    paths: Mapping[Place, Sequence[str]],
    wording: Wording | None,
) -> JudgedConcept:
    groups = None
    if evidence.camps is not None:
        smaller = [paths[text_id, evidence.concept, scenario] for text_id, scenario in evidence.camps.smaller]
        groups = Groups(p_value=evidence.camps.p_value, smaller=sorted(itertools.chain(*smaller)))
    return JudgedConcept(
        auroc=_value(evidence.auroc),
        auroc_interval=_interval(evidence.auroc),
        rival=evidence.rival,
        auroc_rival=_value(evidence.rival_auroc),
        auroc_rival_interval=_interval(evidence.rival_auroc),
        stability=evidence.stability,
        groups=groups,
        verdict=None if verdict is None else _verdict(verdict),
        reasons=[] if verdict is None else _reasons(verdict),
        wording=wording,
    )


def _value(measured: Measured | None) -> float | None:
    return None if measured is None else measured.value


def _interval(measured: Measured | None) -> tuple[float, float] | None:
    return None if measured is None else (measured.low, measured.high)


def _verdict(verdict: ConceptVerdict) -> str:
    """A verdict for scripts: that of a healthy concept is the same word, also where it is told like a relative."""
    return str(verdict.finding) if verdict.finding is Finding.HEALTHY else verdict.label


def _reasons(verdict: ConceptVerdict) -> list[str]:
    is_relative = verdict.finding is Finding.HEALTHY and verdict.label
    return [verdict.label, *verdict.reasons] if is_relative else verdict.reasons
