"""Stories for the benchmarks: drawn from a corpus, written as one, and saved as editors save."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

from engine.corpus import Corpus, Layout, Story, scan

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
SHIPPED = (ROOT / "amygdala_tui" / "sample", GOLDEN / "corpus")
"""The corpora of this repository: together about a hundred texts."""


def drawn(folder: Path | None, count: int) -> Corpus:
    """`count` stories, drawn evenly from a corpus (all, if it has fewer); without one, from those that ship."""
    stories: list[Story] = []
    for place in SHIPPED if folder is None else (folder,):
        stories += scan(Layout.of(place)).stories
    indices = random.Random(0).sample(range(len(stories)), min(count, len(stories)))
    return Corpus(stories=tuple(stories[i] for i in sorted(indices)), problems=())


def write(corpus: Path, stories: Sequence[Story], size: int) -> Path:
    """Write a corpus of `size` stories, those passed first, then one-sentence fillers under the same concepts.

    Returns:
        The corpus's folder.
    """
    concepts = sorted({story.concept for story in stories if story.concept is not None})
    for number in range(size):
        if number < len(stories):
            path, text = stories[number].path, stories[number].text
        else:
            concept = concepts[number % len(concepts)]
            path, text = f"paired/filler-{number}/{concept}.txt", f"They felt {concept} on day {number} of the journey."
        file = corpus / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return corpus


def spread(stories: Sequence[Story], count: int) -> Sequence[Story]:
    """`count` of the stories at even distances, so that all parts of a corpus are met."""
    return stories[:: max(1, len(stories) // count)][:count]


def save(file: Path, text: str) -> float:
    """Save a story as editors do: write a new file beside it, then rename that.

    Returns:
        When the new text could be seen first, on the clock of `time.perf_counter`.
    """
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, "utf-8")
    saved = time.perf_counter()
    beside.replace(file)
    return saved
