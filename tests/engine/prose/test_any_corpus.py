"""Whatever the texts are, they are read, and what is said of them is finite and in place."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prose.apart import Apart
from engine.prose.confounds import confounds
from engine.prose.copies import Copies, shared_passages
from engine.prose.giveaway import giveaways
from engine.prose.openings import shared_words
from engine.prose.words import Told

PIECES = st.sampled_from(
    ["the ", "and ", "I ", "calm ", "He said ", "“No.” ", '"', "‘", "\n\n", "彼は", "!", "? ", "\u2028", "\x00"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=12)
STORIES = st.builds(Told, TEXTS, st.sampled_from(["calm", "at_peace", "_", None]), st.sampled_from(["a", "b", None]))
CORPORA = st.lists(STORIES, max_size=16).map(lambda told: {f"{i}.txt": story for i, story in enumerate(told)})


@settings(max_examples=150)
@given(CORPORA)
def test_any_corpus_is_read(stories: dict[str, Told]) -> None:
    texts = {path: story.text for path, story in stories.items()}
    copies = Copies(stories)
    assert all(copies.threshold <= pair.share <= 1 for pair in copies.pairs)
    for pair in copies.pairs:
        for passage in shared_passages(texts[pair.one], texts[pair.other]):
            assert 0 <= passage.one[0] < passage.one[1] <= len(texts[pair.one])
            assert 0 <= passage.other[0] < passage.other[1] <= len(texts[pair.other])
    apart = Apart(stories)
    for path, story in stories.items():
        judged = apart.of(path)
        assert judged is None or math.isfinite(judged.largest_z)
        assert [near.other for near in copies.near(story.text, path)].count(path) == 0
        if story.concept is not None:
            assert apart.of_text(story.text, story.concept, path) == judged
            assert all(story.text[slice(*said.span)] == said.words for said in giveaways(story.text, story.concept))
    for shared in shared_words(stories):
        assert len(shared.paths) >= 3
    for measured in confounds(stories):
        aurocs = (measured.function_words, measured.bag_of_words, measured.person, measured.length)
        assert all(auroc is None or 0.5 <= auroc <= 1 for auroc in aurocs)
