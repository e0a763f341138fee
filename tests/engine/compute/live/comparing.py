"""Whether two sets of results say the same, to floating-point noise."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.results import Results

RANKINGS = {"top5_neurons", "top_contributors", "nearest_concepts", "outliers", "top_heads"}


def assert_same(one: Results, other: Results, tolerance: float = 1e-6) -> None:
    """Equal; entries of rankings may swap where their values tie."""
    _same(_plain(one), _plain(other), tolerance, "results")


def _plain(results: Results) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(results, str_keys=True)
    for concept in plain["concepts"]:
        for heads in concept["per_head"].values():
            heads["top_heads"] = [(head, selectivity) for head, _, selectivity in heads["top_heads"]]
    return plain


def _same(one: Any, other: Any, tolerance: float, where: str) -> None:
    key = where.rpartition(".")[2]
    if key in RANKINGS:
        _same_ranking(one, other, tolerance, where)
    elif isinstance(one, dict) and "rival_score" in one:
        _same_fit(one, other, tolerance, where)
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            if name not in ("best_neuron_idx", "best_neuron_cosine"):  # the first of top5_neurons
                _same(one[name], other[name], tolerance, f"{where}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            _same(a, b, tolerance, f"{where}[{i}]")
    elif isinstance(one, float):
        assert _near(one, other, tolerance), f"{where}: {one} for {other}"
    else:
        assert one == other, where


def _near(one: float, other: float, tolerance: float) -> bool:
    """As `pytest.approx`, which takes ten times as long: here numbers are compared by the hundred thousand."""
    return one == other or abs(one - other) <= tolerance * max(1.0, abs(other))


def _same_fit(one: dict[str, Any], other: dict[str, Any], tolerance: float, where: str) -> None:
    for name in ("text_id", "concept", "alignment", "own", "rival_score"):
        _same(one[name], other[name], tolerance, f"{where}.{name}")
    assert (one["rival"] is None) == (other["rival"] is None), where


def _same_ranking(one: list[Any], other: list[Any], tolerance: float, where: str) -> None:
    sizes = [sorted((abs(value) for _, value in ranking), reverse=True) for ranking in (one, other)]
    assert all(_near(one, other, tolerance) for one, other in zip(*sizes, strict=True)), f"{where}: {sizes}"
    theirs = dict(map(tuple, other))
    for name, value in one:
        if name in theirs:
            assert _near(value, theirs[name], tolerance), where
        else:  # it can only have been left out there because it ties with the last
            assert _near(abs(value), sizes[1][-1], tolerance), where
