"""Activations of texts, from the store where it has them, else from the model."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from engine.compute.forward import EXTRACTOR_VERSION, Activation, Extractor
from engine.compute.store import Store

Progress = Callable[[int, int], None]
"""Told (texts done, texts to do) as a computation goes on."""


def silent(_done: int, _total: int) -> None:
    """Progress that nobody wants to hear of."""


@dataclass(frozen=True)
class Fetched:
    """Activations by text id, and where they came from."""

    activations: dict[str, Activation]
    n_run: int
    n_cached: int
    seconds: float


class Source:
    """One model, read one way."""

    def __init__(self, extractor: Extractor, store: Store) -> None:
        self.extractor = extractor
        self._store = store
        self._recipe = _recipe(extractor)

    def fetch(self, texts: Mapping[str, str], fresh: Collection[str], progress: Progress) -> Fetched:
        """Activations of `texts` (by text id).

        Those in `fresh` go through the model whatever the store has. What the model gives is stored batch by batch,
        so that a crash loses at most one batch.
        """
        started = time.perf_counter()
        keys = {text_id: self._key(text_id) for text_id in texts}
        stored = self._store.get(key for text_id, key in keys.items() if text_id not in fresh)
        found = {text_id: stored[key] for text_id, key in keys.items() if key in stored}
        missing = [text_id for text_id in texts if text_id not in found]
        n_cached = len(found)
        if missing:
            progress(0, len(missing))
        for batch in self.extractor.run([texts[text_id] for text_id in missing]):
            done = {missing[i]: activation for i, activation in batch}
            found |= done
            self._store.put({keys[text_id]: activation for text_id, activation in done.items()})
            progress(len(found) - n_cached, len(missing))
        return Fetched(found, len(missing), n_cached, time.perf_counter() - started)

    def _key(self, text_id: str) -> str:
        return hashlib.sha256(f"{self._recipe}\n{text_id}".encode()).hexdigest()


def _recipe(extractor: Extractor) -> str:
    """All that decides a text's activation besides the text."""
    model = extractor.model
    return "\n".join(
        str(part)
        for part in (
            EXTRACTOR_VERSION,
            model.model_hash,
            model.tokenizer_hash,
            extractor.layers,
            extractor.pooling,
            extractor.pool_from,
            extractor.max_length,
            model.dtype,
        )
    )
