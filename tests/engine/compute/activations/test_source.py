"""What the store has of a text is not computed again; what it has in part is completed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.compute.activations.source import Source, Tally, silent
from engine.compute.activations.store import Entry, Store
from engine.compute.model.forward import Activation, Extractor
from engine.compute.model.loaded import LoadedModel
from tests.engine.compute.activations.entries import counted, there

TEXTS = {
    "a": "Rain.",
    "b": "She waited at the door until the light went out, and then a little longer, in case it came back.",
    "c": "Nobody had told him.",
}
OTHER_MEANS = [{"pooling": "last"}, {"pooling": "mean", "pool_from": 2}]
"""Poolings that do not average all tokens."""


def fetched(source: Source, texts: dict[str, str] = TEXTS) -> tuple[dict[str, Activation], int, int]:
    """Activations by text id; how many texts went through the model for them, and how many came from the store."""
    tally = Tally()
    activations = dict(source.fetch(texts, (), silent, tally))
    return activations, tally.n_run, tally.n_cached


def entries_of(store: Store) -> dict[str, Entry]:
    return store.get(file.stem for file in store.root.rglob("*.safetensors"))


def take_means_away(store: Store) -> None:
    """Leave the entries that a version which read no means has put."""
    for key, entry in entries_of(store).items():
        if "mean" in entry.tensors:
            tensors = {name: tensor for name, tensor in entry.tensors.items() if name != "mean"}
            store.put({key: Entry(tensors, entry.notes)})


def assert_same(ours: dict[str, Activation], others: dict[str, Activation]) -> None:
    assert ours.keys() == others.keys()
    for text_id, one in ours.items():
        other = others[text_id]
        torch.testing.assert_close((one.x, one.mean, one.heads), (other.x, other.mean, other.heads), rtol=0, atol=0)
        assert one.truncated == other.truncated


@pytest.mark.parametrize("pooling", [*OTHER_MEANS, {"pooling": "mean"}], ids=str)
def test_activations_from_the_store_are_those_of_the_model(
    llama: LoadedModel, store: Store, pooling: dict[str, Any]
) -> None:
    source = Source(Extractor(llama, [1, 3], max_length=12, **pooling), store)
    of_model, n_run, _ = fetched(source)
    of_store, n_run_again, n_cached = fetched(source)
    assert (n_run, n_run_again, n_cached) == (len(TEXTS), 0, len(TEXTS))
    assert_same(of_store, of_model)
    assert any(activation.truncated for activation in of_store.values())


def test_mean_that_is_the_activation_is_stored_once(llama: LoadedModel, store: Store) -> None:
    source = Source(Extractor(llama, [1, 3], pooling="mean"), store)
    fetched(source)
    assert all("mean" not in entry.tensors for entry in entries_of(store).values())
    of_store, _, n_cached = fetched(source)
    assert n_cached == len(TEXTS)
    assert all(activation.mean is activation.x for activation in of_store.values())


@pytest.mark.parametrize("pooling", OTHER_MEANS, ids=str)
@pytest.mark.parametrize("keep_tokens", [False, True], ids=["pooled", "tokens too"])
def test_entry_without_the_mean_is_completed_once(
    llama: LoadedModel, store: Store, pooling: dict[str, Any], keep_tokens: bool
) -> None:
    extractor = Extractor(llama, [1, 3], keep_tokens=keep_tokens, **pooling)
    source = Source(extractor, store, keep_tokens=keep_tokens)
    whole, _, _ = fetched(source)
    held = store.info().held
    take_means_away(store)
    assert store.info().held["pooled"].bytes < held["pooled"].bytes
    assert counted(store) == there(store)
    completed, n_run, n_cached = fetched(source)
    assert (n_run, n_cached) == (len(TEXTS), 0)
    assert_same(completed, whole)
    assert store.info().held == held, "each in the place of the one before"
    assert counted(store) == there(store)
    cached, n_run, n_cached = fetched(source)
    assert (n_run, n_cached) == (0, len(TEXTS))
    assert_same(cached, whole)


def test_only_entries_without_the_mean_are_completed(llama: LoadedModel, store: Store) -> None:
    source = Source(Extractor(llama, [1], pooling="last"), store)
    fetched(source, {"a": TEXTS["a"]})
    take_means_away(store)
    fetched(source, {"b": TEXTS["b"]})
    _, n_run, n_cached = fetched(source)
    assert (n_run, n_cached) == (2, 1)  # a is completed, c is new


def test_entry_without_the_later_mean_is_completed_where_that_is_asked_for(llama: LoadedModel, store: Store) -> None:
    plain, later = (
        Source(Extractor(llama, [1], pooling="last", pool_from=2, keep_later=keep), store) for keep in (False, True)
    )
    fetched(plain)
    completed, n_run, _ = fetched(later)
    assert n_run == len(TEXTS)
    cached, n_run, n_cached = fetched(later)
    assert (n_run, n_cached) == (0, len(TEXTS))
    for text_id, read in completed.items():
        assert read.later is not None
        torch.testing.assert_close(cached[text_id].later, read.later, rtol=0, atol=0)
    assert fetched(plain)[1] == 0, "an entry that has more serves as well"


def test_entry_stays_where_it_cannot_be_completed(
    llama: LoadedModel, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = Extractor(llama, [1], pooling="last")
    source = Source(extractor, store)
    fetched(source)
    take_means_away(store)
    before = entries_of(store)

    def fail(_: object) -> None:
        raise OSError("the disk of the weights is gone")

    monkeypatch.setattr(extractor, "_forward", fail)
    with pytest.raises(OSError, match="weights"):
        fetched(source)
    after = entries_of(store)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key].tensors["x"], before[key].tensors["x"]) for key in before)


@pytest.mark.usefixtures("clock")
def test_full_store_drops_the_oldest_where_others_are_completed(llama: LoadedModel, tmp_path: Path) -> None:
    extractor = Extractor(llama, [1, 3], pooling="last", batch_size=1)
    store = Store(tmp_path / "cache")
    fetched(Source(extractor, store))
    take_means_away(store)
    incomplete_bytes = there(store).bytes
    store.close()
    full = Store(tmp_path / "cache", max_bytes=incomplete_bytes)
    last, n_run, _ = fetched(Source(extractor, full))
    assert n_run == len(last) == len(TEXTS), "all are given, though not all are kept"
    assert counted(full) == there(full)
    assert 0 < there(full).bytes <= incomplete_bytes
    assert there(full).entries < len(TEXTS)
