"""Live results equal the oracle's, for every shape of corpus."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.loaded import LoadedModel
from engine.corpus import text_id
from engine.errors import AmygdalaError
from engine.results import LayerQuality, Results
from tests import oracle
from tests.engine.compute.live.lookup import SETTINGS, lookup_model, rows_of
from tests.engine.compute.live.trees import (
    CONCEPTS,
    NO_FUNCTION_SCOPE,
    TEXTS,
    TREES,
    Tree,
    apply,
    fresh_corpus,
    placed,
    table,
    texts,
)

# Against the oracle


def assert_is_the_oracles(model: LoadedModel, live: LiveCorpus, results: Results, tree: Tree) -> None:
    """Everything in `results`, layer by layer, as the oracle says."""
    placements = [(text, concept) for concept, text in tree.values()]
    names = oracle.concepts(placements)
    by_id = {text_id(text): text for text, _ in placements}
    assert [quality.concept for quality in results.concepts] == names
    for i, layer in enumerate(results.layers):
        x = rows_of(model, layer)
        exact = oracle.directions(x, placements, names) if names else np.zeros((0, results.hidden_size))
        ours = live._evaluation.directions[i].numpy()
        np.testing.assert_allclose(ours, exact, atol=6e-4)  # fp16 of numbers up to one
        for c, quality in enumerate(results.concepts):
            rows = np.array([x[text] for text in sorted(oracle.positives(placements, quality.concept), key=text_id)])
            assert_layer_is_the_oracles(model, quality.per_layer[layer], rows, ours[c], layer)
            r_squared, residual, coefficients = oracle.ridge(ours, c)
            combination = quality.linear_combination[layer]
            assert combination.r_squared == pytest.approx(r_squared, abs=1e-9)
            assert combination.residual_norm == pytest.approx(residual, abs=1e-9)
            shares = {names.index(name): value for name, value in combination.top_contributors}
            assert shares == pytest.approx({j: coefficients[j] for j in shares}, abs=1e-8)
            assert len(shares) == min(5, len(names) - 1)
            assert min(map(abs, shares.values()), default=0) >= max(
                (abs(value) for j, value in coefficients.items() if j not in shares), default=0
            ) - 1e-8  # fmt: skip
    assert_middle_is_the_oracles(model, live, results, placements, by_id)


def assert_layer_is_the_oracles(
    model: LoadedModel, ours: LayerQuality, rows: np.ndarray, d: np.ndarray, layer: int
) -> None:
    projections, aligned = rows @ d, oracle.alignments(rows, d)
    single = len(rows) == 1
    ratios = [*oracle.variance_ratios(rows), 0.0, 0.0][: min(*rows.shape, 3)]
    assert ours.top3_variance_ratios == pytest.approx(ratios, abs=1e-9)
    assert ours.first_pc_variance_ratio == ours.top3_variance_ratios[0]
    assert ours.story_projection_mean == pytest.approx(projections.mean())
    assert ours.story_projection_std == (None if single else pytest.approx(projections.std(ddof=1)))
    assert (ours.story_projection_min, ours.story_projection_max) == pytest.approx(
        (projections.min(), projections.max())
    )
    assert ours.story_alignment_mean == pytest.approx(np.mean(aligned), abs=1e-9)
    assert ours.story_alignment_std == pytest.approx(0 if single else np.std(aligned, ddof=1), abs=1e-9)
    weight = model.anatomy.blocks[layer].get_parameter("mlp.down_proj.weight").double().numpy()
    cosines = oracle.neuron_cosines(d, weight)
    best = sorted(range(len(cosines)), key=lambda i: -abs(cosines[i]))[:5]
    assert [abs(value) for _, value in ours.top5_neurons] == pytest.approx([abs(cosines[i]) for i in best], abs=1e-5)
    assert [value for _, value in ours.top5_neurons] == pytest.approx(
        [cosines[i] for i, _ in ours.top5_neurons], abs=1e-5
    )
    assert (ours.best_neuron_idx, ours.best_neuron_cosine) == ours.top5_neurons[0]


def assert_middle_is_the_oracles(
    model: LoadedModel, live: LiveCorpus, results: Results, placements: list[oracle.Placed], by_id: dict[str, str]
) -> None:
    """Neighbours, outliers and the leave-one-out scores."""
    assert results.middle == results.layers[len(results.layers) // 2]
    x = rows_of(model, results.middle)
    names = [quality.concept for quality in results.concepts]
    directions = live._evaluation.directions[results.layers.index(results.middle)].numpy()
    for c, quality in enumerate(results.concepts):
        cosines = {name: oracle.cosine(directions[c], directions[j]) for j, name in enumerate(names) if j != c}
        expected = sorted(cosines.values(), reverse=True)[:5]
        assert [value for _, value in quality.nearest_concepts] == pytest.approx(expected)
        assert dict(quality.nearest_concepts) == pytest.approx(
            {name: cosines[name] for name, _ in quality.nearest_concepts}
        )
        own = oracle.positives(placements, quality.concept)
        assert quality.n_positive_stories == len(own)
        aligned = dict(zip(own, oracle.alignments(np.array([x[text] for text in own]), directions[c]), strict=True))
        lowest = [] if len(own) == 1 else sorted(aligned.values())[:2]
        assert [value for _, value in quality.outliers] == pytest.approx(lowest, abs=1e-9)
        assert [aligned[by_id[text]] for text, _ in quality.outliers] == pytest.approx(lowest, abs=1e-9)
    assert {(fit.text_id, fit.concept) for fit in results.fits} == {
        (text_id(text), concept) for text, concept in placements if concept in names
    }
    for fit in results.fits:
        text = by_id[fit.text_id]
        mine = oracle.leave_one_out(x, placements, text, fit.concept)
        assert fit.own == (None if mine is None else pytest.approx(mine, abs=1e-6))
        others = {
            name: oracle.leave_one_out(x, placements, text, name)
            for name in names
            if text not in oracle.positives(placements, name)
        }
        scores = {name: score for name, score in others.items() if score is not None}
        if scores:
            assert fit.rival_score == pytest.approx(max(scores.values()), abs=1e-6)
            assert scores[fit.rival or ""] == pytest.approx(fit.rival_score, abs=1e-6)
        else:
            assert (fit.rival, fit.rival_score) == (None, 0.0)


SHAPES: dict[str, Tree] = {
    "one story": {"a": ("calm", "0")},
    "two stories of one concept": {"a": ("calm", "0"), "b": ("calm", "1")},
    "one story and a baseline": {"a": ("calm", "0"), "b": (None, "1")},
    "one story each": {"a": ("calm", "0"), "b": ("sad", "1")},
    "one concept and baselines": {"a": ("calm", "0"), "b": ("calm", "1"), "c": (None, "2"), "d": (None, "3")},
    "all duplicates under two concepts": {
        "a": ("calm", "0"), "b": ("sad", "0"), "c": ("calm", "1"), "d": ("sad", "1"),
    },
    "all duplicates and a baseline": {"a": ("calm", "0"), "b": ("sad", "0"), "c": (None, "1")},
    "one duplicate": {"a": ("calm", "0"), "b": ("sad", "0"), "c": ("calm", "1"), "d": ("sad", "2"), "e": ("sad", "3")},
    "a baseline that is a story too": {"a": ("calm", "0"), "b": (None, "0"), "c": ("sad", "1"), "d": ("sad", "2")},
    "one text twice in one concept": {"a": ("calm", "0"), "b": ("calm", "0"), "c": ("sad", "1")},
    "baselines alone": {"a": (None, "0")},
    "no baselines": {"a": ("calm", "0"), "b": ("calm", "1"), "c": ("sad", "2"), "d": ("sad", "3"), "e": ("angry", "4")},
}  # fmt: skip


@pytest.mark.parametrize("hidden", [1, 2, 5, 32])
@pytest.mark.parametrize("shape", SHAPES)
def test_results_are_the_oracles_for_every_shape_of_corpus(tmp_path: Path, shape: str, hidden: int) -> None:
    model = lookup_model(table(hidden))
    live = fresh_corpus(model, tmp_path)
    assert_is_the_oracles(model, live, apply(live, SHAPES[shape]), SHAPES[shape])


@NO_FUNCTION_SCOPE
@given(tree=TREES, hidden=st.sampled_from([2, 3, 16]), seed=st.integers(0, 5))
def test_results_are_the_oracles_for_any_corpus(
    tmp_path_factory: pytest.TempPathFactory, tree: Tree, hidden: int, seed: int
) -> None:
    model = lookup_model(table(hidden, seed), f"{hidden} {seed}")
    live = fresh_corpus(model, tmp_path_factory.getbasetemp() / "oracle-store")
    assert_is_the_oracles(model, live, apply(live, tree), tree)


@NO_FUNCTION_SCOPE
@given(tree=TREES)
def test_identical_activations_give_finite_numbers(tmp_path_factory: pytest.TempPathFactory, tree: Tree) -> None:
    model = lookup_model(torch.full((len(TEXTS), 4), 0.1), "constant")
    results = apply(fresh_corpus(model, tmp_path_factory.getbasetemp() / "constant-store"), tree)
    assert msgspec.json.decode(msgspec.json.encode(results), type=Results) == results  # a NaN would come back as null


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_leave_one_out_survives_a_common_offset(tmp_path: Path, shift: float) -> None:
    model = lookup_model(table(8) * 0.1 + shift)
    tree: Tree = {f"{i}": (CONCEPTS[i % 3], text) for i, text in enumerate(TEXTS)}
    results = apply(fresh_corpus(model, tmp_path), tree)
    placements = [(text, concept) for concept, text in tree.values()]
    x = rows_of(model, 1)
    for fit in results.fits:
        text = next(text for text in TEXTS if text_id(text) == fit.text_id)
        assert fit.own == pytest.approx(oracle.leave_one_out(x, placements, text, fit.concept), abs=1e-6)


# Reasons and refusals


def test_concept_with_too_few_stories_gets_no_vector_but_still_contrasts(tmp_path: Path) -> None:
    tree: Tree = {"a": ("calm", "0"), "b": ("calm", "1"), "c": ("sad", "2")}
    model = lookup_model(table())
    live = fresh_corpus(model, tmp_path, msgspec.structs.replace(SETTINGS, min_positives=2))
    results = apply(live, tree)
    assert [quality.concept for quality in results.concepts] == ["calm"]
    assert results.without_vector == {"sad": "1 of at least 2 stories"}
    expected = oracle.direction(rows_of(model, 0), ["0", "1"], ["2"])
    np.testing.assert_allclose(live._evaluation.directions[0, 0].numpy(), expected, atol=6e-4)


def test_concept_without_contrast_says_so_and_exports_nothing(tmp_path: Path) -> None:
    live = fresh_corpus(lookup_model(table()), tmp_path)
    results = apply(live, {"a": ("calm", "0"), "b": ("calm", "1")})
    assert not results.concepts
    assert "nothing to contrast" in results.without_vector["calm"]
    with pytest.raises(AmygdalaError, match="no concept has a vector"):
        live.readout()


def test_readout_holds_the_shipped_vectors_in_the_order_of_concepts(tmp_path: Path) -> None:
    live = fresh_corpus(lookup_model(table()), tmp_path)
    results = apply(live, {"a": ("sad", "0"), "b": ("angry", "1"), "c": ("calm", "2")})
    readout = live.readout()
    assert readout.concepts == [quality.concept for quality in results.concepts] == ["angry", "calm", "sad"]
    assert (readout.layers, readout.hidden_size) == ([0, 1, 2], 5)
    for i, vectors in enumerate(readout.vectors.values()):
        assert vectors.dtype == torch.float16
        np.testing.assert_array_equal(vectors.double().numpy(), live._evaluation.directions[i].numpy())


def test_progress_counts_the_texts_that_run(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    tree: Tree = {text: ("calm", text) for text in TEXTS}
    live = fresh_corpus(lookup_model(table()), tmp_path, msgspec.structs.replace(SETTINGS, batch_size=5))
    live.apply(placed(tree), texts(tree), progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 12), (5, 12), (10, 12), (12, 12)]
