"""`engine history` from the command line: revisions, how two differ, and stories brought back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import cli, paths
from engine.corpus import Change, Story, text_id
from engine.service.history.database import History
from engine.wire.revisions import Metrics, Revision

Run = Callable[..., tuple[int, str, str]]

TEXT = "First paragraph.\n\n  Indented, with \x1b[31mred\x1b[0m and \ttab, ünïcode\u2028and a \rcarriage return."
CALM = Metrics(bucket="mixed", n_stories=2, first_pc=0.5, nearest="sad", nearest_cosine=0.61, r_squared=0.25)


def story(path: str, text: str) -> Story:
    return Story(path=path, concept=Path(path).stem, scenario=None, text=text, text_id=text_id(text))


def revision(number: int, cause: str, changes: list[Change], texts_run: int) -> Revision:
    return Revision(
        number=number,
        when=1.7e9 + number,
        cause=cause,
        settings="{}",
        changes=changes,
        texts_run=texts_run,
        seconds=0.04,
    )


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A corpus with three revisions, in a state directory and a time zone of its own; there are no files to it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    corpus = tmp_path / "corpus"
    history = History(paths.history_path(corpus), corpus)
    before = {"stories/calm.txt": story("stories/calm.txt", TEXT), "stories/sad.txt": story("stories/sad.txt", "Sad.")}
    history.record(revision(1, "opened", [], 2), "1", before, {"calm": CALM, "sad": CALM})
    after = {
        "stories/calm.txt": story("stories/calm.txt", "Edited."),
        "stories/new.txt": story("stories/new.txt", "New."),
    }
    changes = [
        Change(path="stories/calm.txt", kind="edited"),
        Change(path="stories/new.txt", kind="added"),
        Change(path="stories/sad.txt", kind="removed"),
    ]
    better = Metrics(
        bucket="clean (circuit)", n_stories=2, first_pc=0.75, nearest=None, nearest_cosine=None, r_squared=None
    )
    history.record(revision(2, "edited", changes, 1), "2", after, {"calm": better, "new": CALM})
    history.record(revision(10, "retrained", [], 1234), "3", after, {"calm": better, "new": CALM})
    history.close()
    yield corpus
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `history` in this process: exit code, output, diagnostics."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        try:
            code = cli.run(["history", *map(str, words)])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_revisions_are_listed_newest_first(run: Run, corpus: Path) -> None:
    code, said, err = run(corpus)
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        "10  2023-11-14 22:13:30  retrained   1234 texts run  no file changed",
        " 2  2023-11-14 22:13:22  edited         1 text  run  "
        "edited stories/calm.txt; added stories/new.txt; removed stories/sad.txt",
        " 1  2023-11-14 22:13:21  opened         2 texts run  no file changed",
    ]
    assert run(corpus, "--limit", "1")[1].splitlines() == said.splitlines()[:1]


def test_of_many_files_some_are_named(run: Run, corpus: Path) -> None:
    history = History(paths.history_path(corpus), corpus)
    changes = [Change(path=f"stories/n{i}.txt", kind="added") for i in range(5)]
    history.record(revision(11, "edited", [*changes, Change(path="stories/z.txt", kind="edited")], 6), "4", {}, {})
    history.close()
    said = run(corpus, "--limit", "1")[1]
    assert said.endswith("edited stories/z.txt; added stories/n0.txt, stories/n1.txt and 3 more\n")


def test_a_moved_story_is_told_with_its_old_path(run: Run, corpus: Path) -> None:
    history = History(paths.history_path(corpus), corpus)
    change = Change(path="stories/sad.txt", kind="moved", old="stories/calm.txt")
    history.record(revision(11, "edited", [change], 0), "4", {}, {})
    history.close()
    assert run(corpus, "--limit", "1")[1].endswith("moved stories/calm.txt → stories/sad.txt\n")


def test_list_as_json(run: Run, corpus: Path) -> None:
    code, said, _ = run(corpus, "--json", "--limit", "2")
    answer = json.loads(said)
    assert (code, answer["corpus"]) == (0, str(corpus))
    assert [one["number"] for one in answer["revisions"]] == [10, 2]
    assert answer["revisions"][1]["changes"][0] == {"path": "stories/calm.txt", "kind": "edited"}
    assert answer["revisions"][0] == {
        "number": 10,
        "when": 1.7e9 + 10,
        "cause": "retrained",
        "settings": "{}",
        "changes": [],
        "texts_run": 1234,
        "seconds": 0.04,
    }


def test_two_revisions_are_compared(run: Run, corpus: Path) -> None:
    code, said, err = run(corpus, "--compare", "1", "10")
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        "revision 1 → 10",
        "edited   stories/calm.txt",
        "added    stories/new.txt",
        "removed  stories/sad.txt",
        "calm  mixed → clean (circuit), first PC 0.5000 → 0.7500, nearest sad 0.6100 → none, R² 0.2500 → unknown",
        "new   no vector → mixed, stories 2, first PC 0.5000, nearest sad 0.6100, R² 0.2500",
        "sad   mixed, stories 2, first PC 0.5000, nearest sad 0.6100, R² 0.2500 → no vector",
    ]
    assert run(corpus, "--compare", "2", "10")[1].splitlines() == [
        "revision 2 → 10",
        "no file differs",
        "no number differs",
    ]


def test_comparison_as_json(run: Run, corpus: Path) -> None:
    code, said, _ = run(corpus, "--compare", "10", "1", "--json")
    answer = json.loads(said)
    assert (code, answer["before"], answer["after"]) == (0, 10, 1)
    assert answer["changes"][1] == {"path": "stories/new.txt", "kind": "removed"}
    assert answer["metrics"]["sad"] == [
        None,
        {
            "bucket": "mixed",
            "n_stories": 2,
            "first_pc": 0.5,
            "nearest": "sad",
            "nearest_cosine": 0.61,
            "r_squared": 0.25,
        },
    ]


def test_earlier_text_is_brought_back_byte_for_byte(corpus: Path, tmp_path: Path) -> None:
    restored = tmp_path / "restored.txt"
    with restored.open("wb") as stream:
        words = [sys.executable, "-m", "engine", "history", str(corpus), "--text", "1", "stories/calm.txt"]
        subprocess.run(words, stdout=stream, check=True, timeout=60, env=os.environ | {"LC_ALL": "C"})
    assert restored.read_bytes() == TEXT.encode() + b"\n"


def test_earlier_text_is_made_safe_for_a_terminal(run: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, said, _ = run(corpus, "--text", "1", "stories/calm.txt")
    assert code == 0
    assert said.startswith("First paragraph.\n\n  Indented, with ␛[31mred␛[0m")
    assert "\x1b" not in said
    assert "\r" not in said


@pytest.mark.parametrize(
    "words",
    [
        ("--text", "2", "stories/sad.txt"),
        ("--text", "3", "stories/calm.txt"),
        ("--text", "9" * 30, "stories/calm.txt"),
        ("--compare", "1", "3"),
        ("--compare", "9" * 30, "1"),
    ],
)
def test_what_is_not_there_exits_1(run: Run, corpus: Path, words: tuple[str, ...]) -> None:
    code, said, err = run(corpus, *words)
    assert (code, said) == (1, "")
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x.txt", "stories/../x.txt", "./stories/calm.txt", "stories//calm.txt", ".", "", "a\x1b[2J.txt"],
)
def test_path_that_is_no_storys_exits_2(run: Run, corpus: Path, path: str) -> None:
    code, said, err = run(corpus, "--text", "1", path)
    assert (code, said) == (2, "")
    assert "is not a story's path within the corpus" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("CORPUS", "--limit", "0"),
        ("CORPUS", "--limit", "many"),
        ("CORPUS", "--compare", "1"),
        ("CORPUS", "--compare", "1", "two"),
        ("CORPUS", "--text", "one", "stories/calm.txt"),
        ("CORPUS", "--text", "9" * 5000, "stories/calm.txt"),
        ("CORPUS", "--text", "1", "stories/calm.txt", "--json"),
        ("CORPUS", "--text", "1", "stories/calm.txt", "--compare", "1", "2"),
    ],
)
def test_bad_usage_exits_2(run: Run, corpus: Path, words: tuple[str, ...]) -> None:
    code, said, err = run(*(str(corpus) if word == "CORPUS" else word for word in words))
    assert (code, said) == (2, "")
    assert "Traceback" not in err


def test_without_a_history_it_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    code, said, err = run(tmp_path / "other")
    assert (code, said) == (1, "")
    assert f"no history of {tmp_path / 'other'} yet" in err
    History(paths.history_path(tmp_path / "empty"), tmp_path / "empty").close()
    code, said, err = run(tmp_path / "empty")
    assert (code, said) == (1, "")
    assert f"no history of {tmp_path / 'empty'} yet" in err
    assert not paths.history_path(tmp_path / "other").exists()


def test_escape_sequences_never_reach_the_terminal(run: Run, corpus: Path) -> None:
    history = History(paths.history_path(corpus), corpus)
    change = Change(path="stories/\x1b[2J.txt", kind="added")
    evil = Metrics(
        bucket="\x1b[31m", n_stories=1, first_pc=None, nearest="\x1b[0m", nearest_cosine=None, r_squared=None
    )
    history.record(
        revision(11, "\x1b[1mbold", [change], 1), "4", {change.path: story(change.path, "x")}, {"\x1b[5m": evil}
    )
    history.close()
    for words in [(), ("--compare", "1", "11")]:
        code, said, err = run(corpus, *words)
        assert code == 0
        assert "\x1b" not in said + err
