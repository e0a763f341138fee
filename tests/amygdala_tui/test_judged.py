"""How a story reads, in a writer's words."""

from __future__ import annotations

import pytest

from amygdala_tui.widgets.story import head
from amygdala_tui.words import judged
from engine.results import Ranked, Strength
from engine.wire.snapshot import StoryView


def view(strength: Strength | None, misfit: float, *shares: Ranked) -> StoryView:
    return StoryView(
        path="stories/ashamed.txt",
        concept="ashamed",
        scenario=None,
        state="ok",
        alignment=0.1,
        own=0.2,
        rival="proud",
        rival_score=0.1,
        misfit=misfit,
        strength=strength,
        reads_as=shares[1][0] if len(shares) > 1 else None,
        shares=list(shares),
    )


@pytest.mark.parametrize(
    ("story", "sentence"),
    [
        (
            view("strong", 0.97, ("ashamed", 0.03), ("furious", 0.81)),
            "The evidence: it reads as furious, not as ashamed.",
        ),
        (view("fair", 0.9, ("ashamed", 0.95), ("furious", 0.02)), "The evidence: it lies far from the other ashamed"),
        (view("none", 0.1, ("ashamed", 0.9), ("furious", 0.05)), "The evidence: it reads as ashamed."),
        (
            view("too few to tell", 0.6, ("ashamed", 0.4), ("furious", 0.6)),
            "The evidence: too few stories of its concept",
        ),
    ],
)
def test_a_judgement_is_a_sentence(story: StoryView, sentence: str) -> None:
    assert judged(story).startswith(sentence)
    assert sentence in head(story).plain


def test_a_flag_says_how_sure_it_is_and_shows_both_shares() -> None:
    text = head(view("strong", 0.97, ("ashamed", 0.03), ("furious", 0.81), ("sad", 0.1))).plain
    assert "●●● strong" in text
    assert [line.split()[:2] for line in text.splitlines() if "%" in line] == [["ashamed", "3%"], ["furious", "81%"]]


def test_before_it_is_judged_a_story_shows_its_scores() -> None:
    story = view(None, 0.0)
    assert judged(story) == ""
    assert "reads as ashamed +0.20" in head(story).plain


def test_names_of_concepts_are_text() -> None:
    text = head(view("strong", 0.97, ("ashamed", 0.03), ("[red]\x1b[2J", 0.81))).plain
    assert "\x1b" not in text
