"""`accepted.tsv`: which stories a writer accepts as they are, read and written so that no line is lost."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.corpus import Accepted, Layout, Scanner, text_id
from engine.corpus.accepted import FILE, one_line, rewritten, understood, write
from engine.errors import AmygdalaError
from tests.engine.corpus.scanning import Write, read
from tests.engine.corpus.watching import Watch
from tests.waiting import eventually_async

NAMES = st.text("aZ é.-#0\N{ZERO WIDTH JOINER}\N{CJK UNIFIED IDEOGRAPH-5B57}", min_size=1, max_size=6)
PATHS = st.one_of(
    NAMES.map(lambda name: f"stories/{name}.txt"),
    st.tuples(NAMES, NAMES).map(lambda names: f"paired/{names[0]}/{names[1]}.txt"),
)
TEXT_IDS = st.text().map(text_id)
REASONS = st.text(st.characters(), max_size=20)
ENTRIES = st.builds(lambda i, reason: Accepted(text_id=i, reason=reason), TEXT_IDS, REASONS)
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=30)
GOOD = text_id("A good story.")


def of(entries: dict[str, Accepted]) -> str:
    """A file with these entries, accepted one by one."""
    content = ""
    for path, accepted in entries.items():
        content = rewritten(content, path, accepted)
    return content


@given(entries=st.dictionaries(PATHS, ENTRIES, max_size=8))
def test_what_was_written_is_read_and_lines_are_sorted_by_path(entries: dict[str, Accepted]) -> None:
    content = of(entries)
    said = {path: Accepted(text_id=e.text_id, reason=one_line(e.reason)) for path, e in entries.items()}
    assert understood(content) == (said, [])
    assert [line.split("\t")[0] for line in content.split("\n")[:-1]] == sorted(entries)
    assert not content or content.endswith("\n")
    assert understood("\ufeff" + content.replace("\n", "\r\n")) == (said, [])


@given(
    entries=st.dictionaries(PATHS, ENTRIES, max_size=4),
    others=st.lists(st.tuples(st.integers(0, 9), LINES), max_size=4),
    path=PATHS,
    accepted=st.none() | ENTRIES,
)
def test_rewriting_changes_one_story_and_loses_no_line(
    entries: dict[str, Accepted], others: list[tuple[int, str]], path: str, accepted: Accepted | None
) -> None:
    lines = of(entries).split("\n")[:-1]
    for at, line in others:
        lines.insert(at, line)
    before = "".join(f"{line}\n" for line in lines)
    after = rewritten(before, path, accepted)
    kept = [line for line in before.removeprefix("\ufeff").split("\n")[:-1] if line.split("\t")[0] != path]
    assert [line for line in after.split("\n")[:-1] if line.split("\t")[0] != path] == kept
    said = understood(after).accepted
    assert said.get(path) == (accepted and Accepted(text_id=accepted.text_id, reason=one_line(accepted.reason)))
    assert {other: e for other, e in said.items() if other != path} == {
        other: e for other, e in understood(before).accepted.items() if other != path
    }


@given(entries=st.dictionaries(PATHS, ENTRIES, max_size=5), path=PATHS, accepted=ENTRIES)
def test_taking_back_leaves_the_file_as_it_was(entries: dict[str, Accepted], path: str, accepted: Accepted) -> None:
    entries.pop(path, None)
    assert rewritten(rewritten(of(entries), path, accepted), path, None) == of(entries)


@pytest.fixture(scope="module")
def merging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merging")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
@pytest.mark.parametrize("how", ["plain", "union"])
@settings(max_examples=40)
@given(
    base=st.dictionaries(PATHS, ENTRIES, max_size=4),
    one=st.dictionaries(PATHS, ENTRIES, max_size=3),
    other=st.dictionaries(PATHS, ENTRIES, max_size=3),
)
def test_lines_of_two_writers_merge(
    merging: Path,
    how: str,
    base: dict[str, Accepted],
    one: dict[str, Accepted],
    other: dict[str, Accepted],
) -> None:
    """What both accept anew stands; where git leaves markers, these alone are named."""
    one = {path: e for path, e in one.items() if path not in base}
    other = {path: e for path, e in other.items() if path not in base and path not in one}
    for name, entries in (("base", base), ("one", base | one), ("other", base | other)):
        (merging / name).write_bytes(of(entries).encode())
    flags = ["--union"] if how == "union" else []
    merged = subprocess.run(
        ["git", "merge-file", "-p", *flags, "one", "base", "other"], cwd=merging, capture_output=True, check=False
    ).stdout.decode()
    accepted, problems = understood(merged)
    assert accepted == understood(of(base | one | other)).accepted
    assert all("left by a merge" in problem.message or "more lines" in problem.message for problem in problems)
    assert how == "plain" or not problems


def test_lines_that_are_not_understood_are_named_and_skipped(root: Path, put: Write) -> None:
    put(
        FILE,
        f"\ufeffstories/good.txt\t{GOOD}\tmeant so\n\nno line of ours\nstories/a.txt\t{GOOD}\tone\n"
        f"<<<<<<< HEAD\nstories/a.txt\t{GOOD}\tother\r\n../stories/b.txt\t{GOOD}\t\nstories/c.txt\t{GOOD}",
    )
    corpus = read(root)
    assert corpus.accepted == {
        "stories/good.txt": Accepted(text_id=GOOD, reason="meant so"),
        "stories/c.txt": Accepted(text_id=GOOD, reason=""),
    }
    assert corpus.acceptance(corpus.stories[0]) == "meant so"
    messages = [problem.message for problem in corpus.problems]
    assert {(problem.path, problem.severity, problem.code) for problem in corpus.problems} == {
        (FILE, "warning", "accepted")
    }
    for words in ("line 3 is skipped", "lines 4 and 6 differ on stories/a.txt", "line 5 is left by a merge", "line 7"):
        assert any(words in message for message in messages), words
    assert len(messages) == 4


def test_a_file_of_another_kind_is_named_once_and_never_written_over(root: Path, put: Write) -> None:
    content = b"\xff\xfe\x00PK"
    file = put(FILE, content)
    corpus = read(root)
    assert [problem.severity for problem in corpus.problems] == ["error"]
    assert "not UTF-8" in corpus.problems[0].message
    assert len(corpus.stories) == 1
    with pytest.raises(AmygdalaError, match="not UTF-8"):
        write(root, "stories/good.txt", Accepted(text_id=GOOD, reason=""))
    assert file.read_bytes() == content
    file.write_text("".join(f"line {n}\n" for n in range(1000)))
    messages = [problem.message for problem in read(root).problems]
    assert len(messages) == 6
    assert "995 more lines like these are skipped" in messages


def test_a_link_out_of_the_corpus_is_neither_read_nor_written(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.tsv"
    outside.write_text("")
    (root / FILE).symlink_to(outside)
    assert [problem.severity for problem in read(root).problems] == ["error"]
    with pytest.raises(AmygdalaError, match="leads out of the corpus"):
        write(root, "stories/good.txt", Accepted(text_id=GOOD, reason=""))
    assert outside.read_text() == ""


def test_a_fifo_under_this_name_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / FILE)
    assert "not a regular file" in read(root).problems[0].message


def test_the_file_is_for_those_who_share_the_corpus(root: Path) -> None:
    root.chmod(0o775)
    write(root, "stories/good.txt", Accepted(text_id=GOOD, reason="so"))
    assert stat.S_IMODE((root / FILE).stat().st_mode) == 0o664
    (root / FILE).chmod(0o640)
    write(root, "stories/good.txt", None)
    assert stat.S_IMODE((root / FILE).stat().st_mode) == 0o640
    assert (root / FILE).read_text() == ""
    assert sorted(file.name for file in root.iterdir()) == [FILE, "stories"], "no temporary file is left"


def test_an_entry_of_an_earlier_text_has_no_effect_and_stays(root: Path, put: Write) -> None:
    write(root, "stories/good.txt", Accepted(text_id=GOOD, reason="so"))
    scanner = Scanner(Layout.of(root))
    assert scanner.scan().acceptance(scanner.scan().stories[0]) == "so"
    put("stories/good.txt", "Another story.")
    changed = scanner.scan({"stories/good.txt"})
    assert changed.acceptance(changed.stories[0]) is None
    assert changed.accepted == {"stories/good.txt": Accepted(text_id=GOOD, reason="so")}
    write(root, "stories/good.txt", Accepted(text_id=changed.stories[0].text_id, reason=""))
    anew = scanner.scan({FILE})
    assert anew.acceptance(anew.stories[0]) == ""
    assert scanner.scan({FILE}) is anew
    (root / FILE).unlink()
    assert scanner.scan({FILE}).accepted == {}


async def test_a_colleagues_acceptance_is_noticed(corpus: Path) -> None:
    watch = Watch(corpus)
    await eventually_async(lambda: watch.noticed)
    await watch.notices(lambda: write(corpus, "stories/joyful.txt", Accepted(text_id=GOOD, reason="so")))
    assert FILE in watch.named
    await watch.end()
