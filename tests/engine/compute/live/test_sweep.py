"""Which stories a sweep over the blocks reads."""

from __future__ import annotations

from engine.compute.live.sweep import SWEEP_TEXTS, _sample
from engine.wire.jobs import Placement


def test_text_that_several_scenarios_tell_is_sampled_once() -> None:
    unpaired = [Placement(f"{i:04}", "calm" if i % 2 else "sad") for i in range(2 * SWEEP_TEXTS)]
    retold = [Placement(place.text_id, place.concept, "bus") for place in unpaired]
    sampled = _sample([*unpaired, *retold])
    assert sampled == _sample(unpaired)
    assert len(sampled) == SWEEP_TEXTS
