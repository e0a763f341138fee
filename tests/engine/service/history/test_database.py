"""The history says what was at every revision that it keeps, whole or not at all, and never stops the engine."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import paths
from engine.corpus import Change, Story, diff, text_id
from engine.errors import AmygdalaError
from engine.service.history import database as history_module
from engine.service.history.database import History
from engine.wire.revisions import Metrics
from tests.engine.service.history.recording import (
    CORPUS,
    metrics,
    metrics_at,
    record,
    revision,
    stories,
    stories_at,
    texts_at,
)

# What was recorded is there


def test_new_history_is_empty(history: History) -> None:
    assert history.last is None
    assert history.revisions() == []
    assert history.texts_of("stories/a.txt", 10) == []
    with pytest.raises(AmygdalaError, match="no revision 1 in the history of /a/corpus, which is empty"):
        stories_at(history, 1)


def test_revisions_come_newest_first(history: History) -> None:
    recorded = [revision(number, [Change(path="stories/a.txt", kind="edited")]) for number in (1, 2, 4)]
    for one in recorded:
        history.record(one, "f", stories(a=str(one.number)), {})
    assert history.revisions() == recorded[::-1]
    assert history.revisions(limit=1) == recorded[2:]
    assert history.revisions(before=4) == [recorded[1], recorded[0]]
    assert history.revisions(limit=1, before=2) == [recorded[0]]


def test_state_at_a_revision_is_what_was_then(history: History) -> None:
    history.record(revision(1), "one", stories(a="x", b="y"), metrics(a=0.1, b=0.2))
    history.record(revision(2), "two", stories(a="z", c="y"), metrics(a=0.1, c=0.3))
    assert history.last == (2, "two")
    assert stories_at(history, 1) == {"stories/a.txt": text_id("x"), "stories/b.txt": text_id("y")}
    assert stories_at(history, 2) == {"stories/a.txt": text_id("z"), "stories/c.txt": text_id("y")}
    assert metrics_at(history, 1) == metrics(a=0.1, b=0.2)
    assert metrics_at(history, 2) == metrics(a=0.1, c=0.3)
    assert history.text(1, "stories/a.txt") == "x"
    assert history.text(2, "stories/b.txt") is None
    assert history.text(2, "stories/nosuch.txt") is None


def test_revisions_are_compared_in_either_direction(history: History) -> None:
    history.record(revision(1), "f", stories(a="x", b="y", d="v"), metrics(a=0.1, b=0.2, d=0.4))
    history.record(revision(2), "f", stories(a="z", c="w", d="v"), metrics(a=0.15, c=0.3, d=0.4))
    there, back = history.compare(1, 2), history.compare(2, 1)
    assert [(change.kind, change.path) for change in there.changes] == [
        ("edited", "stories/a.txt"),
        ("removed", "stories/b.txt"),
        ("added", "stories/c.txt"),
    ]
    assert there.metrics == {
        "a": (metrics(a=0.1)["a"], metrics(a=0.15)["a"]),
        "b": (metrics(b=0.2)["b"], None),
        "c": (None, metrics(c=0.3)["c"]),
    }
    assert [change.kind for change in back.changes] == ["edited", "added", "removed"]
    assert back.metrics == {name: (new, old) for name, (old, new) in there.metrics.items()}
    same = history.compare(2, 2)
    assert (same.changes, same.metrics) == ([], {})


def test_changes_of_one_story_are_listed(history: History) -> None:
    for number, texts in enumerate([{"a": "x"}, {"a": "x", "b": "y"}, {"a": "z"}, {}, {"a": "x"}], 1):
        record(history, number, **texts)
    assert history.texts_of("stories/a.txt", 10) == [(5, text_id("x")), (4, None), (3, text_id("z")), (1, text_id("x"))]
    assert history.texts_of("stories/a.txt", 2) == [(5, text_id("x")), (4, None)]


@pytest.mark.parametrize("number", [0, 2, -1])
def test_unknown_revision_is_named(history: History, number: int) -> None:
    record(history, 1, a="x")
    record(history, 3, a="y")
    for ask in (
        lambda unknown: history.text(unknown, "stories/a.txt"),
        lambda unknown: history.compare(1, unknown),
        lambda unknown: history.compare(unknown, 1),
    ):
        with pytest.raises(AmygdalaError, match=f"no revision {number} in .* which goes from 1 to 3"):
            ask(number)


def test_number_too_large_for_the_database_is_no_crash(history: History) -> None:
    with pytest.raises(AmygdalaError):
        history.text(1 << 70, "stories/a.txt")
    with pytest.raises(AmygdalaError):
        history.revisions(before=1 << 70)


def test_only_differences_are_stored(history: History, file: Path) -> None:
    texts = {f"n{i}": f"text {i}" for i in range(100)}
    for number in range(1, 11):
        record(history, number, **texts | {"n0": f"version {number}"})
    with sqlite3.connect(file) as database:
        for table, rows in ("stories", 109), ("metrics", 100), ("texts", 109):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,), table


def test_number_that_does_not_grow_is_refused(history: History, caplog: pytest.LogCaptureFixture) -> None:
    record(history, 2, a="x")
    record(history, 2, a="y")
    record(history, 1, a="z")
    assert "revisions of /a/corpus are not being kept" in caplog.text
    assert texts_at(history, 2) == {"a": "x"}
    record(history, 3, a="z")
    assert texts_at(history, 3) == {"a": "z"}


TREES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"))
NUMBERS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([0.1, 0.2]))


@settings(max_examples=60)
@given(steps=st.lists(st.tuples(TREES, NUMBERS, st.booleans(), st.integers(1, 3)), max_size=15))
def test_states_are_an_oracles(steps: list[tuple[dict[str, str], dict[str, float], bool, int]]) -> None:
    kept: list[tuple[int, dict[str, Story], dict[str, Metrics]]] = []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_module, "MAX_REVISIONS", 6)
        patch.setattr(history_module, "CHUNK", 3)
        history = History(Path(folder) / "x.sqlite", CORPUS)
        number = 0
        for tree, numbers, reopen, step in steps:
            number += step
            kept.append((number, stories(**tree), metrics(**numbers)))
            if len(kept) > 6:
                del kept[:3]
            history.record(revision(number), str(number), *kept[-1][1:])
            if reopen:
                history.close()
                history = History(Path(folder) / "x.sqlite", CORPUS)
            assert history.last == (number, str(number))
        assert [one.number for one in history.revisions()] == [number for number, *_ in kept][::-1]
        for number, then, numbers_then in kept:
            assert stories_at(history, number) == {path: story.text_id for path, story in then.items()}
            assert metrics_at(history, number) == numbers_then
            assert {path: history.text(number, path) for path in then} == {p: s.text for p, s in then.items()}
            compared = history.compare(number, kept[0][0])
            assert compared.changes == diff(then.values(), kept[0][1].values())
        for path in stories(a="", b=""):
            changed: list[tuple[int, str | None]] = []
            before = None
            for number, then, _ in kept:
                now = then[path].text_id if path in then else None
                if now != before:
                    changed.append((number, now))
                before = now
            assert history.texts_of(path, 100) == changed[::-1]
        (n_texts,) = history._connection.execute("SELECT count(*) FROM texts").fetchone()
        assert n_texts == len({story.text for _, then, _ in kept for story in then.values()})
        history.close()


# Bounded


def test_oldest_are_folded_in_chunks(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MAX_REVISIONS", 20)
    monkeypatch.setattr(history_module, "CHUNK", 5)
    counts = []
    for number in range(1, 41):
        record(history, number, a=f"version {number}", b="the same", **({"gone": "x"} if number < 3 else {}))
        counts.append(len(history.revisions(100)))
    assert counts[19:25] == [20, 16, 17, 18, 19, 20]
    assert max(counts) == 20
    oldest = history.revisions(100)[-1].number
    assert texts_at(history, oldest) == {"a": f"version {oldest}", "b": "the same"}
    assert history.texts_of("stories/b.txt", 10) == [(oldest, text_id("the same"))]
    assert history.texts_of("stories/gone.txt", 10) == []
    with pytest.raises(AmygdalaError, match=f"no revision 1 .* goes from {oldest} to 40"):
        stories_at(history, 1)


# Others read at the same time


def test_reader_sees_what_is_recorded_meanwhile(history: History, file: Path) -> None:
    record(history, 1, a="x")
    reader = History(file, CORPUS, readonly=True)
    assert texts_at(reader, 1) == {"a": "x"}
    record(history, 2, a="y")
    assert reader.last == (2, "fingerprint 2")
    assert texts_at(reader, 2) == {"a": "y"}
    reader.close()


def test_reader_creates_and_changes_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AmygdalaError, match="no history of /a/corpus yet"):
        History(file, CORPUS, readonly=True)
    assert not file.parent.exists()
    history = History(file, CORPUS)
    record(history, 1, a="x")
    history.close()
    before = file.read_bytes()
    reader = History(file, CORPUS, readonly=True)
    assert texts_at(reader, 1) == {"a": "x"}
    record(reader, 2, a="y")
    assert "not being kept" in caplog.text
    assert reader.last == (1, "fingerprint 1")
    reader.close()
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"this is no database" * 100])
def test_what_is_no_history_cannot_be_read(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    reader = History(file, CORPUS, readonly=True)
    with pytest.raises(AmygdalaError, match="the history of /a/corpus cannot be read"):
        reader.revisions()
    reader.close()


def test_readers_in_other_threads_see_whole_revisions(history: History, file: Path) -> None:
    names = [f"n{i}" for i in range(50)]
    record(history, 1, **dict.fromkeys(names, "1"))
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        reader = History(file, CORPUS, readonly=True)
        try:
            while not done.is_set():
                last = reader.last
                assert last is not None
                assert set(stories_at(reader, last[0]).values()) == {text_id(str(last[0]))}
        except BaseException as error:
            failures.append(error)
        finally:
            reader.close()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(2, 60):
        record(history, number, **dict.fromkeys(names, str(number)))
    done.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_another_engines_revisions_are_built_upon(history: History, file: Path) -> None:
    record(history, 1, a="x", b="x")
    other = History(file, CORPUS)
    record(other, 2, a="y", b="x")
    assert history.last == (2, "fingerprint 2")
    record(history, 3, a="x", b="x")
    assert [texts_at(history, number)["a"] for number in (1, 2, 3)] == ["x", "y", "x"]
    other.close()


def test_history_may_be_used_by_one_thread_after_another(history: History) -> None:
    thread = threading.Thread(target=record, args=(history, 1), kwargs={"a": "x"})
    thread.start()
    thread.join()
    assert history.last == (1, "fingerprint 1")


# Where it lies


def test_each_corpus_has_its_own_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "link").symlink_to("corpus")
    file = paths.history_path(tmp_path / "corpus")
    assert file == paths.history_path(tmp_path / "link") != paths.history_path(tmp_path)
    assert file.is_relative_to(os.environ["XDG_STATE_HOME"])
    assert not file.exists()


def test_it_is_for_the_user_alone_and_says_whose_it_is(history: History, file: Path) -> None:
    assert history.last is None
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT corpus FROM about").fetchall() == [(str(CORPUS),)]
