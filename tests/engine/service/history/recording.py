"""Small revisions for a history."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.corpus import Change, Story, text_id
from engine.service.history import schema
from engine.service.history.database import History
from engine.wire.revisions import Metrics, Revision

CORPUS = Path("/a/corpus")


def stories(**texts: str) -> dict[str, Story]:
    """Concept -> text, as unpaired stories by path."""
    return {
        f"stories/{name}.txt": Story(
            path=f"stories/{name}.txt", concept=name, scenario=None, text=text, text_id=text_id(text)
        )
        for name, text in texts.items()
    }


def metrics(**first_pcs: float) -> dict[str, Metrics]:
    return {
        name: Metrics(bucket="mixed", n_stories=3, first_pc=first_pc, nearest=None, nearest_cosine=None, r_squared=0.25)
        for name, first_pc in first_pcs.items()
    }


def revision(number: int, changes: list[Change] | None = None) -> Revision:
    return Revision(
        number=number,
        when=1.7e9 + number,
        cause="edited",
        settings='{"method":"pooled"}',
        changes=changes or [],
        texts_run=1,
        seconds=0.04,
    )


def record(history: History, number: int, **texts: str) -> None:
    """Record a revision with these stories, and with numbers that tell it from others."""
    history.record(revision(number), f"fingerprint {number}", stories(**texts), metrics(**dict.fromkeys(texts, 0.5)))


def texts_at(history: History, number: int) -> dict[str, str | None]:
    return {path[8:-4]: history.text(number, path) for path in stories_at(history, number)}


def stories_at(history: History, number: int) -> dict[str, str]:
    """Path -> text id, as recorded at a revision; whether there is one, the history says."""
    history.compare(number, number)
    return schema.state(history._connection, "stories", number)


def metrics_at(history: History, number: int) -> dict[str, Metrics]:
    names = Metrics.__struct_fields__
    state = schema.state(history._connection, "metrics", number)
    return {
        concept: msgspec.convert(dict(zip(names, msgspec.json.decode(values), strict=True)), Metrics)
        for concept, values in state.items()
    }
