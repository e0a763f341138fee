"""A corpus that keeps the tiny model at work for a while."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.engine.service.running import SETTINGS, write

ONE_BY_ONE = msgspec.structs.replace(SETTINGS, batch_size=1)
CONCEPTS = ("calm", "sad", "wild")
SCENES = 20
BULK = len(CONCEPTS) * SCENES


def scenes(corpus: Path, name: str = "one") -> Path:
    """A corpus of `BULK` texts, each of which takes the tiny model some milliseconds."""
    for scene in range(SCENES):
        for concept in CONCEPTS:
            write(corpus / "paired" / f"s{scene}" / f"{concept}.txt", story(f"{name}, scene {scene}", concept))
    return corpus


def story(title: str, concept: str) -> str:
    return f"{title}. " + " ".join(f"The {concept} word {number} went on." for number in range(20))
