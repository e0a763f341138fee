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


def ids(found: Mapping[str, Story]) -> set[str]:
    return {each.text_id for each in found.values()}


def many(prefix: str, count: int = A_FEW + 1) -> dict[str, Story]:
    return stories(**{f"s{i}": f"{prefix} {i}" for i in range(count)})


def texts(found: Plan) -> dict[str, str]:
    return {path: each.text for path, each in found.now.items()}


def test_a_few_edits_are_computed_at_once() -> None:
    applied = stories(a="1", b="2")
    found = plan(stories(a="1", b="3"), applied, ids(applied), Wishes())
    assert texts(found) == {"a.txt": "1", "b.txt": "3"}
    assert [(change.path, change.kind) for change in found.changes] == [("b.txt", "edited")]
    assert found.prepare == []
    assert not found.is_idle


def test_nothing_to_do_is_idle() -> None:
    applied = stories(a="1")
    assert plan(applied, applied, ids(applied), Wishes()).is_idle


def test_many_changes_wait_until_all_are_prepared() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes()
    found = plan(disk, applied, ids(applied), wishes)
    assert found.is_idle
    assert found.waiting == disk.keys()
    assert set(found.prepare) == ids(disk)
    half = set(found.prepare[:5])
    again = plan(disk, applied, ids(applied) | half, wishes)
    assert again.is_idle
    assert set(again.prepare) == ids(disk) - half
    wishes.held.clear()  # all are at hand
    assert texts(plan(disk, applied, ids(applied) | ids(disk), wishes)) == {path: s.text for path, s in disk.items()}


def test_an_edit_does_not_wait_for_the_many() -> None:
    applied, disk, wishes = many("old") | stories(mine="1"), many("new") | stories(mine="1"), Wishes()
    plan(disk, applied, ids(applied), wishes)
    found = plan(disk | stories(mine="2"), applied, ids(applied), wishes)
    assert texts(found)["mine.txt"] == "2"
    assert texts(found)["s0.txt"] == "old 0"
    assert [change.path for change in found.changes] == ["mine.txt"]


def test_text_that_was_overtaken_is_not_prepared() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes()
    plan(disk, applied, ids(applied), wishes)
    found = plan(disk | stories(s0="newer"), applied, ids(applied), wishes)
    assert text_id("new 0") not in found.prepare
    assert [change.path for change in found.changes] == ["s0.txt"]


def test_first_stories_are_computed_together() -> None:
    wishes, disk = Wishes(), many("new")
    assert plan(disk, None, (), wishes).now == {}
    more = plan(disk | stories(mine="2"), None, (), wishes)
    assert more.now == {}
    assert text_id("2") in more.prepare
    few = plan(stories(a="1", b="2"), None, (), Wishes())
    assert texts(few) == {"a.txt": "1", "b.txt": "2"}


def test_story_on_screen_goes_before_the_many() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes()
    found = plan(disk, applied, ids(applied), wishes, ["s3.txt"])
    assert [change.path for change in found.changes] == ["s3.txt"]
    assert text_id("new 3") not in found.prepare
    first = plan(disk, None, (), Wishes(), ["s3.txt"])
    assert (first.prepare[0], first.first) == (text_id("new 3"), (text_id("new 3"),))


def test_retrain_of_all_is_one_whatever_is_on_screen() -> None:
    applied, wishes = many("old"), Wishes()
    wishes.retrain(ALL, applied, applied)
    found = plan(applied, applied, ids(applied), wishes, ["s3.txt"])
    assert found.is_idle
    assert set(found.prepare) == ids(applied)
    assert found.first == (text_id("old 3"),)


def test_paused_changes_are_stale_until_asked_for() -> None:
    applied, disk, wishes = stories(a="1", b="1"), stories(a="2", b="2", c="2"), Wishes(live=False)
    found = plan(disk, applied, ids(applied), wishes)
    assert found.is_idle
    assert found.stale == 3
    wishes.retrain(Retrain(id=1, corpus="/c", paths=["b.txt"]), disk, applied)
    found = plan(disk, applied, ids(applied), wishes)
    assert texts(found) == {"a.txt": "1", "b.txt": "2"}
    assert found.fresh == {text_id("2")}
    wishes.done(found)
    assert plan(disk, found.now, ids(found.now), wishes).is_idle


def test_deleted_story_leaves_a_paused_corpus_when_asked() -> None:
    applied, wishes = stories(a="1", b="2"), Wishes(live=False)
    wishes.retrain(ALL, stories(a="1"), applied)
    assert texts(plan(stories(a="1"), applied, ids(applied), wishes)) == {"a.txt": "1"}


def test_paused_retrain_of_many_is_remembered_while_it_is_prepared() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes(live=False)
    wishes.retrain(ALL, disk, applied)
    found = plan(disk, applied, ids(applied), wishes)
    assert found.is_idle
    wishes.done(found)
    wishes.fresh.clear()
    wishes.held.clear()
    assert texts(plan(disk, applied, ids(applied) | ids(disk), wishes)) == {path: s.text for path, s in disk.items()}


def test_cancelled_texts_wait_until_they_change_or_are_asked_for() -> None:
    applied, disk, wishes = many("old"), many("new"), Wishes()
    plan(disk, applied, ids(applied), wishes)
    known = ids(applied) | {text_id("new 0")}
    wishes.cancel(known)
    found = plan(disk, applied, known, wishes)
    assert found.prepare == []
    assert [change.path for change in found.changes] == ["s0.txt"]
    assert found.stale == A_FEW
    changed = plan(disk | stories(s1="newer"), applied, known, wishes)
    assert [change.path for change in changed.changes] == ["s0.txt", "s1.txt"]
    wishes.retrain(Retrain(id=1, corpus="/c", paths=["s2.txt"]), disk, applied)
    asked = plan(disk, applied, known, wishes)
    assert [change.path for change in asked.changes] == ["s0.txt", "s2.txt"]


def test_cancelling_a_retrain_leaves_the_stories_as_they_were() -> None:
    applied, wishes = many("old"), Wishes()
    wishes.retrain(ALL, applied, applied)
    assert len(plan(applied, applied, ids(applied), wishes).prepare) == A_FEW + 1
    wishes.cancel(ids(applied))
    found = plan(applied, applied, ids(applied), wishes)
    assert (found.is_idle, found.prepare, found.stale) == (True, [], 0)


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
    """Follow plans as the host does, with preparation that gets somewhere or not; every text is run once at most."""
    wishes, applied, known, run = Wishes(), None, set[str](), list[str]()
    for tree in [*trees, trees[-1], trees[-1]]:
        found = plan(tree, applied, known, wishes)
        urgent = ids(found.now) - known
        assert len(urgent) <= A_FEW
        if found.now and not found.is_idle:
            run += sorted(urgent)
            applied = found.now
            known = ids(found.now) | (known & wishes.held)
            wishes.done(found)
        done = (
            found.prepare[: data.draw(st.integers(0, len(found.prepare)))] if tree is not trees[-1] else found.prepare
        )
        run += done
        known |= set(done)
        if set(found.prepare) <= known:
            wishes.held.clear()
    found = plan(trees[-1], applied, known, wishes)
    assert found.prepare == []
    assert found.now == trees[-1]


@pytest.mark.parametrize("field", ["concepts", "paths"])
def test_retrain_covers_what_it_names(field: str) -> None:
    applied = stories(a="1", b="2")
    wishes = Wishes()
    name = "a" if field == "concepts" else "a.txt"
    wishes.retrain(Retrain(id=1, corpus="/c", **{field: [name]}), applied, applied)
    assert wishes.asked == {"a.txt"}
    assert plan(applied, applied, ids(applied), wishes).fresh == {text_id("1")}
