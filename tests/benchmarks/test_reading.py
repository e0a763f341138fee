"""`benchmarks.separation` and `benchmarks.methods`: how well vectors read."""

from __future__ import annotations

import re

import torch

from benchmarks import methods, separation
from tests.benchmarks.smoke import CORPUS, LLAMA, figures, printed


def test_separation_scores_every_block() -> None:
    text = printed(separation.main, CORPUS, "--model", LLAMA, "--all")
    aurocs = {int(block): float(score) for block, score in re.findall(r"block (\d+): .* (\S+)\n", text)}
    assert list(aurocs) == list(range(len(aurocs)))
    assert len(aurocs) > 2
    assert all(0.5 < score < 1 for score in aurocs.values())


def test_methods_are_scored_on_stories_that_they_were_not_made_of() -> None:
    chosen = ("pooled", "whitened", "diagonal", "relu")
    text = printed(methods.main, CORPUS, "--seeds", "2", "--per-concept", "2", "--methods", *chosen)
    for name in chosen:
        mean, spread = figures(rf"2 stories per concept  {name} +(\S+) ± (\S+)", text)
        assert 0.5 < mean <= 1
        assert 0 <= spread < 0.5


def test_shrinking_to_the_diagonal_is_its_definition() -> None:
    noise = torch.Generator().manual_seed(0)
    rows = [torch.randn(n, 4, generator=noise) * torch.tensor([1.0, 5.0, 0.2, 2.0]) for n in (6, 9)]
    differences = torch.randn(2, 4, generator=noise, dtype=torch.float64)
    centred = torch.cat([group.double() - group.double().mean(0) for group in rows])
    scatter = centred.T @ centred
    expected = torch.linalg.solve(scatter + 0.3 * scatter.diagonal().diag(), differences.T).T
    cosines = torch.cosine_similarity(methods.to_diagonal(rows, differences, 0.3), expected, dim=1)
    assert torch.allclose(cosines, torch.ones(2, dtype=torch.float64))
