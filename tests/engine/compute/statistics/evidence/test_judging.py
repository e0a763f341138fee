"""The judgement is the oracle's, which really leaves stories out; and it is finite whatever the corpus."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.compute.statistics.evidence.influence import influence
from engine.compute.statistics.evidence.judging import State, judge
from engine.compute.statistics.evidence.label_noise import label_noise
from engine.compute.statistics.evidence.readouts import concept_readouts, left_out
from engine.compute.statistics.evidence.stories import Stories
from tests.engine.compute.statistics.evidence import made, oracle
from tests.engine.compute.statistics.evidence.editing import replaced

SHAPES: dict[str, dict[str, int]] = {
    "more dimensions than stories": {"n": 40, "hidden": 60, "n_concepts": 4},
    "more stories than dimensions": {"n": 60, "hidden": 12, "n_concepts": 4},
    "scenarios": {"n": 60, "hidden": 20, "n_concepts": 3, "n_scenarios": 12},
    "three layers": {"n": 70, "hidden": 15, "n_concepts": 5, "n_scenarios": 20, "layers": 3},
    "few large scenarios": {"n": 80, "hidden": 8, "n_concepts": 4, "n_scenarios": 3},
    "nothing to tell concepts by": {"n": 50, "hidden": 10, "n_concepts": 5, "layers": 1, "signal": 0},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [1, 2])
def test_judgement_is_the_oracles(shape: str, seed: int) -> None:
    stories = made.stories(seed=seed, **SHAPES[shape])
    same(judge(stories), oracle.judge(made.corpus(stories)))


def same(state: State, expected: oracle.Judged) -> None:
    said = state.judgement
    assert state.reading is not None
    assert [(layer.tuning.shrinkage, layer.tuning.prior) for layer in state.reading.layers] == expected.chosen
    np.testing.assert_allclose(said.strange, expected.strange, atol=1e-6)
    np.testing.assert_allclose(said.margin, expected.margins, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(said.shares, expected.shares, atol=1e-6)
    np.testing.assert_allclose(said.misfit, expected.misfit, atol=1e-6)
    np.testing.assert_allclose(state.reading.tuning.weights, expected.weights, atol=1e-6)
    assert state.error_rate == pytest.approx(expected.rate, abs=1e-6)
    assert np.array_equal(said.reads_as.numpy(), expected.reads_as)
    assert np.array_equal(said.flagged.numpy(), expected.flagged)


def test_concepts_of_one_story_and_of_very_unequal_sizes_are_judged_as_the_oracle_has_it() -> None:
    stories = made.stories(n=60, hidden=10, n_concepts=3, seed=3, n_scenarios=14)
    concepts = torch.where(torch.arange(60) < 45, stories.concepts % 2, stories.concepts % 2 + 2)
    concepts[59] = 4
    concepts[57:59] = 5
    scenarios = stories.scenarios.clone()
    scenarios[57:59] = 99  # all of a concept's stories are in one scenario
    unequal = replace(stories, concepts=concepts, scenarios=scenarios, n_concepts=6)
    state = judge(unequal)
    same(state, oracle.judge(made.corpus(unequal)))
    assert [state.judgement.strengths[i] for i in (57, 58, 59)] == ["too few to tell"] * 3
    assert state.judgement.reads_as[57:].tolist() == [-1, -1, -1]
    assert not state.judgement.misfiled[57:].any()


def test_copies_and_constant_dimensions_are_judged_as_the_oracle_has_it() -> None:
    stories = made.stories(n=50, hidden=10, n_concepts=4, seed=10, n_scenarios=12)
    stories.rows[:, 10:20] = stories.rows[:, :10]
    stories.rows[:, :, 4] = 3.5
    same(judge(stories), oracle.judge(made.corpus(stories)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_judgement_on_a_gpu_is_that_on_the_cpu() -> None:
    stories = made.stories(n=120, hidden=20, n_concepts=4, seed=11, n_scenarios=30)
    there = replace(
        stories, rows=stories.rows.cuda(), concepts=stories.concepts.cuda(), scenarios=stories.scenarios.cuda()
    )
    state = judge(there)
    np.testing.assert_allclose(state.judgement.shares.cpu(), judge(stories).judgement.shares, atol=1e-6)
    edit = replaced(state, 3, there.rows[:, 3])
    assert edit.judgement.misfit[-1].item() == pytest.approx(state.judgement.misfit[3].item(), abs=1e-6)
    readouts = concept_readouts(state)
    assert [readout.rival for readout in readouts] == [readout.rival for readout in concept_readouts(judge(stories))]
    of_all = left_out(state)
    assert of_all is not None
    assert influence(of_all, 1) is not None


def alike(stories: Stories) -> Stories:
    return replace(stories, rows=stories.rows[:, :1].expand_as(stories.rows))


def with_rows(stories: Stories, rows: torch.Tensor) -> Stories:
    return replace(stories, rows=rows)


def edges() -> dict[str, Stories]:
    usual = made.stories(n=40, hidden=12, n_concepts=5, seed=4, n_scenarios=9)
    rows = usual.rows
    constant = rows.clone()
    constant[:, :, 3] = 7.0
    mostly_constant = rows.clone()
    mostly_constant[:, :, 3:] = 1 / 3
    copies = rows.clone()
    copies[:, 10:] = rows[:, :1]
    huge = rows.clone()
    huge[:, :, 0] *= 1e6
    by_concept = usual.rows[:, : usual.n_concepts][:, usual.concepts]
    one = torch.zeros_like(usual.concepts)
    places = torch.arange(40)
    return {
        "one concept": replace(usual, concepts=one, n_concepts=1),
        "two concepts": replace(usual, concepts=usual.concepts % 2, n_concepts=2),
        "a concept without stories": replace(usual, n_concepts=9),
        "concepts mostly without stories": replace(usual, n_concepts=90),
        "all texts alike": alike(usual),
        "all texts alike, seven concepts": alike(made.stories(n=60, hidden=7, n_concepts=7, seed=5)),
        "one layer of texts alike": with_rows(usual, torch.stack([rows[0], rows[1, :1].expand_as(rows[1])])),
        "texts alike but for rounding": with_rows(usual, 3 + 1e-7 * rows),
        "texts alike within concepts": with_rows(usual, by_concept),
        "most texts copies of one": with_rows(usual, copies),
        "a constant dimension": with_rows(usual, constant),
        "mostly constant dimensions": with_rows(usual, mostly_constant),
        "a huge dimension": with_rows(usual, huge),
        "tiny activations": with_rows(usual, rows * 1e-18),
        "one dimension": with_rows(usual, rows[:, :, :1]),
        "one scenario for all": replace(usual, scenarios=one),
        "a scenario for each concept": replace(usual, scenarios=usual.concepts),
        "a scenario for each story": replace(usual, scenarios=places),
        "every story in a concept of its own": replace(usual, concepts=places, n_concepts=40),
        "a single story": Stories(rows=rows[:, :1], concepts=one[:1], scenarios=one[:1], n_concepts=1),
        "two stories": Stories(rows=rows[:, :2], concepts=places[:2], scenarios=-1 - one[:2], n_concepts=2),
        "three stories of two concepts": replace(
            usual, rows=rows[:, :3], concepts=torch.tensor([0, 0, 1]), scenarios=-1 - one[:3], n_concepts=2
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", edges())
def test_judgement_is_finite_and_sums_to_one_for(name: str) -> None:
    stories = edges()[name]
    state = judge(stories)
    said = state.judgement
    for numbers in (said.misfiled, said.strange, said.misfit, said.shares):
        assert numbers.isfinite().all()
        assert (numbers >= -1e-12).all()
        assert (numbers <= 1 + 1e-12).all()
    np.testing.assert_allclose(said.shares.sum(1), 1, atol=1e-9)
    assert 0 <= state.error_rate < 0.5
    if state.reading is not None:
        assert said.margin[stories.judgeable()].isfinite().all()
        again = judge(stories, state.reading.tuning)
        assert torch.equal(again.judgement.shares, said.shares)


@pytest.mark.parametrize("name", ["all texts alike", "all texts alike, seven concepts", "texts alike but for rounding"])
def test_of_texts_all_alike_nothing_can_be_told(name: str) -> None:
    state = judge(edges()[name])
    assert state.reading is None
    assert set(state.judgement.strengths) == {"too few to tell"}
    assert state.judgement.misfit.amax() < 1e-6


@pytest.mark.parametrize("name", ["one concept", "two concepts", "every story in a concept of its own"])
def test_below_three_concepts_or_three_stories_nothing_is_flagged(name: str) -> None:
    state = judge(edges()[name])
    assert not state.judgement.flagged.any()
    assert set(state.judgement.strengths) == {"too few to tell"}


def test_shares_agree_with_the_flag_and_name_where_a_misfiled_story_reads() -> None:
    g = torch.Generator().manual_seed(6)
    true = torch.arange(5).repeat(12)
    rows = 3 * torch.randn(1, 5, 30, generator=g)[:, true] + torch.randn(1, 60, 30, generator=g)
    filed = true.clone()
    filed[0], filed[1] = 3, 4
    state = judge(Stories(rows=rows, concepts=filed, scenarios=torch.full((60,), -1), n_concepts=5))
    said = state.judgement
    assert said.flagged.nonzero().flatten().tolist() == [0, 1]
    assert said.shares.argmax(1).tolist() == true.tolist()
    assert said.reads_as[:2].tolist() == [0, 1]
    assert [said.strengths[i] for i in (0, 1, 2)] == ["strong", "strong", "none"]
    assert 0.01 < state.error_rate < 0.1


def test_a_text_that_is_far_from_all_is_strange_though_its_margin_is_good() -> None:
    stories = made.stories(n=60, hidden=20, n_concepts=4, seed=7, signal=1.0)
    rows = stories.rows.clone()
    centre = rows.mean(1, keepdim=True)
    own = rows[:, stories.concepts == stories.concepts[5]].mean(1) - centre[:, 0]
    rows[:, 5] = centre[:, 0] + 12 * own
    said = judge(replace(stories, rows=rows)).judgement
    assert said.strange[5] > 0.95
    assert said.misfiled[5] < 0.5
    assert said.strengths[5] == "strong"


def test_strange_texts_do_not_raise_the_rate_of_wrong_labels() -> None:
    filed = torch.arange(120) % 4
    reads_as = torch.where(torch.arange(120) < 12, (filed + 1) % 4, filed)
    scores = 40 * torch.nn.functional.one_hot(reads_as, 4).double()
    tells = torch.ones(120, dtype=torch.float64)
    misled = label_noise(scores, filed, tells).rate
    tells[:12] = 0
    assert label_noise(scores, filed, tells).rate < misled / 3


def test_scale_and_origin_of_the_activations_do_not_matter() -> None:
    stories = made.stories(n=40, hidden=10, n_concepts=4, seed=8, n_scenarios=9)
    moved = judge(replace(stories, rows=1e5 * (stories.rows.double() - 3)))
    np.testing.assert_allclose(moved.judgement.shares, judge(stories).judgement.shares, atol=1e-5)


def test_the_same_again_is_the_same_to_the_bit() -> None:
    stories = made.stories(n=40, hidden=10, n_concepts=4, seed=8, n_scenarios=9)
    assert torch.equal(judge(stories).judgement.shares, judge(stories).judgement.shares)
