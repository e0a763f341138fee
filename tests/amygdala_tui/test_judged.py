"""How a story reads, in a writer's words."""

from __future__ import annotations

import pytest

from amygdala_tui.widgets.story import head
from amygdala_tui.words import rival_in_lead
from engine.evidence import Ranked, Strength
from engine.wire.snapshot import StoryView
from tests.amygdala_tui.making import mirror


def view(strength: Strength | None, *shares: Ranked, reason: str = "") -> StoryView:
    return StoryView(
        path="stories/ashamed.txt",
        concept="ashamed",
        scenario=None,
        state="ok",
        alignment=0.1,
        own=0.2,
        rival="proud",
        rival_score=0.1,
        misfit=None if strength is None else 1 - shares[0][1],
        strength=strength,
        reads_as=shares[1][0] if len(shares) > 1 else None,
        shares=list(shares),
        reason=reason,
    )


def told(story: StoryView, *, with_classic: bool = False) -> str:
    return head(story, mirror([story]), "", width=80, with_classic=with_classic).plain


def test_a_misread_story_says_why_how_sure_that_is_and_shows_both_shares() -> None:
    story = view("strong", ("ashamed", 0.03), ("furious", 0.81), ("sad", 0.1), reason="reads as furious")
    text = told(story)
    assert "Reads as furious.  ●●● strong" in text
    assert [line.split()[:3] for line in text.splitlines() if "%" in line] == [
        ["as", "ashamed", "3%"],
        ["as", "furious", "81%"],
    ]


@pytest.mark.parametrize(
    ("story", "rival"),
    [
        (view("strong", ("ashamed", 0.03), ("furious", 0.81)), "furious"),
        (view("fair", ("ashamed", 0.95), ("furious", 0.02)), None),
        (view("none", ("ashamed", 1.0)), None),
        (view(None), None),
    ],
)
def test_a_rival_leads_where_its_share_is_the_larger(story: StoryView, rival: str | None) -> None:
    assert rival_in_lead(story) == rival


def test_a_healthy_story_shows_its_shares_and_no_word() -> None:
    text = told(view("none", ("ashamed", 0.9), ("furious", 0.05)))
    assert "as ashamed   90%" in text
    assert "●" not in text


def test_of_too_few_stories_there_is_no_verdict() -> None:
    text = told(view("too few to tell", ("ashamed", 1.0), ("furious", 0.0)))
    assert "no verdict yet" in text
    assert "%" not in text


def test_the_classic_scores_are_a_key_away() -> None:
    story = view("none", ("ashamed", 0.9), ("furious", 0.05))
    assert "cosine" not in told(story)
    assert "cosine with ashamed 0.20, with proud 0.10; alignment 0.10" in told(story, with_classic=True)


def test_names_of_concepts_are_text() -> None:
    text = told(view("strong", ("ashamed", 0.03), ("[red]\x1b[2J", 0.81)))
    assert "\x1b" not in text
