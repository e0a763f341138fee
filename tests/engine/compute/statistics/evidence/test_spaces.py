"""Spaces: scales, axes of wide models, scenarios taken out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.statistics.evidence import spaces
from engine.compute.statistics.evidence.judging import judge
from engine.compute.statistics.evidence.spaces import Space, median
from engine.compute.statistics.evidence.stories import groups
from tests.engine.compute.statistics.evidence import made
from tests.engine.compute.statistics.evidence.editing import replaced


@given(st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0, 7.0]), min_size=1, max_size=9))
def test_median_is_numpys(values: list[float]) -> None:
    assert float(median(torch.tensor(values))) == np.median(values)


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=12))
def test_groups_are_the_scenarios_and_each_unpaired_story(scenarios: list[int]) -> None:
    together = {tuple(members) for group in groups(torch.tensor(scenarios)) for members in group.tolist()}
    expected: set[tuple[int, ...]] = {(i,) for i, name in enumerate(scenarios) if name == -1}
    expected |= {tuple(i for i, other in enumerate(scenarios) if other == name) for name in scenarios if name != -1}
    assert together == expected


def test_a_huge_dimension_counts_as_any_other() -> None:
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    huge = rows.clone()
    huge[:, 2] *= 1e4
    spreads = [Space.of(x).coordinates(x).std(0) for x in (rows, huge)]
    torch.testing.assert_close(spreads[0], spreads[1], rtol=0.02, atol=0)


@pytest.mark.parametrize(("n", "hidden", "has_axes"), [(40, 30, True), (20, 30, False), (40, 24, False)])
def test_only_wide_models_of_many_stories_get_axes(
    n: int, hidden: int, has_axes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "WIDE_FROM", 25)
    monkeypatch.setattr(spaces, "AXES", 10)
    rows = torch.randn(n, hidden, generator=torch.Generator().manual_seed(0))
    space = Space.of(rows)
    assert (space.axes is not None) == has_axes
    assert space.coordinates(rows).shape == (n, 10 if has_axes else hidden)
    assert space.coordinates(rows).dtype == torch.float64


def test_axes_are_those_along_which_scaled_stories_vary_most() -> None:
    g = torch.Generator().manual_seed(1)
    rows = torch.randn(600, 40, generator=g) @ torch.randn(40, 700, generator=g) + 1e-3 * torch.randn(
        600, 700, generator=g
    )
    space = Space.of(rows)
    assert space.axes is not None
    torch.testing.assert_close(space.axes.T @ space.axes, torch.eye(spaces.AXES), atol=1e-4, rtol=0)
    scaled = space.scaled(rows)
    scaled = scaled - scaled.mean(0)
    assert (scaled @ space.axes).square().sum() / scaled.square().sum() > 0.9999


def test_axes_lose_nothing_that_matters_and_edits_are_judged_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stories = made.stories(n=120, hidden=60, n_concepts=4, seed=2, n_scenarios=25)
    whole = judge(stories).judgement
    monkeypatch.setattr(spaces, "WIDE_FROM", 50)
    monkeypatch.setattr(spaces, "AXES", 50)
    state = judge(stories)
    assert state.placed[0].space.axes is not None
    assert np.corrcoef(whole.margin, state.judgement.margin)[0, 1] > 0.9
    assert np.corrcoef(whole.misfit, state.judgement.misfit)[0, 1] > 0.9
    edit = replaced(state, 3, stories.rows[:, 3])  # nothing is changed
    assert edit.judgement.misfit[-1].item() == pytest.approx(state.judgement.misfit[3].item(), abs=1e-4)
