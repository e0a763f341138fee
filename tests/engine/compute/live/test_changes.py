"""After any edits, live results equal those of a run from nothing; only new texts are run; failures leave no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compute.model.loaded import LoadedModel
from engine.corpus import text_id
from engine.errors import AmygdalaError
from engine.settings import Settings
from tests.engine.compute.live.comparing import assert_same
from tests.engine.compute.live.lookup import lookup_model
from tests.engine.compute.live.trees import (
    NO_FUNCTION_SCOPE,
    TREES,
    Tree,
    apply,
    counted,
    fresh_corpus,
    placed,
    table,
    texts,
)
from tests.places import GOLDEN


@NO_FUNCTION_SCOPE
@given(trees=st.lists(TREES, min_size=2, max_size=5), data=st.data())
def test_any_changes_end_where_a_run_from_nothing_does(
    tmp_path_factory: pytest.TempPathFactory, trees: list[Tree], data: st.DataObject
) -> None:
    model = lookup_model(table())
    store = tmp_path_factory.mktemp("changes")
    live = fresh_corpus(model, store)
    seen: set[str] = set()
    for tree in trees:
        now = set(texts(tree).values())
        fresh = data.draw(st.lists(st.sampled_from(sorted(now)), max_size=2, unique=True))
        results, n_run = counted(live, tree, fresh)
        assert n_run == len((now - seen) | set(fresh))
        seen |= now
        from_nothing = fresh_corpus(model, store / "other")
        assert_same(results, apply(from_nothing, tree))
        if results.concepts:
            for mine, theirs in zip(
                live.readout().vectors.values(), from_nothing.readout().vectors.values(), strict=True
            ):
                torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-3)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "rename", "delete", "retrain"]),
        st.sampled_from(
            [f"{concept}-{number}" for concept in ("angry", "calm", "sad", "baseline") for number in (1, 2)]
        ),
        st.sampled_from([f"{concept}-{number}" for concept in ("angry", "calm", "proud") for number in (1, 2)]),
        st.sampled_from(["Rain.", "He ran.", "No one came.", "Bells rang at noon.", "Two cats.", "Dust."]),
    ),
    min_size=3,
    max_size=8,
)


METHODS: dict[str, dict[str, object]] = {
    "pooled": {},
    "whitened": {"method": "whitened"},
    "filter": {"method": "subspace"},
    "top-k": {"method": "subspace", "subspace_direction": "top-k", "subspace_k": 4, "subspace_eigen_k": 1},
}


@pytest.mark.parametrize("method", METHODS)
@settings(NO_FUNCTION_SCOPE, max_examples=5)
@given(edits=EDITS)
def test_edits_with_a_real_model_end_where_a_run_from_nothing_does(
    tmp_path_factory: pytest.TempPathFactory, llama: LoadedModel, method: str, edits: list[tuple[str, str, str, str]]
) -> None:
    store = tmp_path_factory.mktemp("edits")
    chosen = Settings(
        model=str(GOLDEN / "models" / "llama"), target_layers="1,2,4", device="cpu",
        **METHODS[method],  # type: ignore[arg-type]
    )  # fmt: skip
    live = fresh_corpus(llama, store, chosen)
    files = {"angry-1": "He slammed the lid.", "calm-1": "The lake lay still.", "baseline-1": "It was Tuesday."}
    seen: set[str] = set()
    results = None
    for action, name, target, text in edits:
        fresh: set[str] = set()
        if action == "write":
            files[name] = text
        elif action == "rename" and name in files:
            files[target] = files.pop(name)
        elif action == "delete" and len(files) > 1:
            files.pop(name, None)
        elif action == "retrain" and name in files:
            fresh = {files[name]}
        tree: Tree = {
            name: (None if name.startswith("baseline") else name.split("-")[0], text) for name, text in files.items()
        }
        results, n_run = counted(live, tree, sorted(fresh))
        assert n_run == len((set(files.values()) - seen) | fresh)
        seen |= set(files.values())
    assert results is not None
    assert_same(results, apply(fresh_corpus(llama, store / "other", chosen), tree), tolerance=2e-3)


def test_apply_that_failed_can_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lookup_model(table())
    live = fresh_corpus(model, tmp_path)
    tree: Tree = {"a": ("calm", "0"), "b": ("sad", "1")}
    apply(live, tree)

    def too_large(_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(live.extractor, "_forward", too_large)
    bigger: Tree = tree | {"c": ("sad", "2")}
    with pytest.raises(AmygdalaError, match="out of memory"):
        apply(live, bigger)
    monkeypatch.undo()
    assert_same(apply(live, bigger), apply(fresh_corpus(model, tmp_path / "other"), bigger))


@pytest.mark.parametrize("method", METHODS)
def test_apply_that_failed_half_way_leaves_nothing_behind(
    tmp_path: Path, llama: LoadedModel, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    chosen = Settings(
        model="llama", target_layers="1,2,4", device="cpu",
        **METHODS[method],  # type: ignore[arg-type]
    )  # fmt: skip
    live = fresh_corpus(llama, tmp_path, chosen)
    tree: Tree = {"a": ("calm", "The lake lay still."), "b": ("sad", "No one came."), "c": ("angry", "He swore.")}
    apply(live, tree)
    forward = live.extractor._forward

    def once(sequences: list[list[int]]) -> Any:
        if len(sequences[0]) > 12:
            raise KeyboardInterrupt
        return forward(sequences)

    monkeypatch.setattr(live.extractor, "_forward", once)
    monkeypatch.setattr(live.extractor, "_batch_size", 1)
    never = "A long text that never gets through the model, however often it is tried."
    bigger: Tree = tree | {"d": ("sad", "Rain."), "e": ("calm", never)}
    with pytest.raises(KeyboardInterrupt):
        apply(live, bigger)
    with pytest.raises(AmygdalaError, match="no concept has a vector"):
        live.readout()
    monkeypatch.undo()
    assert_same(apply(live, tree), apply(fresh_corpus(llama, tmp_path / "other", chosen), tree))


def test_concept_that_reads_as_all_others_do_has_no_direction(tmp_path: Path) -> None:
    rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [-1.0, -1.0]])
    tree: Tree = {
        "a": ("still", "2"), "b": ("loud", "0"), "c": ("quiet", "1"), "d": ("loud", "3"), "e": ("quiet", "4"),
    }  # fmt: skip
    live = fresh_corpus(lookup_model(rows), tmp_path)
    results = apply(live, tree)
    assert [quality.concept for quality in results.concepts] == ["loud", "quiet"]
    assert "there is no direction" in results.without_vector["still"]
    assert live.readout().concepts == ["loud", "quiet"]


def test_retrained_text_replaces_what_was_known_of_it_everywhere(tmp_path: Path) -> None:
    model = lookup_model(table())
    live = fresh_corpus(model, tmp_path)
    tree: Tree = {"a": ("calm", "0"), "b": ("calm", "1"), "c": ("sad", "2"), "d": ("sad", "3")}
    apply(live, tree)
    model.module.get_parameter("table.weight")[1] *= -2
    results, n_run = counted(live, tree, ["1"])
    assert n_run == 1
    assert_same(results, apply(fresh_corpus(model, tmp_path / "other"), tree))
    assert_same(results, apply(fresh_corpus(model, tmp_path), tree))  # the store holds the new one


def test_texts_already_in_the_state_need_not_be_sent_again(tmp_path: Path) -> None:
    live = fresh_corpus(lookup_model(table()), tmp_path)
    tree: Tree = {"a": ("calm", "0"), "b": ("sad", "1")}
    first = apply(live, tree)
    assert_same(live.apply(placed(tree), {}), first)


def test_truncated_texts_are_named_as_long_as_they_are_there(tmp_path: Path, llama: LoadedModel) -> None:
    chosen = Settings(model="llama", target_layers="1", device="cpu", max_length=8)
    live = fresh_corpus(llama, tmp_path, chosen)
    long = "A long story that goes on and on and on, well past what is read of it."
    tree: Tree = {"a": ("calm", long), "b": ("sad", "Hm.")}
    assert apply(live, tree).truncated == [text_id(long)]
    assert apply(live, {"b": ("sad", "Hm."), "c": ("calm", "Oh.")}).truncated == []
    assert apply(fresh_corpus(llama, tmp_path, chosen), tree).truncated == [text_id(long)]  # from the store as well
