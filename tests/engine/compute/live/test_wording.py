"""What the other stories' wording says of one text."""

from __future__ import annotations

from engine.compute.live.wording import Wording
from engine.compute.statistics.steps import run
from engine.corpus import text_id
from engine.wire.jobs import Placement

NOUNS = ("dog", "cat", "house", "tree", "river", "lamp")
TEXTS = {
    f"paired/s{i}/calm.txt": f"I saw the {NOUNS[i]} and my {NOUNS[i - 1]} in number {i}, and then I went home."
    for i in range(6)
}
PLACED = {path: Placement(text_id(text), "calm", path.split("/")[1]) for path, text in TEXTS.items()}
WORDING = run(Wording.in_steps(PLACED, {text_id(text): text for text in TEXTS.values()}))


def test_a_narrator_that_no_other_has_is_told() -> None:
    prose = WORDING.of("He saw the dog and his cat. Then he went home, and he slept.", "calm", "paired/s0/calm.txt")
    assert prose.n_others == 5
    assert prose.narrator is not None
    assert (prose.narrator.person, prose.narrator.usual, prose.narrator.n_usual) == ("he", "I", 5)


def test_a_copy_is_named_by_its_place_with_the_words_that_are_the_same() -> None:
    path = "paired/s1/calm.txt"
    text = TEXTS["paired/s2/calm.txt"].replace("home", "away")
    (copy,) = [copy for copy in WORDING.of(text, "calm", path).copies if copy.scenario == "s2"]
    assert (copy.text_id, copy.concept) == (text_id(TEXTS["paired/s2/calm.txt"]), "calm")
    start, end = copy.passages[0]
    assert text[start:end] in TEXTS["paired/s2/calm.txt"]
    assert all(copy.scenario != "s1" for copy in WORDING.of(TEXTS[path], "calm", path).copies)


def test_what_gives_the_concept_away_is_told_with_its_place() -> None:
    text = "She was calm at last."
    assert [text[start:end] for start, end in WORDING.of(text, "calm", "stories/calm.txt").giveaways] == ["calm"]


def test_of_a_concept_with_too_few_stories_no_difference_is_told() -> None:
    prose = WORDING.of("He saw the dog.", "sad", "stories/sad.txt")
    assert (prose.n_others, prose.differences, prose.narrator) == (0, [], None)


def test_after_a_change_it_is_that_of_stories_read_anew() -> None:
    changed = {path: text for path, text in TEXTS.items() if not path.startswith("paired/s4")}
    changed["paired/s3/calm.txt"] = changed["paired/s2/calm.txt"] + " He slept."
    placed = {path: Placement(text_id(text), "calm", path.split("/")[1]) for path, text in changed.items()}
    by_id = {text_id(text): text for text in changed.values()}
    after, anew = (run(Wording.in_steps(placed, by_id, last)) for last in (WORDING, None))
    for path, text in {**TEXTS, **changed}.items():
        assert after.of(text, "calm", path) == anew.of(text, "calm", path)
