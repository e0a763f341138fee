"""The glossary: every view has one, and it names the thresholds in force."""

from __future__ import annotations

import pytest

from amygdala_tui.actions import View
from amygdala_tui.frame import VIEWS
from amygdala_tui.meanings import meanings
from engine.triage import Thresholds


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_explains_its_numbers(view: View) -> None:
    entries = meanings(view, Thresholds())
    assert entries
    assert all(name and words.endswith(".") for name, words in entries)


def test_thresholds_in_force_are_named_not_the_defaults() -> None:
    thresholds = Thresholds(
        redundant_r2=0.97, contaminated_cosine=0.65, clean_first_pc=0.83, fragmented_first_pc=0.21, thin_below=7
    )
    told = dict(meanings("triage", thresholds))
    assert "0.65" in told["contaminated"]
    assert "21%" in told["fragmented"]
    assert "97%" in told["redundant"]
    assert "83%" in told["clean"]
    assert "7 stories" in told["thin"]
