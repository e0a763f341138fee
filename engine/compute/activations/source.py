"""Activations of texts, from the store where it has them, else from the model."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from engine.compute.activations.store import Entry, Store
from engine.compute.model.forward import Activation, Extractor
from engine.compute.model.unreadable import UnreadableText
from engine.results import Cost

Progress = Callable[[int, int], None]
"""Told (texts done, texts to do) as a computation goes on."""
READ_AT_ONCE = 64
"""Texts taken from the store at a time; one where tokens come with them, which may be a third of a gigabyte each."""


def silent(_done: int, _total: int) -> None:
    """Ignores progress."""


@dataclass
class Tally:
    """What a computation has cost so far; whoever computes counts here."""

    n_run: int = 0
    """Texts that went through the model."""
    n_cached: int = 0
    """Texts whose activations came from the store."""
    fetching_s: float = 0.0
    """Time spent on both."""
    statistics_s: float = 0.0

    @property
    def cost(self) -> Cost:
        """The tally as plain numbers."""
        return Cost(
            texts_run=self.n_run,
            texts_cached=self.n_cached,
            seconds_forward=self.fetching_s,
            seconds_statistics=self.statistics_s,
        )


@dataclass(frozen=True)
class Batch:
    """Activations that came together, by text id."""

    activations: Mapping[str, Activation]
    done: int = 0
    """Texts through the model so far, of `total`."""
    total: int = 0
    """0 where these came from the store."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Why the model cannot take a text, by id: such a text has no activation, and nothing of it is stored."""


class Source:
    """Gives the activations of texts by one model, read in one way.

    Args:
        extractor: what runs texts through a model.
        store: what has been computed before.
        keep_tokens: give the residuals of all tokens too; they are stored apart, being much larger.
    """

    def __init__(self, extractor: Extractor, store: Store, *, keep_tokens: bool = False) -> None:
        self._extractor = extractor
        self._store = store
        self._keep_tokens = keep_tokens

    def fetch(
        self, texts: Mapping[str, str], fresh: Collection[str], progress: Progress, tally: Tally
    ) -> Iterator[tuple[str, Activation]]:
        """Give the activation of each of `texts` (by text id), as it comes; see `batches`.

        Raises:
            UnreadableText: the model cannot take one of them.
        """
        for batch in self.batches(texts, fresh, tally):
            for text_id, reason in batch.left_out.items():
                raise UnreadableText(texts[text_id], reason)
            if batch.total:
                progress(batch.done, batch.total)
            yield from batch.activations.items()

    def batches(self, texts: Mapping[str, str], fresh: Collection[str], tally: Tally) -> Iterator[Batch]:
        """Give the activations of `texts` (by text id), some at a time; `tally` counts what that took.

        Those in `fresh` go through the model whatever the store has. What the model gives is stored batch by batch,
        so that a crash loses at most one batch. Before the model's first batch comes an empty one.
        """
        missing = []
        remaining = iter(texts)
        while text_ids := list(itertools.islice(remaining, 1 if self._keep_tokens else READ_AT_ONCE)):
            started = time.perf_counter()
            stored = self._stored(text_id for text_id in text_ids if text_id not in fresh)
            missing += [text_id for text_id in text_ids if text_id not in stored]
            tally.n_cached += len(stored)
            tally.fetching_s += time.perf_counter() - started
            yield Batch(stored)
        if missing:
            yield from self._run(missing, texts, tally)

    def _run(self, text_ids: list[str], texts: Mapping[str, str], tally: Tally) -> Iterator[Batch]:
        yield Batch({}, 0, len(text_ids))
        batches = self._extractor.run([texts[text_id] for text_id in text_ids])
        done = 0
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                break
            activations = {text_ids[i]: outcome for i, outcome in batch if isinstance(outcome, Activation)}
            left_out = {text_ids[i]: outcome.reason for i, outcome in batch if isinstance(outcome, UnreadableText)}
            self._keep(activations)
            tally.fetching_s += time.perf_counter() - started
            tally.n_run += len(activations)
            done += len(batch)
            yield Batch(activations, done, len(text_ids), left_out)

    def _stored(self, text_ids: Iterable[str]) -> dict[str, Activation]:
        keys = {text_id: self._key(text_id) for text_id in text_ids}
        entries = self._store.get(keys.values())
        pooled = {
            text_id: entries[key] for text_id, key in keys.items() if key in entries and self._is_whole(entries[key])
        }
        if not self._keep_tokens:
            return {text_id: _activation(entry) for text_id, entry in pooled.items()}
        tokens = self._store.get(self._key(text_id, "tokens") for text_id in pooled)
        return {
            text_id: _activation(entry, tokens[key])
            for text_id, entry in pooled.items()
            if (key := self._key(text_id, "tokens")) in tokens
        }

    def _is_whole(self, entry: Entry) -> bool:
        """Whether an entry has all that is asked for. One that was put where less was has not: its text goes through
        the model once more, and the entry is put again."""
        has_mean = self._extractor.pools_all_tokens or "mean" in entry.tensors
        return has_mean and ("later" in entry.tensors or not self._extractor.keep_later)

    def _keep(self, activations: Mapping[str, Activation]) -> None:
        entries, tokens = {}, {}
        for text_id, activation in activations.items():
            mean = {} if activation.mean is activation.x else {"mean": activation.mean}
            later = {} if activation.later is None else {"later": activation.later}
            heads = {f"heads.{i}": part for i, part in enumerate(activation.heads) if part is not None}
            entries[self._key(text_id)] = Entry(
                {"x": activation.x, **mean, **later, **heads},
                {"truncated": str(int(activation.truncated)), "layers": str(len(activation.heads))},
            )
            if activation.tokens is not None:
                tokens[self._key(text_id, "tokens")] = Entry({"tokens": activation.tokens.cpu()})
        self._store.put(entries)
        self._store.put(tokens, "tokens")

    def _key(self, text_id: str, kind: str = "pooled") -> str:
        return hashlib.sha256(f"{self._extractor.recipe}\n{kind}\n{text_id}".encode()).hexdigest()


def _activation(entry: Entry, tokens: Entry | None = None) -> Activation:
    x = entry.tensors["x"]
    return Activation(
        x=x,
        mean=entry.tensors.get("mean", x),
        truncated=entry.notes["truncated"] == "1",
        heads=tuple(entry.tensors.get(f"heads.{i}") for i in range(int(entry.notes["layers"]))),
        tokens=tokens.tensors["tokens"] if tokens is not None else None,
        later=entry.tensors.get("later"),
    )
