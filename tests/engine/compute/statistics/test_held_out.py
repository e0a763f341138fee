"""Held-out AUROC: its folds, its scores, its value and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.compute.statistics.evidence.aurocs import on_logits
from engine.compute.statistics.held_out import FOLDS, Dealt, Pointing, held_out_scores, mean_auroc, read_by
from engine.compute.statistics.whitening import whitened
from tests import oracle_held_out as oracle

SHRINKAGES = {"pooled": None, "whitened": 0.7}


def pointing_by(shrinkage: float | None) -> Pointing:
    def pointing(own: Sequence[Tensor], differences: Tensor) -> Tensor:
        if shrinkage is None:
            return differences
        return whitened([rows[0] for rows in own], differences[0], shrinkage)[None]

    return pointing


def drawn(n_texts: int, n_concepts: int, n_groups: int, seed: int) -> tuple[Tensor, Dealt]:
    """Rows, and texts that may stand under several concepts or none; equal rows give ties."""
    g = torch.Generator().manual_seed(seed)
    member = torch.rand(n_texts, n_concepts, generator=g) < 0.4
    drawn_groups = torch.randint(0, n_groups, (n_texts,), generator=g).tolist()
    groups = torch.tensor([sorted(set(drawn_groups)).index(group) for group in drawn_groups])
    return torch.randint(-2, 3, (n_texts, 3), generator=g).float(), Dealt.of(member, groups)


CORPORA = st.builds(drawn, st.integers(2, 14), st.integers(1, 4), st.integers(1, 8), st.integers(0, 999))


@pytest.mark.parametrize("method", SHRINKAGES)
@given(CORPORA)
def test_scores_are_of_vectors_made_of_the_other_folds(method: str, corpus: tuple[Tensor, Dealt]) -> None:
    rows, dealt = corpus
    ours = held_out_scores(rows, dealt, pointing_by(SHRINKAGES[method]))
    expected = oracle.scores(rows.double().numpy(), dealt.member.numpy(), dealt.folds.numpy(), SHRINKAGES[method])
    torch.testing.assert_close(ours, torch.from_numpy(expected), equal_nan=True, atol=1e-9, rtol=1e-9)


@given(CORPORA, st.integers(0, 999))
def test_mean_auroc_and_its_interval_are_the_oracles(corpus: tuple[Tensor, Dealt], seed: int) -> None:
    _, dealt = corpus
    g = torch.Generator().manual_seed(seed)
    table = torch.randint(0, 4, dealt.member.shape, generator=g).double()
    table[torch.rand(table.shape, generator=g) < 0.1] = torch.nan
    ours = mean_auroc(table, dealt)
    arrays = table.numpy(), dealt.member.numpy(), dealt.folds.numpy()
    expected = oracle.mean_auroc(*arrays, np.ones(len(dealt.folds)))
    if ours is None:
        assert math.isnan(expected)
        return
    assert ours.value == pytest.approx(expected)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1
    error = oracle.jackknife_error(*arrays, dealt.groups.numpy()) if dealt.n_groups > 1 else 0.0
    if error > 1e-6 and 0.01 < ours.value < 0.99:
        interval = on_logits(expected, error, expected)
        assert ours.low == pytest.approx(interval.low, abs=1e-4)
        assert ours.high == pytest.approx(interval.high, abs=1e-4)


@given(CORPORA)
def test_no_group_is_in_two_folds(corpus: tuple[Tensor, Dealt]) -> None:
    _, dealt = corpus
    for group in range(dealt.n_groups):
        assert len(set(dealt.folds[dealt.groups == group].tolist())) == 1
    assert dealt.n_folds == min(FOLDS, dealt.n_groups, max(2, len(dealt.groups) // 2))


def test_concept_of_two_groups_is_in_two_folds() -> None:
    member = torch.eye(7, dtype=torch.bool).repeat(2, 1)
    dealt = Dealt.of(member, torch.arange(14))
    assert (dealt.folds[:7] != dealt.folds[7:]).all()


def test_whole_scenarios_are_dealt_evenly() -> None:
    member = torch.eye(4, dtype=torch.bool).repeat(10, 1)
    dealt = Dealt.of(member, torch.arange(10).repeat_interleave(4))
    assert dealt.folds.bincount().tolist() == [8] * FOLDS


def test_what_a_scenario_shares_is_not_taken_for_the_concept() -> None:
    """A text that is its neighbours' double reads perfectly where they are learnt from, and by chance where not."""
    g = torch.Generator().manual_seed(0)
    facts = torch.randn(40, 64, generator=g)
    member = torch.eye(2, dtype=torch.bool)[torch.arange(40) % 2]
    rows, member = facts.repeat_interleave(3, 0), member.repeat_interleave(3, 0)
    together = Dealt.of(member, torch.arange(40).repeat_interleave(3))
    apart = Dealt.of(member, torch.arange(120))
    honest, fooled = (mean_auroc(held_out_scores(rows, dealt, pointing_by(None)), dealt) for dealt in (together, apart))
    assert honest is not None
    assert fooled is not None
    assert fooled.low > 0.7
    assert honest.low < 0.5 < honest.high


def test_perfect_reading_of_few_is_not_certain() -> None:
    member = torch.eye(2, dtype=torch.bool).repeat(4, 1)
    dealt = Dealt.of(member, torch.arange(4).repeat_interleave(2))
    auroc = mean_auroc(held_out_scores(member.float(), dealt, pointing_by(None)), dealt)
    assert auroc is not None
    assert auroc.value == 1
    assert auroc.low < 0.8


def test_one_group_cannot_be_measured() -> None:
    dealt = Dealt.of(torch.eye(3, dtype=torch.bool), torch.zeros(3, dtype=torch.int64))
    assert mean_auroc(held_out_scores(torch.eye(3), dealt, pointing_by(None)), dealt) is None


@given(CORPORA, st.integers(0, 999))
def test_what_vectors_read_of_other_texts_is_the_oracles(corpus: tuple[Tensor, Dealt], seed: int) -> None:
    rows, dealt = corpus
    g = torch.Generator().manual_seed(seed)
    made = torch.randn(dealt.member.shape[1], rows.shape[1], generator=g)
    vectors, centre = made / made.norm(dim=1, keepdim=True), torch.randn(rows.shape[1], generator=g)
    aurocs, read_as = read_by(vectors, rows, centre, dealt.member)
    arrays = rows.double().numpy(), vectors.double().numpy(), centre.double().numpy(), dealt.member.numpy()
    assert (read_as.numpy() == oracle.confusions(*arrays)).all()
    scores = arrays[0] @ arrays[1].T  # from the origin: the centre changes no AUROC
    for c, auroc in enumerate(aurocs):
        expected = oracle.pairs_won(scores[:, c], arrays[3][:, c])
        assert (auroc is None) == math.isnan(expected)
        if auroc is not None:
            assert auroc.value == pytest.approx(expected, abs=1e-9)
            assert auroc.low <= auroc.value <= auroc.high


def test_of_equal_vectors_a_text_reads_as_the_first() -> None:
    vectors = torch.tensor([[0.0, 1.0]] * 40)
    _, read_as = read_by(vectors, torch.tensor([[0.0, 2.0]]), torch.zeros(2), torch.eye(40, dtype=torch.bool)[7:8])
    assert read_as.nonzero().tolist() == [[7, 0]]


def test_without_a_text_nothing_is_told() -> None:
    aurocs, read_as = read_by(torch.eye(2), torch.empty(0, 2), torch.zeros(2), torch.empty(0, 2, dtype=torch.bool))
    assert aurocs == [None, None]
    assert read_as.tolist() == [[0, 0], [0, 0]]
