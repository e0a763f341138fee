"""Stories that begin or end with the same words."""

from __future__ import annotations

from engine.prose.openings import SharedWords, shared_words
from engine.prose.words import Told


def corpus(calm: list[str], joyful: list[str]) -> dict[str, Told]:
    return {f"calm/{i}": Told(text, "calm", None) for i, text in enumerate(calm)} | {
        f"joyful/{i}": Told(text, "joyful", None) for i, text in enumerate(joyful)
    }


def test_a_beginning_that_a_concept_has_for_itself_is_told() -> None:
    told = corpus(
        ["The sun rose over hills.", "The sun rose at five.", "“The sun rose,” he said.", "Rain fell.", "She slept."],
        ["Dogs ran.", "The sun was out.", "A bell rang.", "Bread rose.", "Nobody came."],
    )
    assert shared_words(told) == [
        SharedWords("beginning", ("the", "sun", "rose"), "calm", ("calm/0", "calm/1", "calm/2"), 5, 0, 5),
        SharedWords("beginning", ("the", "sun"), None, ("calm/0", "calm/1", "calm/2", "joyful/1"), 10, 0, 0),
        SharedWords("beginning", ("the", "sun", "rose"), None, ("calm/0", "calm/1", "calm/2"), 10, 0, 0),
    ]


def test_an_end_is_told_in_the_order_of_its_words() -> None:
    told = corpus([f"Story {i} ends and he was calm." for i in "abc"], [f"Another {i} goes on." for i in "xy"])
    [first, *_] = shared_words(told)
    assert first == SharedWords(
        "end", ("ends", "and", "he", "was", "calm"), "calm", ("calm/0", "calm/1", "calm/2"), 3, 0, 2
    )


def test_what_all_concepts_begin_with_is_the_corpuss_alone() -> None:
    told = corpus([f"Once upon a {i}." for i in "abc"], [f"Once upon a {i}." for i in "abd"])
    assert [(shared.concept, shared.words, len(shared.paths)) for shared in shared_words(told)] == [
        (None, ("once", "upon", "a"), 6)
    ]


def test_baselines_count_as_others() -> None:
    told = corpus([f"At last {i}." for i in "abcd"], [])
    told |= {f"baseline/{i}": Told(f"At last {i}.", None, "s") for i in "xyz"}
    assert [(shared.concept, len(shared.paths), shared.n_elsewhere) for shared in shared_words(told)] == [(None, 7, 0)]


def test_two_stories_are_no_habit() -> None:
    assert shared_words(corpus(["The end came.", "The end came."], ["It rained."])) == []
    assert shared_words({}) == []
