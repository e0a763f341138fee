"""AUROC, what it makes of layers, and which layers are chosen for it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.statistics.separation import auroc, candidates, choose, separation
from engine.results import middle_layer
from tests import oracle

SCORES = st.lists(st.tuples(st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.5, 2.0, math.nan]), st.booleans()))


@given(SCORES)
def test_auroc_is_the_share_of_pairs_won(scored: list[tuple[float, bool]]) -> None:
    share = auroc(torch.tensor([score for score, _ in scored]), torch.tensor([mine for _, mine in scored]).bool())
    usable = [(score, mine) for score, mine in scored if not math.isnan(score)]
    expected = oracle.auroc([score for score, mine in usable if mine], [score for score, mine in usable if not mine])
    assert share == (None if expected is None else pytest.approx(expected))


def test_auroc_of_many_scores_is_exact() -> None:
    scores = torch.arange(100_000, dtype=torch.float64)
    assert auroc(scores, scores >= 50_000) == 1.0
    assert auroc(-scores, scores >= 50_000) == 0.0
    assert auroc(torch.ones(100_000), scores >= 7) == 0.5


def placed_and_rows(
    n_texts: int, n_concepts: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor, list[oracle.Placed]]:  # fmt: skip
    """Rows of two layers, members, and the same as the oracle has it; texts may carry several labels or none."""
    g = torch.Generator().manual_seed(seed)
    member = torch.rand(n_texts, n_concepts, generator=g) < 0.4
    member[0], member[1] = True, False
    placed: list[oracle.Placed] = [(str(i), None) for i in range(n_texts)]
    placed += [(str(i), str(c)) for i, c in member.nonzero().tolist()]
    return torch.randn(2, n_texts, 5, generator=g), member, placed


@given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 999))
def test_separation_is_the_oracles(n_texts: int, n_concepts: int, seed: int) -> None:
    rows, member, placed = placed_and_rows(n_texts, n_concepts, seed)
    expected = [oracle.separation({str(i): row for i, row in enumerate(x.double().numpy())}, placed) for x in rows]
    separated = separation(rows, member)
    if separated is None:
        assert expected == [None, None]
    else:
        assert separated == pytest.approx(expected)


def test_concepts_of_one_story_are_left_out() -> None:
    rows, member, _ = placed_and_rows(9, 1, 0)
    alone = torch.zeros(9, 1, dtype=torch.bool)
    alone[4] = True
    assert separation(rows, torch.cat([member, alone], 1)) == separation(rows, member)
    assert separation(rows, alone) is None


def test_layer_that_holds_the_concepts_separates_them() -> None:
    g = torch.Generator().manual_seed(0)
    member = torch.eye(4).repeat_interleave(10, 0).bool()
    noise = torch.randn(2, 40, 16, generator=g)
    signal = torch.stack([torch.zeros(40, 16), 8 * member.float() @ torch.eye(4, 16)])
    separated = separation(noise + signal, member)
    assert separated is not None
    assert 0.3 < separated[0] < 0.7
    assert separated[1] > 0.99


@given(st.integers(1, 200), st.integers(1, 30))
def test_candidates_are_an_even_grid_that_ends_with_the_last_block(n_blocks: int, at_most: int) -> None:
    grid = candidates(n_blocks, at_most)
    assert len(grid) == min(n_blocks, at_most)
    assert grid[-1] == n_blocks - 1
    steps = [b - a for a, b in zip([-1, *grid], grid, strict=False)]
    assert min(steps) >= 1
    assert max(steps) - min(steps) <= 1


def test_candidates_of_models_in_use() -> None:
    assert candidates(6) == [0, 1, 2, 3, 4, 5]
    assert candidates(64) == list(range(3, 64, 4))


@given(st.lists(st.sampled_from([0.5, 0.6, 0.75, 0.9]), min_size=1, max_size=8), st.integers(1, 6))
def test_best_smoothed_block_is_the_middle_of_its_neighbours(separations: list[float], count: int) -> None:
    grid = [3 * i + 1 for i in range(len(separations))]
    smoothed = []
    for i in range(len(separations)):
        near = [separations[j] for j in (i - 1, i, i + 1) if 0 <= j < len(separations)]
        smoothed.append(sum(near) / len(near))
    best = next(i for i, value in enumerate(smoothed) if value == max(smoothed))
    chosen = choose(separations, grid, count)
    assert middle_layer(chosen) == grid[best]
    first = grid.index(chosen[0])
    assert chosen == grid[first : first + len(chosen)]
    assert len(chosen) <= count
    if count // 2 <= best < len(grid) - count // 2:
        assert len(chosen) == count


def test_one_lucky_block_does_not_win() -> None:
    assert choose([0.5, 0.9, 0.5, 0.7, 0.8, 0.8, 0.7, 0.6], range(8)) == [3, 4, 5]


def test_at_the_ends_there_are_fewer() -> None:
    assert choose([0.9, 0.8, 0.7, 0.6], [3, 7, 11, 15]) == [3]
    assert choose([0.6, 0.7, 0.8, 0.9], [3, 7, 11, 15]) == [11, 15]
    assert choose([0.5], [0]) == [0]
