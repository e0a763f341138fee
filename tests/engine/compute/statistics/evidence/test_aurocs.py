"""AUROC of weighted stories is the share of pairs won; its interval holds the truth about as often as it says."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.statistics.evidence.aurocs import auroc_with_interval, hanley_mcneil, weighted_auroc

STORIES = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), st.booleans(), st.sampled_from([0.0, 0.25, 1.0])), min_size=1
)


@given(STORIES)
def test_weighted_auroc_is_the_weighted_share_of_pairs_won(stories: list[tuple[float, bool, float]]) -> None:
    own = [(score, weight) for score, mine, weight in stories if mine]
    others = [(score, weight) for score, mine, weight in stories if not mine]
    pairs = sum(v * w for _, v in own for _, w in others)
    won = sum(v * w * ((a > b) + (a == b) / 2) for a, v in own for b, w in others)
    scores, positive, weights = (torch.tensor(column) for column in zip(*stories, strict=True))
    scores, weights, mine = scores.double(), weights.double(), positive.bool()
    value = float(weighted_auroc(scores[None, mine], scores[None, ~mine], weights[None, mine], weights[None, ~mine]))
    assert math.isnan(value) if pairs == 0 else value == pytest.approx(won / pairs)
    full = auroc_with_interval(scores, mine, weights)
    if full is None:
        assert pairs == 0
    else:
        assert full.value == pytest.approx(won / pairs)
        assert 0 <= full.low <= full.value <= full.high <= 1


@pytest.mark.parametrize(("n", "least"), [(5, 0.9), (12, 0.78), (40, 0.82)])
def test_intervals_hold_the_truth(n: int, least: float) -> None:
    g = torch.Generator().manual_seed(n)
    positive, ones, held = torch.arange(n + 200) < n, torch.ones(n + 200, dtype=torch.float64), 0
    for _ in range(200):
        scores = torch.randn(n + 200, generator=g, dtype=torch.float64) + 1.5 * positive
        auroc = auroc_with_interval(scores, positive, ones)
        assert auroc is not None
        held += auroc.low <= 0.5 * (1 + math.erf(0.75)) <= auroc.high
    assert held / 200 > least


def test_equal_weights_give_delongs_error() -> None:
    g = torch.Generator().manual_seed(0)
    positive = torch.arange(60) < 20
    scores = torch.randn(60, generator=g, dtype=torch.float64) + positive
    own, others = scores[:20, None], scores[20:]
    wins = (own > others).double()
    auroc = float(wins.mean())
    error = math.sqrt(float(wins.mean(1).var()) / 20 + float(wins.mean(0).var()) / 40)
    half = 1.645 * error / (auroc * (1 - auroc))
    found = auroc_with_interval(scores, positive, torch.ones(60, dtype=torch.float64))
    assert found is not None
    for end, sign in ((found.low, -1), (found.high, 1)):
        assert math.log(end / (1 - end)) == pytest.approx(math.log(auroc / (1 - auroc)) + sign * half)


def test_few_stories_get_the_wider_interval_of_the_formula() -> None:
    positive = torch.arange(104) < 4
    scores = torch.cat([torch.tensor([10.0, 10.0, 10.0, 49.5]), torch.arange(100.0)]).double()
    found = auroc_with_interval(scores, positive, torch.ones(104, dtype=torch.float64))
    assert found is not None
    a = (found.value * 4 + 0.5) / 5
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = math.sqrt((a * (1 - a) + 3 * (q1 - a * a) + 99 * (q2 - a * a)) / 400)
    assert hanley_mcneil(a, 4, 100) == pytest.approx(error)
    half = 1.3 * 1.645 * error / (a * (1 - a))
    assert found.low == pytest.approx(1 / (1 + math.exp(-(math.log(a / (1 - a)) - half))))


def test_perfect_separation_is_not_certain() -> None:
    scores = torch.arange(40.0).double()
    found = auroc_with_interval(scores, scores >= 20, torch.ones(40, dtype=torch.float64))
    assert found is not None
    assert found.value == 1
    assert 0.8 < found.low < 1


def test_stories_without_a_score_are_left_out_and_one_side_alone_has_no_auroc() -> None:
    scores = torch.tensor([1.0, torch.nan, 0.0, 2.0]).double()
    positive, ones = torch.tensor([True, True, False, False]), torch.ones(4, dtype=torch.float64)
    found = auroc_with_interval(scores, positive, ones)
    assert found is not None
    assert found.value == 0.5
    assert auroc_with_interval(scores, torch.tensor([False, True, False, False]), ones) is None
