"""The subspace method, dense and iterated, against the naive oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.compute.statistics import subspace
from engine.compute.statistics.subspace import Projectors, Solved, Subspaces, basis, filtered, top_k
from tests import oracle_subspace as oracle
from tests.engine.compute.statistics.spaces import CPU, tokens, unit

Solver = Callable[[Subspaces, Tensor, subspace._Filter], Solved]


# Directions


@dataclass(frozen=True)
class Corpus:
    """Stories by concept, and baselines, as tokens `[T, H]`."""

    concepts: list[list[Tensor]]
    baselines: list[Tensor]
    hidden: int
    k: int | None = None

    @classmethod
    def of(cls, counts: Sequence[int], baselines: int, hidden: int, longest: int, k: int | None = None) -> Corpus:
        lengths = [longest - (5 * i) % (longest // 2) for i in range(sum(counts) + baselines)]
        texts = [tokens(length, hidden, 100 + i) for i, length in enumerate(lengths)]
        ends = np.cumsum(counts).tolist()
        groups = [texts[end - count : end] for end, count in zip(ends, counts, strict=True)]
        return cls(groups, texts[sum(counts) :], hidden, k)

    @property
    def texts(self) -> list[Tensor]:
        return [text for group in self.concepts for text in group] + self.baselines

    def _sum(self, texts: Sequence[Tensor]) -> Projectors:
        bases = [basis(text, self.k) for text in texts]
        return Projectors.of([rows for rows in bases if rows is not None], self.hidden, CPU)

    def spaces(self) -> Subspaces:
        """Each concept's texts in two cells, the first text alone in its."""
        return Subspaces(
            own=[[self._sum(group[:1]), self._sum(group[1:])] for group in self.concepts],
            total=sum(
                (self._sum([text]).dense().double() for text in self.texts),
                torch.zeros(self.hidden, self.hidden, dtype=torch.float64),
            ),
            counts=torch.tensor([len(group) for group in self.concepts], dtype=torch.float64),
            n_texts=len(self.texts),
        )

    def matrix(self, concept: int) -> np.ndarray:
        """`M_c`."""
        groups = [group for c, group in enumerate(self.concepts) if c != concept]
        others = [text for group in groups for text in group] + self.baselines
        own = self.concepts[concept]
        return oracle.difference_of_projectors(
            [x.numpy() for x in own], [x.numpy() for x in others], self.hidden, self.k
        )

    def differences(self) -> Tensor:
        """Any will do."""
        generator = torch.Generator().manual_seed(7)
        return torch.randn(len(self.concepts), self.hidden, dtype=torch.float64, generator=generator)


def iterated(spaces: Subspaces, differences: Tensor, method: subspace._Filter) -> Solved:
    """By Lanczos alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subspace, "_densely", None)
        return subspace._iteratively(spaces, differences, method)


SOLVERS = pytest.mark.parametrize("solver", [subspace._densely, iterated], ids=["dense", "iterated"])
CORPORA = pytest.mark.parametrize(
    "corpus",
    [
        Corpus.of([3, 3, 2], 2, 640, 90),
        Corpus.of([2, 5, 2, 3], 1, 640, 100),
        Corpus.of([3, 3, 2], 0, 320, 60, k=2),
        Corpus.of([4, 3], 2, 640, 30, k=20),
        Corpus.of([5], 3, 640, 150),
    ],
    ids=["flat", "uneven", "low rank", "top 20", "one concept"],
)


@SOLVERS
@CORPORA
def test_filtered_is_the_resolvent_at_the_difference(solver: Solver, corpus: Corpus) -> None:
    differences = corpus.differences()
    solved = solver(corpus.spaces(), differences, subspace._Resolvent())
    for c in range(len(corpus.concepts)):
        matrix = corpus.matrix(c)
        expected = oracle.filtered(matrix, differences[c].numpy())
        np.testing.assert_allclose(solved.directions[c], expected, atol=5e-6 * float(np.linalg.norm(expected)))
        np.testing.assert_allclose(solved.eigenvalues[c], oracle.eigenvalues(matrix), atol=1e-6)


@SOLVERS
@CORPORA
@pytest.mark.parametrize("k", [1, 5])
def test_top_k_sums_signed_eigenvectors(solver: Solver, corpus: Corpus, k: int) -> None:
    differences = corpus.differences()
    solved = solver(corpus.spaces(), differences, subspace._TopEigenvectors(k))
    for c in range(len(corpus.concepts)):
        matrix = corpus.matrix(c)
        expected = oracle.top_k(matrix, differences[c].numpy(), k)
        np.testing.assert_allclose(solved.directions[c], expected, atol=2e-4)
        np.testing.assert_allclose(solved.eigenvalues[c], oracle.eigenvalues(matrix), atol=1e-6)


@pytest.mark.parametrize("stacked_up_to", [0, 1024])
def test_both_ways_to_multiply_are_the_oracles_matrix(monkeypatch: pytest.MonkeyPatch, stacked_up_to: int) -> None:
    monkeypatch.setattr(subspace, "STACKED_UP_TO", stacked_up_to)
    corpus = Corpus.of([3, 1, 2], 2, 60, 25)
    v = torch.randn(3, 4, 60)
    expected = [v[c].double().numpy() @ corpus.matrix(c) for c in range(3)]
    np.testing.assert_allclose(subspace._operator(corpus.spaces())(v), expected, atol=5e-6)


@pytest.mark.parametrize("stacked_up_to", [0, 1024])
@pytest.mark.parametrize("method", [filtered, partial(top_k, eigen_k=5)], ids=["filter", "top-k"])
def test_beyond_the_threshold_the_answer_is_the_dense_one(
    monkeypatch: pytest.MonkeyPatch, stacked_up_to: int, method: Callable[[Subspaces, Tensor], Solved]
) -> None:
    hidden = subspace.DENSE_UP_TO + 70
    corpus = Corpus.of([3, 2, 3], 1, hidden, 60)
    spaces, differences = corpus.spaces(), corpus.differences()
    monkeypatch.setattr(subspace, "STACKED_UP_TO", stacked_up_to)
    monkeypatch.setattr(subspace, "CHUNK", 2)  # and one
    with monkeypatch.context() as patch:
        patch.setattr(subspace, "_densely", None)
        solved = method(spaces, differences)
    monkeypatch.setattr(subspace, "DENSE_UP_TO", hidden)
    exact = method(spaces, differences)
    np.testing.assert_allclose(unit(solved.directions), unit(exact.directions), atol=1e-4)
    np.testing.assert_allclose(solved.eigenvalues, exact.eigenvalues, atol=1e-6)


def test_up_to_the_threshold_nothing_is_iterated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subspace, "_iteratively", None)
    corpus = Corpus.of([2, 2], 0, 24, 10)
    assert filtered(corpus.spaces(), corpus.differences()).eigenvalues.shape == (2, 20)


def test_a_great_many_eigenvectors_are_had_densely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subspace, "DENSE_UP_TO", 0)
    corpus = Corpus.of([3, 2], 0, 60, 25)
    differences = corpus.differences()
    solved = top_k(corpus.spaces(), differences, 100)
    expected = oracle.top_k(corpus.matrix(0), differences[0].numpy(), 100)
    np.testing.assert_allclose(solved.directions[0], expected, atol=1e-4)


@SOLVERS
def test_without_concepts_there_is_nothing(solver: Solver) -> None:
    solved = solver(Corpus([], [tokens(9, 120, 0)], 120).spaces(), torch.zeros(0, 120).double(), subspace._Resolvent())
    assert solved.directions.shape == (0, 120)
    assert solved.eigenvalues.shape == (0, 20)


@SOLVERS
@pytest.mark.parametrize(
    ("counts", "baselines", "hidden", "longest"),
    [([6], 0, 200, 60), ([0, 4], 2, 640, 60)],
    ids=["without others", "without texts of its own"],
)
def test_a_concept_without_others_or_without_texts_is_the_oracles(
    solver: Solver, counts: list[int], baselines: int, hidden: int, longest: int
) -> None:
    corpus = Corpus.of(counts, baselines, hidden, longest)
    differences = corpus.differences()
    solved = solver(corpus.spaces(), differences, subspace._Resolvent())
    expected = oracle.filtered(corpus.matrix(0), differences[0].numpy())
    np.testing.assert_allclose(unit(solved.directions[0]), unit(expected), atol=1e-5)
    np.testing.assert_allclose(solved.eigenvalues[0], oracle.eigenvalues(corpus.matrix(0)), atol=1e-6)


@SOLVERS
def test_without_any_texts_the_difference_is_left_as_it_is(solver: Solver) -> None:
    corpus = Corpus.of([0, 0], 0, 200, 60)
    solved = solver(corpus.spaces(), corpus.differences(), subspace._Resolvent())
    np.testing.assert_allclose(solved.directions, corpus.differences() / 0.25, rtol=1e-5, atol=1e-6)
    assert not solved.eigenvalues.any()


@SOLVERS
@pytest.mark.parametrize("method", [subspace._Resolvent(), subspace._TopEigenvectors(5)], ids=["filter", "top-k"])
def test_a_zero_difference_gives_a_zero_direction_and_the_eigenvalues(solver: Solver, method: subspace._Filter) -> None:
    corpus = Corpus.of([3, 3], 1, 640, 90)
    differences = corpus.differences()
    differences[0] = 0
    solved = solver(corpus.spaces(), differences, method)
    assert not solved.directions[0].any()
    assert solved.directions[1].any()
    np.testing.assert_allclose(solved.eigenvalues[0], oracle.eigenvalues(corpus.matrix(0)), atol=1e-6)


@SOLVERS
def test_where_all_stories_are_alike_the_difference_is_left_as_it_is(solver: Solver) -> None:
    text = tokens(20, 200, 0)
    corpus = Corpus([[text, text], [text, text, text]], [text], 200)
    differences = corpus.differences()
    solved = solver(corpus.spaces(), differences, subspace._Resolvent())
    np.testing.assert_allclose(unit(solved.directions), unit(differences), atol=1e-6)
    np.testing.assert_allclose(solved.eigenvalues, 0, atol=1e-6)
    nothing = solver(corpus.spaces(), differences, subspace._TopEigenvectors(5))
    np.testing.assert_allclose(nothing.directions, 0, atol=1e-6)


def test_a_multiple_eigenvalue_is_counted_as_often_as_it_is() -> None:
    corpus = Corpus(
        [[tokens(60, 100, 0)], [tokens(20, 100, 1)]], [], 100
    )  # the one reaches 40 dimensions beyond the other
    differences = corpus.differences()
    solved = subspace._iteratively(corpus.spaces(), differences, subspace._Resolvent())
    np.testing.assert_allclose(solved.eigenvalues[0], np.ones(20), atol=1e-6)
    for c in range(2):
        expected = oracle.filtered(corpus.matrix(c), differences[c].numpy())
        np.testing.assert_allclose(unit(solved.directions[c]), unit(expected), atol=1e-5)
        np.testing.assert_allclose(solved.eigenvalues[c], oracle.eigenvalues(corpus.matrix(c)), atol=1e-6)


def test_fewer_zeros_than_wanted_eigenvalues_leave_room_for_negative_ones() -> None:
    total = torch.diag(torch.tensor([1.0] * 190 + [0.0] * 10, dtype=torch.float64))
    spaces = Subspaces(own=[[]], total=total, counts=torch.zeros(1, dtype=torch.float64), n_texts=1)
    solved = subspace._iteratively(spaces, torch.ones(1, 200, dtype=torch.float64), subspace._Resolvent())
    np.testing.assert_allclose(solved.eigenvalues[0], [0.0] * 10 + [-1.0] * 10, atol=1e-6)


@SOLVERS
@pytest.mark.parametrize("method", [subspace._Resolvent(), subspace._TopEigenvectors(5)], ids=["filter", "top-k"])
def test_the_same_again_is_the_same_to_the_bit(solver: Solver, method: subspace._Filter) -> None:
    corpus = Corpus.of([3, 3, 2], 1, 640, 90)
    differences = corpus.differences()
    differences[1] = 0
    torch.manual_seed(1)
    first = solver(corpus.spaces(), differences, method)
    torch.manual_seed(2)
    again = solver(corpus.spaces(), differences, method)
    assert torch.equal(first.directions, again.directions)
    assert torch.equal(first.eigenvalues, again.eigenvalues)


@SOLVERS
def test_the_length_of_the_difference_goes_through(solver: Solver) -> None:
    corpus = Corpus.of([3, 2], 1, 640, 90)
    differences = corpus.differences()
    one = solver(corpus.spaces(), differences, subspace._Resolvent())
    far = solver(corpus.spaces(), 1e-30 * differences, subspace._Resolvent())
    np.testing.assert_allclose(far.directions * 1e30, one.directions, rtol=1e-6, atol=1e-6)


@SOLVERS
@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=3),
    st.integers(0, 2),
    st.integers(80, 110),
    st.integers(2, 40),
    st.none() | st.integers(1, 3),
)
def test_any_corpus(
    solver: Solver, counts: list[int], baselines: int, hidden: int, longest: int, k: int | None
) -> None:
    corpus = Corpus.of(counts, baselines, hidden, longest, k)
    differences = corpus.differences()
    run = subspace._iteratively if solver is iterated else solver  # small corpora have multiple eigenvalues
    solved = run(corpus.spaces(), differences, subspace._Resolvent())
    for c in range(len(counts)):
        values = oracle.eigenvalues(corpus.matrix(c))
        expected = oracle.filtered(corpus.matrix(c), differences[c].numpy())
        np.testing.assert_allclose(unit(solved.directions[c]), unit(expected), atol=1e-5)
        np.testing.assert_allclose(solved.eigenvalues[c], values, atol=1e-5)
        assert (solved.eigenvalues[c].diff() <= 0).all()
