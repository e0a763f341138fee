"""What is computed next: a few stories at once, many in the background, nothing that nobody wants any more."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.corpus import Story, text_id
from engine.service.hosting.plan import A_FEW, Plan, Wishes, plan
from engine.wire.protocol import Retrain

ALL = Retrain(id=1, corpus="/c")


def story(path: str, text: str) -> Story:
    return Story(path=path, concept=path.removesuffix(".txt"), scenario=None, text=text, text_id=text_id(text))


def stories(**texts: str) -> dict[str, Story]:
    return {f"{name}.txt": story(f"{name}.txt", text) for name, text in texts.items()}


def ids(planned: Mapping[str, Story]) -> set[str]:
    return {each.text_id for each in planned.values()}


def many(prefix: str, count: int = A_FEW + 1) -> dict[str, Story]:
    return stories(**{f"s{i}": f"{prefix} {i}" for i in range(count)})


def texts(planned: Plan) -> dict[str, str]:
    return {path: each.text for path, each in planned.now.items()}


def test_a_few_edits_are_computed_at_once() -> None:
    applied = stories(a="1", b="2")
    planned = plan(stories(a="1", b="3"), applied, ids(applied), Wishes())
    assert texts(planned) == {"a.txt": "1", "b.txt": "3"}
    assert [(change.path, change.kind) for change in planned.changes] == [("b.txt", "edited")]
    assert planned.prepare == []
    assert not planned.is_idle


def test_nothing_to_do_is_idle() -> None:
    applied = stories(a="1")
    assert plan(applied, applied, ids(applied), Wishes()).is_idle


def test_many_changes_wait_until_all_are_prepared() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes()
    first = plan(disk, applied, ids(applied), wishes)
    assert first.is_idle
    assert first.waiting == disk.keys()
    assert set(first.prepare) == ids(disk)
    half = set(first.prepare[:5])
    again = plan(disk, applied, ids(applied) | half, first.wishes)
    assert again.is_idle
    assert set(again.prepare) == ids(disk) - half
    wishes = again.wishes.released()  # all are at hand
    assert texts(plan(disk, applied, ids(applied) | ids(disk), wishes)) == {path: s.text for path, s in disk.items()}


def test_an_edit_does_not_wait_for_the_many() -> None:
    applied, disk, wishes = many("old") | stories(mine="1"), many("new") | stories(mine="1"), Wishes()
    wishes = plan(disk, applied, ids(applied), wishes).wishes
    planned = plan(disk | stories(mine="2"), applied, ids(applied), wishes)
    assert texts(planned)["mine.txt"] == "2"
    assert texts(planned)["s0.txt"] == "old 0"
    assert [change.path for change in planned.changes] == ["mine.txt"]


def test_text_that_was_overtaken_is_not_prepared() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes()
    wishes = plan(disk, applied, ids(applied), wishes).wishes
    planned = plan(disk | stories(s0="newer"), applied, ids(applied), wishes)
    assert text_id("new 0") not in planned.prepare
    assert [change.path for change in planned.changes] == ["s0.txt"]


def test_first_stories_are_computed_together() -> None:
    wishes, disk = Wishes(), many("new")
    begun = plan(disk, None, set(), wishes)
    assert begun.now == {}
    more = plan(disk | stories(mine="2"), None, set(), begun.wishes)
    assert more.now == {}
    assert text_id("2") in more.prepare
    few = plan(stories(a="1", b="2"), None, set(), Wishes())
    assert texts(few) == {"a.txt": "1", "b.txt": "2"}


def test_story_on_screen_goes_before_the_many() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes()
    planned = plan(disk, applied, ids(applied), wishes, ["s3.txt"])
    assert [change.path for change in planned.changes] == ["s3.txt"]
    assert text_id("new 3") not in planned.prepare
    first = plan(disk, None, set(), Wishes(), ["s3.txt"])
    assert (first.prepare[0], first.first) == (text_id("new 3"), (text_id("new 3"),))


def test_retrain_of_all_is_one_whatever_is_on_screen() -> None:
    applied, wishes = many("old"), Wishes()
    wishes = wishes.retrain(ALL, applied, applied)
    planned = plan(applied, applied, ids(applied), wishes, ["s3.txt"])
    assert planned.is_idle
    assert set(planned.prepare) == ids(applied)
    assert planned.first == (text_id("old 3"),)


def test_paused_changes_are_stale_until_asked_for() -> None:
    applied, disk, wishes = stories(a="1", b="1"), stories(a="2", b="2", c="2"), Wishes(live=False)
    planned = plan(disk, applied, ids(applied), wishes)
    assert planned.is_idle
    assert planned.stale == 3
    wishes = wishes.retrain(Retrain(id=1, corpus="/c", paths=["b.txt"]), disk, applied)
    planned = plan(disk, applied, ids(applied), wishes)
    assert texts(planned) == {"a.txt": "1", "b.txt": "2"}
    assert planned.fresh == {text_id("2")}
    wishes = planned.wishes.done(planned)
    assert plan(disk, planned.now, ids(planned.now), wishes).is_idle


def test_deleted_story_leaves_a_paused_corpus_when_asked() -> None:
    applied, wishes = stories(a="1", b="2"), Wishes(live=False)
    wishes = wishes.retrain(ALL, stories(a="1"), applied)
    assert texts(plan(stories(a="1"), applied, ids(applied), wishes)) == {"a.txt": "1"}


def test_paused_retrain_of_many_is_remembered_while_it_is_prepared() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes(live=False)
    wishes = wishes.retrain(ALL, disk, applied)
    planned = plan(disk, applied, ids(applied), wishes)
    assert planned.is_idle
    wishes = planned.wishes.done(planned).arrived(ids(disk)).released()
    assert texts(plan(disk, applied, ids(applied) | ids(disk), wishes)) == {path: s.text for path, s in disk.items()}


def test_cancelled_texts_wait_until_they_change_or_are_asked_for() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes()
    wishes = plan(disk, applied, ids(applied), wishes).wishes
    prepared = ids(applied) | {text_id("new 0")}
    wishes = wishes.cancel(prepared)
    planned = plan(disk, applied, prepared, wishes)
    assert planned.prepare == []
    assert [change.path for change in planned.changes] == ["s0.txt"]
    assert planned.stale == A_FEW
    changed = plan(disk | stories(s1="newer"), applied, prepared, wishes)
    assert [change.path for change in changed.changes] == ["s0.txt", "s1.txt"]
    wishes = wishes.retrain(Retrain(id=1, corpus="/c", paths=["s2.txt"]), disk, applied)
    asked = plan(disk, applied, prepared, wishes)
    assert [change.path for change in asked.changes] == ["s0.txt", "s2.txt"]


def test_cancelling_a_retrain_leaves_the_stories_as_they_were() -> None:
    applied, wishes = many("old"), Wishes()
    wishes = wishes.retrain(ALL, applied, applied)
    begun = plan(applied, applied, ids(applied), wishes)
    assert len(begun.prepare) == A_FEW + 1
    wishes = begun.wishes.cancel(ids(applied))
    planned = plan(applied, applied, ids(applied), wishes)
    assert (planned.is_idle, planned.prepare, planned.stale) == (True, [], 0)


TREES = st.dictionaries(
    st.sampled_from([f"s{i}" for i in range(2 * A_FEW)]), st.sampled_from("abcdefgh"), min_size=1, max_size=2 * A_FEW
).map(lambda tree: stories(**{name: f"{name} {text}" for name, text in tree.items()}))


@given(
    trees=st.lists(TREES, min_size=1, max_size=6),
    data=st.data(),
)
def test_whatever_happens_the_numbers_come_to_be_of_what_is_on_disk(
    trees: list[dict[str, Story]], data: st.DataObject
) -> None:
    """Follow plans as an open corpus does, whose texts arrive or not. Every text is run at most once."""
    wishes, applied, prepared, run = Wishes(), None, set[str](), list[str]()
    for tree in [*trees, trees[-1], trees[-1]]:
        planned = plan(tree, applied, prepared, wishes)
        wishes = planned.wishes
        urgent = ids(planned.now) - prepared
        assert len(urgent) <= A_FEW
        if planned.now and not planned.is_idle:
            run += sorted(urgent)
            applied = planned.now
            prepared = ids(planned.now) | (prepared & wishes.held)
            wishes = wishes.done(planned)
        done = (
            planned.prepare[: data.draw(st.integers(0, len(planned.prepare)))]
            if tree is not trees[-1]
            else planned.prepare
        )
        run += done
        prepared |= set(done)
        if set(planned.prepare) <= prepared:
            wishes = wishes.released()
    planned = plan(trees[-1], applied, prepared, wishes)
    assert planned.prepare == []
    assert planned.now == trees[-1]


@pytest.mark.parametrize("field", ["concepts", "paths"])
def test_retrain_covers_what_it_names(field: str) -> None:
    applied = stories(a="1", b="2")
    wishes = Wishes()
    name = "a" if field == "concepts" else "a.txt"
    wishes = wishes.retrain(Retrain(id=1, corpus="/c", **{field: [name]}), applied, applied)
    assert wishes.asked == {"a.txt"}
    assert plan(applied, applied, ids(applied), wishes).fresh == {text_id("1")}
