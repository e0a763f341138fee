"""Corpora as values: digests, and how two differ."""

from hypothesis import given
from hypothesis import strategies as st

from engine.corpus import Change, Corpus, Story, diff, text_id
from engine.corpus.index import duplicates

TREES = st.dictionaries(st.sampled_from([f"stories/{name}.txt" for name in "abcdef"]), st.sampled_from("xyz"))


def stories(tree: dict[str, str]) -> tuple[Story, ...]:
    return tuple(
        Story(path=path, concept=path[8:-4], scenario=None, text=text, text_id=text_id(text))
        for path, text in sorted(tree.items())
    )


def test_changes_are_named_by_kind_and_sorted() -> None:
    before = stories({"stories/a.txt": "x", "stories/b.txt": "x", "stories/c.txt": "x"})
    after = stories({"stories/b.txt": "y", "stories/c.txt": "x", "stories/d.txt": "z"})
    assert diff(before, after) == [
        Change(path="stories/a.txt", kind="removed"),
        Change(path="stories/b.txt", kind="edited"),
        Change(path="stories/d.txt", kind="added"),
    ]


@given(TREES, TREES)
def test_applying_a_diff_leads_from_one_to_the_other(before: dict[str, str], after: dict[str, str]) -> None:
    made = dict(before)
    for change in diff(stories(before), stories(after)):
        if change.kind == "removed":
            del made[change.path]
        elif change.old is not None:
            assert change.kind == "moved"
            assert before[change.old] == after[change.path]
            assert change.path not in before
            made[change.path] = made.pop(change.old)
        else:
            assert (change.path in before) == (change.kind == "edited")
            made[change.path] = after[change.path]
    assert made == after


def test_a_text_that_is_gone_here_and_new_there_has_moved() -> None:
    before = stories({"stories/a.txt": "x", "stories/b.txt": "x", "stories/c.txt": "y"})
    after = stories({"stories/b.txt": "y", "stories/d.txt": "x", "stories/e.txt": "y"})
    assert diff(before, after) == [
        Change(path="stories/b.txt", kind="edited"),
        Change(path="stories/d.txt", kind="moved", old="stories/a.txt"),
        Change(path="stories/e.txt", kind="moved", old="stories/c.txt"),
    ]


def test_of_stories_with_one_text_those_of_a_scenario_move_together() -> None:
    def placed(*places: tuple[str, str]) -> list[Story]:
        return [
            Story(path=f"paired/{scenario}/{concept}.txt", concept=concept, scenario=scenario, text="x", text_id="1")
            for scenario, concept in places
        ]

    changes = diff(placed(("s", "a"), ("t", "a"), ("u", "a")), placed(("t", "b"), ("s", "b")))
    assert {change.path: change.old for change in changes if change.kind == "moved"} == {
        "paired/s/b.txt": "paired/s/a.txt",
        "paired/t/b.txt": "paired/t/a.txt",
    }
    assert [change.path for change in changes if change.kind == "removed"] == ["paired/u/a.txt"]


@given(TREES, TREES)
def test_digest_tells_corpora_apart(one: dict[str, str], other: dict[str, str]) -> None:
    digests = [Corpus(stories=stories(tree), problems=()).digest for tree in (one, other)]
    assert (digests[0] == digests[1]) == (one == other)


@given(st.text(), st.text())
def test_text_id_is_of_the_text_alone(one: str, other: str) -> None:
    assert (text_id(one) == text_id(other)) == (one == other)
    assert len(text_id(one)) == 32


def test_a_text_in_very_many_files_is_told_in_few_words() -> None:
    copies = [
        Story(path=f"paired/{n}/c{n}.txt", concept=f"c{n}", scenario=str(n), text="Sorry.", text_id="1")
        for n in range(500)
    ]
    problems = duplicates(copies)
    assert len(problems) == 500
    assert all(len(problem.message) < 200 for problem in problems)
    assert "and 496 more" in problems[0].message
