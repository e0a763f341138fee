"""What the wording of a corpus's stories says of one text: what sets it apart, its near-copies, what it gives away."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Self

from engine.prose.apart import Apart, Narrator, SetApart
from engine.prose.copies import CopyIndex, shared_passages
from engine.prose.giveaway import giveaways
from engine.prose.words import Told
from engine.results import CopyOf, Difference, OtherNarrator, Prose
from engine.wire.jobs import Placement

MOST_COPIES = 3
MOST_PASSAGES = 3


class Wording:
    """The stories of one corpus as they are read without a model; made anew, from the last, where they change.

    Args:
        stories: by path.
        texts: by id, of all of them.
        told: the same, as they are read.
        apart: made of these.
        copies: made of these.
    """

    def __init__(
        self, stories: Mapping[str, Placement], told: Mapping[str, Told], apart: Apart, copies: CopyIndex
    ) -> None:
        self._stories = stories
        self._told = told
        self._apart = apart
        self._copies = copies

    @classmethod
    def in_steps(
        cls, stories: Mapping[str, Placement], texts: Mapping[str, str], last: Self | None = None
    ) -> Generator[None, None, Self]:
        """Read all stories, some at a time. No argument may change meanwhile.

        Args:
            stories: by path.
            texts: by id.
            last: of the stories as they were: one that is as it was is not read again.
        """
        had = {} if last is None else last._stories
        told = {
            path: last._told[path]
            if last is not None and had.get(path) == story
            else Told(texts[story.text_id], story.concept, story.scenario)
            for path, story in stories.items()
        }
        yield
        apart = yield from Apart.in_steps(told, None if last is None else last._apart)
        copies = yield from CopyIndex.in_steps(told, None if last is None else last._copies)
        return cls(stories, told, apart, copies)

    def of(self, text: str, concept: str, path: str) -> Prose:
        """What is said of a text of a concept, in place of the story at a path, which need not exist."""
        apart = self._apart.of_text(text, concept, path)
        near = self._copies.near(text, path)[:MOST_COPIES]
        return Prose(
            n_others=0 if apart is None else apart.n_others,
            differences=[] if apart is None else _differences(apart),
            narrator=None if apart is None or apart.narrator is None else _narrator(apart.narrator),
            copies=[self._copy(text, copy.other, copy.share) for copy in near],
            giveaways=[said.span for said in giveaways(text, concept)],
        )

    def _copy(self, text: str, path: str, share: float) -> CopyOf:
        other = self._stories[path]
        passages = shared_passages(text, self._told[path].text, MOST_PASSAGES)
        return CopyOf(
            text_id=other.text_id,
            concept=other.concept,
            scenario=other.scenario,
            share=share,
            passages=[passage.one for passage in passages],
        )


def _differences(apart: SetApart) -> list[Difference]:
    return [
        Difference(feature=fact.feature, is_word=fact.is_word, amount=fact.amount, usual=fact.usual)
        for fact in apart.facts
    ]


def _narrator(narrator: Narrator) -> OtherNarrator:
    return OtherNarrator(person=narrator.person, usual=narrator.typical, n_usual=narrator.n_typical)
