"""Which texts there are, and which of them are each concept's."""

from __future__ import annotations

from dataclasses import dataclass

from engine.corpus import Corpus


@dataclass(frozen=True)
class Stories:
    """The unique texts in file order, and which of them are each concept's."""

    texts: list[str]
    positives: dict[str, list[int]]

    @staticmethod
    def of(corpus: Corpus) -> Stories:
        """Every text once, concepts sorted by name; a concept's negatives are all the texts that are not its own."""
        texts = list(dict.fromkeys(story.text for story in corpus.stories))
        place = {text: i for i, text in enumerate(texts)}
        positives = {
            name: sorted({place[story.text] for story in corpus.stories if story.concept == name})
            for name in corpus.concepts
        }
        return Stories(texts, positives)

    def split(self, concept: str) -> tuple[list[int], list[int]]:
        """`P_c` and `N_c`."""
        own = self.positives[concept]
        return own, [i for i in range(len(self.texts)) if i not in own]
