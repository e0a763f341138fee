"""What is read of a text's surface, and who tells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prose.surface import Person, Surface, person_of
from engine.prose.words import Told


def told(text: str) -> Told:
    return Told(text, None, None)


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("I walked home. My shoes were wet.", "I"),
        ("I'm late and he's gone, and I'd rather he had told me.", "I"),
        ("We closed our shop. He watched us.", "we"),
        ("You open your eyes and you see the door that you left for your brother.", "you"),
        ('"I told you, I did," he said. He left his coat. "I am done, and my coat is yours."', "he"),
        ("She put her cup down. “I am fine,” he told her.", "she"),
        ("‘I can’t, I’m tired,’ she said, and she slept.", "she"),
        ("They packed their bags.", "they"),
        ("The rain fell on the town.", None),
        ("Elle est partie. Il pleut.", None),
        ("", None),
    ],
)
def test_the_narrator_is_told_outside_of_speech(text: str, person: Person | None) -> None:
    assert person_of(told(text)) == person


def values_of(text: str, common: tuple[str, ...] = ("the", "and", "dog", "i")) -> dict[str, float]:
    surface = Surface(common)
    return dict(zip(surface.features, surface.read(told(text)).values.tolist(), strict=True))


def test_features_are_counts_and_shares_of_words() -> None:
    values = values_of("I walked the dog. “Run!” Where did the dog go?")
    assert values["length"] == 10
    assert values["sentence length"] == pytest.approx(10 / 3)
    assert values["speech"] == pytest.approx(6 / 37)
    assert values["?"] == values["!"] == values["-ed"] == pytest.approx(0.1)
    assert values["I"] == pytest.approx(1 / 9)
    assert values["the"] == values["dog"] == pytest.approx(0.2)
    assert values["and"] == 0
    assert "i" not in values  # `I` has all its forms


def test_persons_are_looked_for_in_english_alone() -> None:
    values = values_of("I gatti e i cani mi amano!", ("i", "e", "gatti"))
    assert set(values) == {"length", "sentence length", "speech", "?", "!", "i", "e", "gatti"}
    assert values["i"] == pytest.approx(2 / 7)
    assert Surface(("i", "e", "gatti")).read(told("I gatti mi amano, i cani no.")).person is None


@given(st.text(st.sampled_from("aI b.?!\n\"“”‘’«»„「」'"), max_size=60))
def test_any_text_has_a_finite_surface(text: str) -> None:
    values = values_of(text)
    assert all(0 <= value <= 60 for value in values.values())
    assert 0 <= values["speech"] <= 1


@pytest.mark.parametrize("quote", ['"', "“", "«", "»", "„", "「", "‘", "’"])
def test_quotes_that_never_close_take_bounded_work(quote: str) -> None:
    assert Surface(("the", "and")).read(told(f"{quote}a " * 50_000)).values[0] == 50_000
