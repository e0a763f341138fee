"""A story that names its concept, and words that only look like the name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prose.giveaway import giveaways, is_form_of


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("lonely", "lonely lonelier loneliness"),
        ("terrified", "terrified terrify terrifying"),
        ("depressed", "depressed depression depressing"),
        ("paranoid", "paranoid paranoia paranoid's"),
        ("weary", "weary wearied wearily weariness wearying"),
        ("contemptuous", "contempt contemptuously"),
        ("content", "contented contentment"),
        ("calm", "calm calmly calmness"),
        ("sad", "sad sadly sadness"),
        ("ängstlich", "ängstliche ängstlichkeit"),
    ],
)
def test_forms_of_a_name_are_known(name: str, forms: str) -> None:
    assert [form for form in forms.split() if not is_form_of(form, name)] == []


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("lonely", "lone alone only lovely"),
        ("terrified", "terrible terribly territory"),
        ("paranoid", "paragraph parent"),
        ("weary", "wear wearing wears wary"),
        ("contemptuous", "content contexts contemplate"),
        ("content", "contact continue contest context"),
        ("resentful", "researched present"),
        ("calm", "call calf palm"),
        ("sad", "saddle said salad"),
    ],
)
def test_words_that_only_begin_alike_are_no_forms(name: str, others: str) -> None:
    assert [other for other in others.split() if is_form_of(other, name)] == []


def test_the_place_is_told() -> None:
    text = "He felt LONELY. Loneliness’s a thing."
    assert [(g.words, text[slice(*g.span)]) for g in giveaways(text, "lonely")] == [
        ("LONELY", "LONELY"), ("Loneliness’s", "Loneliness’s"),
    ]  # fmt: skip
    assert giveaways("She was fine.", "lonely") == []


@pytest.mark.parametrize("name", ["at_peace", "at-peace", "At peace"])
def test_a_name_of_several_words_is_said_by_all_of_them(name: str) -> None:
    assert [g.words for g in giveaways("She was at peace; a piece of peace, at peacetime.", name)] == [
        "at peace", "at peacetime",
    ]  # fmt: skip
    assert giveaways("Peace at last.", name) == []


def test_names_in_scripts_without_blanks_are_found() -> None:
    assert [g.words for g in giveaways("彼は孤独だった。独り。", "孤独")] == ["孤独"]


@pytest.mark.parametrize(("text", "name"), [("", "calm"), ("calm", ""), ("calm", "__"), ("", "")])
def test_nothing_says_nothing(text: str, name: str) -> None:
    assert giveaways(text, name) == []


@given(st.sampled_from(["calm", "lonely", "at_peace", "sad"]), st.text(max_size=20), st.text(max_size=20))
def test_the_name_itself_is_found_wherever_it_stands(name: str, before: str, after: str) -> None:
    said = name.replace("_", " ")
    assert said in [g.words for g in giveaways(f"{before} {said} {after}", name)]
