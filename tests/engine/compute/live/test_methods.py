"""Every method's vectors, through the whole core and a real model, are the naive oracle's for every shape of corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.checkpoint import load
from engine.corpus import text_id
from engine.results import Results
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests import families, oracle, oracle_families, oracle_subspace

LAYERS = (3, 1)
TEXTS = {
    "one token": ".",
    "short": "Rain fell.",
    "long": "She waited at the door until the light went out, and then a little longer, in case it came back. " * 2,
    "again": "again and again and again",
    "calm": "The lake lay still, and nobody called.",
    "angry": "He slammed the lid and swore at the rain.",
    "sad": "No one came. She put the cup away.",
    "neutral": "It was Tuesday.",
}
Tree = list[tuple[str, str | None]]
"""(text, concept or None for a baseline)."""
SHAPES: dict[str, Tree] = {
    "one story and a baseline": [("short", "calm"), ("neutral", None)],
    "two stories": [("short", "calm"), ("sad", "sad")],
    "one concept and baselines": [("calm", "calm"), ("short", "calm"), ("neutral", None), ("sad", None)],
    "all duplicates": [("calm", "calm"), ("calm", "sad"), ("sad", "calm"), ("sad", "sad"), ("neutral", None)],
    "a text under two concepts": [
        ("calm", "calm"), ("calm", "sad"), ("sad", "sad"), ("short", "calm"), ("angry", "angry"),
    ],
    "no baselines": [("calm", "calm"), ("short", "calm"), ("sad", "sad"), ("again", "sad"), ("angry", "angry")],
    "one token": [("one token", "calm"), ("short", "calm"), ("sad", "sad"), ("neutral", None)],
    "as many tokens as dimensions": [("long", "calm"), ("short", "calm"), ("sad", "sad"), ("neutral", None)],
    "only such stories in a concept": [("long", "calm"), ("short", "sad"), ("sad", "sad"), ("neutral", None)],
}  # fmt: skip
METHODS: dict[str, dict[str, Any]] = {
    "pooled": {},
    "whitened": {"method": "whitened", "shrinkage": 0.5},
    "filter": {"method": "subspace"},
    "filter, k": {"method": "subspace", "subspace_k": 2},
    "top-k": {"method": "subspace", "subspace_direction": "top-k", "subspace_k": 3, "subspace_eigen_k": 2},
}
Read = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3."""
    return families.make("qwen3", tmp_path_factory.mktemp("methods"))


@pytest.fixture(scope="module")
def read(folder: Path) -> Read:
    """What the oracle reads of every text, by its name."""
    return dict(zip(TEXTS, oracle_families.activations(folder, "qwen3", list(TEXTS.values())), strict=True))


@pytest.fixture(scope="module")
def computed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Tree], tuple[LiveCorpus, Results]]:
    """Run the core on a corpus by a method."""
    model = load(Settings(model=str(folder), device="cpu"))
    store = tmp_path_factory.mktemp("methods-store")

    def compute(method: str, tree: Tree) -> tuple[LiveCorpus, Results]:
        layers = ",".join(map(str, LAYERS))
        live = LiveCorpus(model, Settings(model="qwen3", target_layers=layers, **METHODS[method]), Store(store))
        placements = [Placement(text_id(TEXTS[text]), concept) for text, concept in tree]
        return live, live.apply(placements, {text_id(TEXTS[text]): TEXTS[text] for text, _ in tree})

    return compute


def expected(method: str, read: Read, tree: Tree, layer: int) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """By concept: direction and, for subspaces, `M_c`, all naively."""
    tokens = {text: read[text].tokens[layer].double().numpy() for text, _ in tree}
    x = {text: rows[-1] for text, rows in tokens.items()}
    names = oracle.concepts(tree)
    own = {name: oracle.positives(tree, name) for name in names}
    chosen = METHODS[method]
    k = chosen.get("subspace_k")
    by_concept: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for name in names:
        others = oracle.negatives(tree, name)
        difference = oracle.mean(x, own[name]) - oracle.mean(x, others)
        matrix = None
        if chosen.get("method") == "whitened":
            difference = oracle.whitened([np.array([x[text] for text in own[n]]) for n in names], difference, 0.5)
        elif chosen.get("method") == "subspace":
            hidden = len(difference)
            spanned, spanned_by_others = (
                [tokens[text] for text in group if not spans_all(tokens[text], k)] for group in (own[name], others)
            )
            matrix = oracle_subspace.difference_of_projectors(spanned, spanned_by_others, hidden, k)
            top = chosen.get("subspace_direction") == "top-k"
            difference = (
                oracle_subspace.top_k(matrix, difference, 2) if top else oracle_subspace.filtered(matrix, difference)
            )
        by_concept[name] = oracle.unit(difference), matrix
    return by_concept


def spans_all(tokens: np.ndarray, k: int | None) -> bool:
    return bool(oracle_subspace.basis(tokens, k).shape[1] == tokens.shape[1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_are_the_oracles(computed: Any, read: Read, method: str, shape: str) -> None:
    tree = SHAPES[shape]
    live, results = computed(method, tree)
    vectors = live.readout().vectors
    names = [quality.concept for quality in results.concepts]
    for layer in LAYERS:
        for name, (direction, matrix) in expected(method, read, tree, layer).items():
            if name in results.without_vector:
                assert shape == "only such stories in a concept"
                assert method in ("filter",)
                continue
            c = names.index(name)
            ours = vectors[layer][c].double().numpy()
            assert oracle.cosine(ours, direction) > 0.9999, (name, layer)
            if matrix is not None:
                values = results.concepts[c].subspace_eigvals[layer]
                np.testing.assert_allclose(values, oracle_subspace.eigenvalues(matrix), atol=1e-4)


def test_concept_of_which_every_story_spans_everything_has_no_vector(computed: Any) -> None:
    tree = SHAPES["only such stories in a concept"]
    assert "set subspace_k" in computed("filter", tree)[1].without_vector["calm"]
    assert computed("filter, k", tree)[1].without_vector == {}


def test_story_that_spans_everything_is_told(computed: Any) -> None:
    tree = SHAPES["as many tokens as dimensions"]
    assert computed("filter", tree)[1].without_subspace == [text_id(TEXTS["long"])]
    assert computed("filter, k", tree)[1].without_subspace == []
    assert computed("pooled", tree)[1].without_subspace == []


@pytest.mark.parametrize("method", METHODS)
def test_heads_are_the_oracles_whatever_the_method(computed: Any, read: Read, method: str) -> None:
    tree = SHAPES["no baselines"]
    _, results = computed(method, tree)
    for quality in results.concepts:
        own, others = oracle.positives(tree, quality.concept), oracle.negatives(tree, quality.concept)
        for layer in LAYERS:
            rows = {text: read[text].heads[layer][-1].double().numpy() for text, _ in tree}
            heads = quality.per_head[layer]
            top, share = oracle.heads(
                np.array([rows[text] for text in own]), np.array([rows[text] for text in others]), heads.head_dim
            )
            assert heads.head_concentration == pytest.approx(share, abs=1e-5)
            assert [head for head, _, _ in heads.top_heads] == [head for head, _, _ in top]
            np.testing.assert_allclose(heads.top_heads, top, rtol=1e-3)
