"""What reads best: all of it from one pass, measured as the oracle does, and beside what the settings give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from engine.compute.activations.source import silent
from engine.compute.activations.store import Store
from engine.compute.live.advice import Advice, advise
from engine.compute.live.measuring import Pooling
from engine.compute.live.sweep import layers_for
from engine.compute.model.forward import Extractor
from engine.compute.model.loaded import LoadedModel
from engine.compute.statistics.held_out import Dealt
from engine.corpus import text_id
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests import oracle_held_out as oracle
from tests.engine.compute.live.lookup import SETTINGS, lookup_model
from tests.engine.compute.model.extracting import extract

LLAMA = Settings(model="llama", device="cpu")
SCENES = ("bus", "lake", "rain", "tea", "snow", "door")
WORDS = {"calm": "still and slow", "sad": "grey and gone", "wry": "so they said, naturally"}
STORIES = {(scene, concept): f"The {scene} was {words}." for scene in SCENES for concept, words in WORDS.items()}
PLACEMENTS = [Placement(text_id(text), concept, scene) for (scene, concept), text in STORIES.items()]
TEXTS = {text_id(text): text for text in STORIES.values()}


def advice_of(model: LoadedModel, store: Path, chosen: Settings = LLAMA, **changes: Any) -> Advice:
    return advise(model, msgspec.structs.replace(chosen, **changes), Store(store), PLACEMENTS, TEXTS, silent)


def test_everything_comes_from_one_pass_and_a_second_runs_nothing(llama: LoadedModel, tmp_path: Path) -> None:
    first, second = (advice_of(llama, tmp_path, pool_from=3) for _ in range(2))
    assert (first.cost.texts_run, first.cost.texts_cached) == (len(TEXTS), 0)
    assert (second.cost.texts_run, second.cost.texts_cached) == (0, len(TEXTS))
    assert second.by_block == first.by_block
    measured = {(way.pooling, way.pool_from, way.method, *way.layers) for way in first.by_block}
    poolings, methods = (("last", 0), ("mean", 0), ("mean", 3)), ("pooled", "whitened")
    assert measured == {(*pooling, method, block) for pooling in poolings for method in methods for block in range(5)}


@pytest.mark.parametrize("pooling", [Pooling("last"), Pooling("mean"), Pooling("mean", 3)], ids=str)
@pytest.mark.parametrize("shrinkage", [None, 0.5])
def test_what_is_measured_is_the_oracles(
    llama: LoadedModel, tmp_path: Path, pooling: Pooling, shrinkage: float | None
) -> None:
    block, ids = 2, sorted(TEXTS)
    read = extract(
        Extractor(llama, [block], pooling=pooling.kind, pool_from=pooling.pool_from), [TEXTS[i] for i in ids]
    )
    rows = torch.stack([activation.x[0] for activation in read]).double().numpy()
    of = {place.text_id: place for place in PLACEMENTS}
    member = torch.tensor([[of[i].concept == concept for concept in sorted(WORDS)] for i in ids])
    by_first_id = sorted(SCENES, key=lambda scene: min(i for i in ids if of[i].scenario == scene))
    dealt = Dealt.of(member, torch.tensor([by_first_id.index(of[i].scenario or "") for i in ids]))
    arrays = member.numpy(), dealt.folds.numpy()
    expected = oracle.mean_auroc(oracle.scores(rows, *arrays, shrinkage), *arrays, torch.ones(len(ids)).numpy())
    advice = advice_of(llama, tmp_path, pool_from=3, shrinkage=shrinkage or 1.0)
    (way,) = [
        way
        for way in advice.by_block
        if (way.pooling, way.pool_from) == pooling
        and way.method == ("whitened" if shrinkage else "pooled")
        and way.layers == [block]
    ]
    assert way.auroc == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("changes", [{"pooling": "mean"}, {"method": "whitened"}, {"pooling": "mean", "pool_from": 2}])
def test_settings_in_force_stand_beside_the_best(llama: LoadedModel, tmp_path: Path, changes: dict[str, Any]) -> None:
    advice = advice_of(llama, tmp_path, target_layers="1,3,4", **changes)
    wanted = {"pooling": "last", "pool_from": 0, "method": "pooled"} | changes
    assert {name: getattr(advice.current, name) for name in wanted} == wanted
    assert advice.current.layers == [1, 3, 4]
    assert not advice.is_default
    alone = next(
        way for way in advice.by_block if way.layers == [3] and {name: getattr(way, name) for name in wanted} == wanted
    )
    assert (advice.current.auroc, advice.current.low, advice.current.high) == (alone.auroc, alone.low, alone.high)


def noisy(store: Path, **changes: Any) -> Advice:
    """Concepts stand in small dimensions beside a loud one, which only whitening turns down."""
    g = torch.Generator().manual_seed(1)
    loud = torch.randn(60, 1, generator=g) * 20
    signal = torch.eye(3).repeat(20, 1) + 0.2 * torch.randn(60, 3, generator=g)
    model = lookup_model(torch.cat([loud, signal], 1), "noisy")
    placements = [Placement(text_id(str(i)), ["calm", "sad", "wry"][i % 3], f"scene {i // 3}") for i in range(60)]
    texts = {text_id(str(i)): str(i) for i in range(60)}
    return advise(model, msgspec.structs.replace(SETTINGS, **changes), Store(store), placements, texts, silent)


def test_auto_takes_the_blocks_that_advice_names(llama: LoadedModel, tmp_path: Path) -> None:
    for changes in ({}, {"method": "whitened"}, {"pooling": "mean", "pool_from": 2}, {"method": "subspace"}):
        auto = msgspec.structs.replace(LLAMA, target_layers="auto", **changes)
        layers, scores = layers_for(llama, auto, Store(tmp_path), PLACEMENTS, TEXTS)
        current = advice_of(llama, tmp_path, auto).current
        assert current.layers == layers
        assert current.auroc == scores[layers[len(layers) // 2]]


def test_best_is_advised_where_it_lies_above_the_interval(tmp_path: Path) -> None:
    advice = noisy(tmp_path)
    assert advice.best[0].method == "whitened"
    assert advice.best[0].auroc > advice.current.high
    assert advice.is_better
    assert advice.write["method"] == "whitened"
    followed = noisy(tmp_path, **advice.write)
    assert (followed.current, followed.is_better) == (advice.best[0], False)


def test_nothing_is_advised_where_the_default_reads_as_well(llama: LoadedModel, tmp_path: Path) -> None:
    advice = advice_of(llama, tmp_path)
    assert advice.is_default
    assert advice.best[0].auroc <= advice.current.high
    assert not advice.is_better
    assert advice.write == {}


def test_corpus_of_one_scenario_cannot_be_measured(llama: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(AmygdalaError, match="too few stories to measure"):
        advise(llama, LLAMA, Store(tmp_path), PLACEMENTS[:3], TEXTS, silent)


def test_concept_that_stands_in_one_scenario_is_named(llama: LoadedModel, tmp_path: Path) -> None:
    alone = Placement(text_id(STORIES["bus", "calm"]), "rare", "bus")
    advice = advise(llama, LLAMA, Store(tmp_path), [*PLACEMENTS, alone], TEXTS, silent)
    assert advice.unmeasured == ["rare"]
    assert advice.n_concepts == len(WORDS)
