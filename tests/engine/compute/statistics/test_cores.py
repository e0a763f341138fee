"""Computations side by side: in order, each on its share of the threads, and the same to the bit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from engine.compute.statistics import subspace
from engine.compute.statistics.cores import side_by_side
from tests.engine.compute.statistics.test_subspace import Corpus


@pytest.fixture
def four_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(("count", "share"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_each_has_its_share_of_the_threads_and_answers_stay_in_order(count: int, share: int) -> None:
    answers = side_by_side(lambda item: (item, torch.get_num_threads()), range(count))
    assert answers == [(item, share) for item in range(count)]
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_an_error_comes_through_and_the_threads_are_as_before() -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda item: 1 // item, [1, 0])
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_concepts_solved_side_by_side_are_those_solved_one_by_one() -> None:
    corpus = Corpus.of([3, 2, 4], 1, 90, 40)
    together = subspace.filtered(corpus.spaces(), corpus.differences())
    torch.set_num_threads(1)
    alone = subspace.filtered(corpus.spaces(), corpus.differences())
    assert torch.equal(together.eigenvalues, alone.eigenvalues)
    assert torch.equal(together.directions, alone.directions)
