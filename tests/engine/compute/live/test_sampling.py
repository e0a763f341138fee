"""Which stories a sample of a corpus has, and which go together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.compute.live.sampling import AT_LEAST, groups_of, sampled
from engine.compute.live.sweep import SWEEP_TEXTS
from engine.wire.jobs import Placement

PLACEMENTS = st.lists(
    st.builds(
        Placement,
        st.sampled_from([f"{i:02}" for i in range(20)]),
        st.sampled_from([None, "calm", "sad", "wry"]),
        st.sampled_from([None, "bus", "lake", "rain", "tea"]),
    ),
    min_size=1,
)


@given(PLACEMENTS)
def test_groups_share_neither_text_nor_scenario(placements: list[Placement]) -> None:
    groups = groups_of(placements)
    assert sorted(text_id for group in groups for text_id in group) == sorted({p.text_id for p in placements})
    number = {text_id: i for i, group in enumerate(groups) for text_id in group}
    for scenario in {p.scenario for p in placements} - {None}:
        assert len({number[p.text_id] for p in placements if p.scenario == scenario}) == 1


@given(PLACEMENTS, st.integers(1, 20))
def test_sample_has_whole_groups_and_enough_of_each_concept(placements: list[Placement], at_most: int) -> None:
    sample = sampled(placements, at_most)
    ids = {p.text_id for p in sample}
    assert len(ids) >= min(at_most, len({p.text_id for p in placements}))
    for group in groups_of(placements):
        assert group <= ids or not group & ids
    for concept in {p.concept for p in placements}:
        of_concept = {p.text_id for p in placements if p.concept == concept}
        there = sum(bool(group & of_concept) for group in groups_of(placements))
        taken = sum(bool(group & of_concept & ids) for group in groups_of(placements))
        assert taken >= min(AT_LEAST, there)


def test_unpaired_concepts_are_sampled_alike_whatever_their_sizes() -> None:
    many = [Placement(f"{i:04}", "calm" if i % 10 else "sad") for i in range(10 * SWEEP_TEXTS)]
    concepts = [p.concept for p in sampled(many, SWEEP_TEXTS)]
    assert concepts.count("calm") == concepts.count("sad") == SWEEP_TEXTS // 2


def test_whole_scenarios_are_sampled() -> None:
    told = [Placement(f"{s:02}{c}", str(c), f"scene {s:02}") for s in range(50) for c in range(20)]
    assert len({p.scenario for p in sampled(told, SWEEP_TEXTS)}) == 13
