"""The state keeps each text's mean over all tokens beside the activation that the vectors are of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.live.filing import Cells, Filing
from engine.compute.live.state import State, View
from engine.compute.model.loaded import LoadedModel
from engine.compute.statistics.steps import run
from engine.corpus import text_id
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests import oracle
from tests.engine.compute.live.comparing import assert_same
from tests.engine.compute.live.trees import Tree, apply, counted, texts
from tests.places import GOLDEN

LLAMA = GOLDEN / "models" / "llama"
LAYERS = [1, 2]
TREE: Tree = {
    "a": ("calm", "The lake lay still, and nobody spoke for a long time."),
    "b": ("sad", "No one came."),
    "c": (None, "He sat down on the stairs and read the letter twice."),
    "d": ("calm", "She slept until noon."),
}
DRAFT = "The kettle sang, and so did she."
OTHER_MEANS = [{"pooling": "last"}, {"pooling": "mean", "pool_from": 2}, {"pooling": "last", "method": "subspace"}]


def live_corpus(model: LoadedModel, folder: Path, **overrides: Any) -> LiveCorpus:
    settings = Settings(model=str(LLAMA), device="cpu", target_layers="1,2", **overrides)
    return LiveCorpus(model, settings, Store(folder))


def assert_means_are_the_oracles(state: State, tree: Tree) -> None:
    in_use = texts(tree)
    assert set(state.means.text_ids) == set(state.rows.text_ids) == set(in_use)
    ours = state.means.take(list(in_use)).double().numpy()
    expected = oracle.activations(LLAMA, list(in_use.values()), LAYERS, pooling="mean")
    np.testing.assert_allclose(ours, np.stack(expected, 1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("overrides", [*OTHER_MEANS, {"pooling": "mean"}], ids=str)
def test_means_are_the_oracles_after_any_change(llama: LoadedModel, tmp_path: Path, overrides: dict[str, Any]) -> None:
    live = live_corpus(llama, tmp_path, **overrides)
    for tree in (TREE, TREE | {"b": ("sad", DRAFT)}, {name: TREE[name] for name in "acd"}):
        apply(live, tree)
        assert_means_are_the_oracles(live._state, tree)


def test_means_that_are_the_activations_are_kept_once(llama: LoadedModel, tmp_path: Path) -> None:
    pooled = live_corpus(llama, tmp_path, pooling="mean")._state
    assert pooled.means is pooled.rows
    shortened = live_corpus(llama, tmp_path, pooling="mean", pool_from=2)._state
    assert shortened.means is not shortened.rows


@pytest.mark.parametrize("overrides", OTHER_MEANS, ids=str)
def test_draft_has_its_mean_while_it_is_read_and_leaves_none(
    llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, Any]
) -> None:
    live = live_corpus(llama, tmp_path, **overrides)
    apply(live, TREE)
    means: list[torch.Tensor] = []
    viewed = State.viewed

    def noted(state: State, cells: Cells, fresh: Any = ()) -> View:
        means.append(state.means.take([text_id(DRAFT)])[:, 0])
        return viewed(state, cells, fresh)

    with monkeypatch.context() as patch:
        patch.setattr(State, "viewed", noted)
        run(live.score(DRAFT, text_id(DRAFT), text_id(TREE["b"][1]), "sad", ["sad"]))
    (expected,) = oracle.activations(LLAMA, [DRAFT], LAYERS, pooling="mean")
    np.testing.assert_allclose(means[0].double().numpy(), expected, atol=1e-4, rtol=1e-4)
    assert_means_are_the_oracles(live._state, TREE)


def test_draft_stands_in_the_scenario_of_the_story_that_it_replaces(
    llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = live_corpus(llama, tmp_path)
    others = [Placement(text_id(text), concept) for concept, text in TREE.values() if concept != "sad"]
    old = Placement(text_id(TREE["b"][1]), "sad", "rain")
    live.apply([*others, old], texts(TREE))
    drafted: list[set[Placement]] = []
    changed = Filing.changed

    def noted(filing: Filing, placements: Iterable[Placement]) -> Filing:
        drafted.append(set(placements))
        return changed(filing, placements)

    monkeypatch.setattr(Filing, "changed", noted)
    for instead_of, expected in (
        (old.text_id, {*others, Placement(text_id(DRAFT), "sad", "rain")}),
        (None, {*others, old, Placement(text_id(DRAFT), "sad")}),
    ):
        run(live.score(DRAFT, text_id(DRAFT), instead_of, "sad", ["sad"]))
        assert drafted.pop() == expected


def test_draft_that_does_not_fit_into_memory_leaves_no_row(
    llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = live_corpus(llama, tmp_path)
    before = apply(live, TREE)

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("too much")

    with monkeypatch.context() as patch:
        patch.setattr(live._state.means, "set", fail)
        with pytest.raises(AmygdalaError, match="out of memory on cpu while reading a draft"):
            run(live.score(DRAFT, text_id(DRAFT), None, "sad", ["sad"]))
    assert_means_are_the_oracles(live._state, TREE)
    assert run(live.score(DRAFT, text_id(DRAFT), None, "sad", ["sad"])).after is not None
    assert_same(live.results(), before)


def test_story_that_only_moves_to_another_scenario_changes_nothing(llama: LoadedModel, tmp_path: Path) -> None:
    live = live_corpus(llama, tmp_path)
    apply(live, TREE)
    before, view = live.results(), live._state.view
    moved = [Placement(text_id(text), concept, "rain") for concept, text in TREE.values()]
    live.apply(moved, texts(TREE))
    assert live.results() == before
    assert all(live._state.view.groups[name] is group for name, group in view.groups.items())
    assert all(live._state.view.cells[cell] is sums for cell, sums in view.cells.items())
    assert counted(live, TREE)[1] == 0
