"""A whole export equals what the script in use computed (golden data), and the oracle where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import cli
from engine.corpus import Layout, scan
from tests import oracle
from tests.engine.compute.live.exported import Export

LAYERS = [1, 2, 4]
TOLERANCE = 1e-3
NUMBERS = (
    "first_pc_variance_ratio", "story_projection_mean", "story_projection_std", "story_projection_min",
    "story_projection_max", "story_alignment_mean", "story_alignment_std",
)  # fmt: skip


METHODS = {
    "pooled": [],
    "subspace": ["--subspace-k", "16", "--subspace-eigen-k", "1", "--subspace-direction", "top-k"],
}


@pytest.fixture(scope="module")
def exports(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Export]:
    """One export per golden model and method, with the settings of the golden data."""
    folders = {}
    for model in ("llama", "qwen3", "qwen3_5_hybrid", "gpt2"):
        for method, flags in METHODS.items():
            out = tmp_path_factory.mktemp(f"{model}-{method}")
            arguments = ["--model", str(golden / "models" / model), "--target-layers", "1,2,4", "--device", "cpu"]
            arguments += ["--method", method, *flags, "--output-dir", str(out), "--quality-report"]
            assert cli.run(["export", str(golden / "corpus"), *arguments]) == 0
            folders[f"{model}-{method}"] = Export(out)
    return folders


@pytest.fixture(params=["llama", "qwen3", "qwen3_5_hybrid"])
def pair(request: pytest.FixtureRequest, exports: dict[str, Export], golden: Path) -> tuple[Export, Export]:
    """(ours, expected) for one model."""
    return exports[f"{request.param}-pooled"], Export(golden / "expected" / f"{request.param}-pooled")


def close(value: float, expected: float) -> bool:
    return value == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)


def same_ranking(ours: list[list[Any]], expected: list[list[Any]], *, by_size: bool) -> bool:
    """Whether two rankings agree, up to entries whose values are so close that they may swap or tie with the next."""
    size = abs if by_size else float
    theirs = dict(expected)
    values_agree = all(
        close(size(a[1]), size(b[1])) for a, b in zip(ours, expected, strict=True)
    )  # sorted alike, so place by place
    entries_agree = all(close(value, theirs.get(key, np.copysign(expected[-1][1], value))) for key, value in ours)
    return values_agree and entries_agree


def test_manifest_is_the_expected_one(pair: tuple[Export, Export]) -> None:
    ours, expected = pair
    assert ours.manifest == expected.manifest


@pytest.mark.parametrize("layer", LAYERS)
def test_directions_point_where_expected(pair: tuple[Export, Export], layer: int) -> None:
    ours, expected = (export.vectors[f"layer_{layer}.vectors"] for export in pair)
    assert ours.dtype == np.float16
    assert ours.shape == expected.shape
    for mine, theirs in zip(ours.astype(np.float64), expected.astype(np.float64), strict=True):
        assert oracle.cosine(mine, theirs) >= 0.9999


def per_layer(pair: tuple[Export, Export]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(concept and layer, ours, expected)."""
    ours, expected = pair
    assert ours.quality.keys() == expected.quality.keys()
    return [
        (f"{concept} at {layer}", ours.quality[concept]["per_layer"][layer], theirs["per_layer"][layer])
        for concept, theirs in expected.quality.items()
        for layer in theirs["per_layer"]
    ]


@pytest.mark.parametrize("number", NUMBERS)
def test_quality_numbers_are_the_expected_ones(pair: tuple[Export, Export], number: str) -> None:
    wrong = [where for where, ours, expected in per_layer(pair) if not close(ours[number], expected[number])]
    assert not wrong


def test_variance_ratios_are_the_expected_ones(pair: tuple[Export, Export]) -> None:
    for where, ours, expected in per_layer(pair):
        assert ours["top3_variance_ratios"] == pytest.approx(expected["top3_variance_ratios"], abs=TOLERANCE), where


def test_neurons_are_the_expected_ones(pair: tuple[Export, Export]) -> None:
    for where, ours, expected in per_layer(pair):
        assert same_ranking(ours["top5_neurons"], expected["top5_neurons"], by_size=True), where
        assert [ours["best_neuron_idx"], ours["best_neuron_cosine"]] == ours["top5_neurons"][0]


def test_nearest_concepts_are_the_expected_ones(pair: tuple[Export, Export]) -> None:
    ours, expected = pair
    for concept, theirs in expected.quality.items():
        mine = ours.quality[concept]["nearest_concepts"]
        assert same_ranking(mine, theirs["nearest_concepts"], by_size=False), concept


def test_outlier_stories_are_the_expected_ones(pair: tuple[Export, Export]) -> None:
    ours, expected = pair
    for concept, theirs in expected.quality.items():
        mine = ours.quality[concept]["outlier_stories"]
        assert same_ranking(mine, theirs["outlier_stories"], by_size=False), concept
        assert ours.quality[concept]["n_positive_stories"] == theirs["n_positive_stories"]


def test_linear_combinations_are_the_expected_ones(pair: tuple[Export, Export]) -> None:
    ours, expected = pair
    for concept, theirs in expected.quality.items():
        for layer, combination in theirs["linear_combination"].items():
            mine = ours.quality[concept]["linear_combination"][layer]
            assert close(mine["r_squared"], combination["r_squared"]), (concept, layer)
            assert close(mine["residual_norm"], combination["residual_norm"]), (concept, layer)
            assert same_ranking(mine["top_contributors"], combination["top_contributors"], by_size=True)


def same_heads(ours: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether two tables of heads agree, up to heads so equally selective that they may swap."""
    shape = ("n_heads", "head_dim")
    ranking = [[[head, selectivity] for head, _, selectivity in document["top_heads"]] for document in (ours, expected)]
    norms = [{head: norm for head, norm, _ in document["top_heads"]} for document in (ours, expected)]
    return (
        [ours[name] for name in shape] == [expected[name] for name in shape]
        and close(ours["head_concentration"], expected["head_concentration"])
        and same_ranking(*ranking, by_size=False)
        and all(close(norm, norms[1].get(head, norm)) for head, norm in norms[0].items())
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", ["llama", "qwen3", "qwen3_5_hybrid"])
def test_heads_are_the_expected_ones(exports: dict[str, Export], golden: Path, model: str, method: str) -> None:
    expected = Export(golden / "expected" / f"{model}-{method}").quality
    ours = exports[f"{model}-{method}"].quality
    for concept, theirs in expected.items():
        assert theirs["per_head"], "the golden data have heads at blocks that attend"
        for layer, heads in theirs["per_head"].items():
            assert same_heads(ours[concept]["per_head"][layer], heads), (concept, layer)
        assert set(ours[concept]["per_head"]) == {"1", "2", "4"}, "linear attention has heads too"


# Subspace: in the script that made these data an eigenvector keeps its arbitrary sign, and so does all that follows


@pytest.fixture(params=["llama", "qwen3", "qwen3_5_hybrid"])
def subspace_pair(request: pytest.FixtureRequest, exports: dict[str, Export], golden: Path) -> tuple[Export, Export]:
    """(ours, expected) for one model."""
    name = f"{request.param}-subspace"
    return exports[name], Export(golden / "expected" / name)


@pytest.mark.parametrize("layer", LAYERS)
def test_subspace_directions_point_where_expected_or_away(subspace_pair: tuple[Export, Export], layer: int) -> None:
    ours, expected = (export.vectors[f"layer_{layer}.vectors"].astype(np.float64) for export in subspace_pair)
    for mine, theirs in zip(ours, expected, strict=True):
        assert abs(oracle.cosine(mine, theirs)) >= 0.9999


def test_subspace_spectra_are_the_expected_ones(subspace_pair: tuple[Export, Export]) -> None:
    ours, expected = subspace_pair
    for concept, theirs in expected.quality.items():
        for layer, values in theirs["subspace_eigvals"].items():
            mine = ours.quality[concept]["subspace_eigvals"][layer]
            assert mine == pytest.approx(values, abs=1e-4), (concept, layer)


def test_subspace_quality_is_the_expected_one_up_to_sign(subspace_pair: tuple[Export, Export]) -> None:
    for where, ours, expected in per_layer(subspace_pair):
        assert close(ours["first_pc_variance_ratio"], expected["first_pc_variance_ratio"]), where
        assert close(abs(ours["story_projection_mean"]), abs(expected["story_projection_mean"])), where
        assert close(ours["story_projection_std"], expected["story_projection_std"]), where
        assert close(ours["story_alignment_std"], expected["story_alignment_std"]), where
        sizes = [
            [[neuron, abs(cosine)] for neuron, cosine in document["top5_neurons"]] for document in (ours, expected)
        ]
        assert same_ranking(*sizes, by_size=True), where


def test_subspace_linear_combinations_are_the_expected_ones_up_to_sign(subspace_pair: tuple[Export, Export]) -> None:
    ours, expected = subspace_pair
    for concept, theirs in expected.quality.items():
        for layer, combination in theirs["linear_combination"].items():
            mine = ours.quality[concept]["linear_combination"][layer]
            assert close(mine["r_squared"], combination["r_squared"]), (concept, layer)
            sizes = [
                [[name, abs(value)] for name, value in document["top_contributors"]] for document in (mine, combination)
            ]
            assert same_ranking(*sizes, by_size=True), (concept, layer)


def test_ranking_comparison_notices_a_wrong_entry() -> None:
    expected = [["a", 0.9], ["b", 0.5]]
    assert same_ranking([["a", 0.9], ["b", 0.5]], expected, by_size=False)
    assert same_ranking([["a", 0.9], ["c", 0.5004]], expected, by_size=False)
    assert not same_ranking([["b", 0.9], ["a", 0.5]], expected, by_size=False)
    assert not same_ranking([["a", 0.9], ["b", 0.49]], expected, by_size=False)


# GPT-2: nothing golden, so the oracle


@pytest.fixture(scope="module")
def gpt2_oracle(golden: Path) -> tuple[list[str], list[oracle.Placed], dict[str, np.ndarray]]:
    """Concepts, placed texts and activations, computed naively."""
    stories = scan(Layout.of(golden / "corpus")).stories
    texts = {story.text_id: story.text for story in stories}
    rows = oracle.activations(golden / "models" / "gpt2", list(texts.values()), LAYERS)
    placed = [(story.text_id, story.concept) for story in stories]
    return oracle.concepts(placed), placed, dict(zip(texts, rows, strict=True))


def test_gpt2_directions_are_the_oracles(exports: dict[str, Export], gpt2_oracle: Any) -> None:
    names, placed, x = gpt2_oracle
    ours = exports["gpt2-pooled"]
    assert ours.manifest == {"concepts": names, "layers": LAYERS, "hidden_size": 64, "dtype": "float16"}
    for i, layer in enumerate(LAYERS):
        expected = oracle.directions({text: rows[i] for text, rows in x.items()}, placed, names)
        vectors = ours.vectors[f"layer_{layer}.vectors"].astype(np.float64)
        assert np.isfinite(vectors).all()
        np.testing.assert_allclose(vectors, expected, atol=1e-3)


def test_gpt2_neurons_are_the_oracles_though_the_weight_is_transposed(
    exports: dict[str, Export], gpt2_oracle: Any, golden: Path
) -> None:
    names = gpt2_oracle[0]
    ours = exports["gpt2-pooled"]
    weights = oracle.down_projections(golden / "models" / "gpt2", LAYERS)
    for layer, weight in zip(LAYERS, weights, strict=True):
        for name, d in zip(names, ours.vectors[f"layer_{layer}.vectors"].astype(np.float64), strict=True):
            cosines = oracle.neuron_cosines(d, weight)
            best = sorted(range(len(cosines)), key=lambda i: -abs(cosines[i]))[:5]
            mine = ours.quality[name]["per_layer"][str(layer)]["top5_neurons"]
            assert same_ranking(mine, [[i, cosines[i]] for i in best], by_size=True)
