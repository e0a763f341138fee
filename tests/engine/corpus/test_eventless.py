"""Where events do not tell all changes, a corpus is looked at again and again, and somebody is told why."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchfiles import _rust_notify

from engine.corpus import mounts
from engine.corpus import survey as survey_module
from engine.corpus import watch as watch_module
from tests.engine.corpus.watching import STORY, Watch
from tests.waiting import eventually_async


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "POLL", 0.05)


async def test_corpus_that_the_system_cannot_watch(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(_rust_notify, "RustNotify", refused)
    watch = Watch(corpus)
    await eventually_async(lambda: watch.noticed > 3)
    assert set(watch.yielded) == {None}
    assert watch.said == ["it cannot be watched (OS file watch limit reached), so it is looked at every 0.05 s"]
    monkeypatch.undo()
    await eventually_async(lambda: watch.said[-1] == "")
    await watch.notices(lambda: (watch.corpus / STORY).write_text("Bells."))
    await watch.end()


async def test_watch_that_fails_while_it_stands(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __init__(self, *_: object) -> None:
            self.fails = False

        def watch(self, *_: object) -> str:
            if self.fails:
                raise _rust_notify.WatchfilesRustInternalError("OS file watch limit reached")
            self.fails = True
            return "timeout"

    monkeypatch.setattr(_rust_notify, "RustNotify", Failing)
    watch = Watch(corpus)
    await eventually_async(lambda: watch.noticed > 3)
    assert "it cannot be watched (OS file watch limit reached), so it is looked at every 0.05 s" in watch.said
    await watch.end()


async def test_corpus_whose_file_system_gives_no_events(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "file_system", lambda *_: "nfs4")
    watch = Watch(corpus)
    await eventually_async(lambda: watch.noticed > 3)
    await watch.end()
    assert set(watch.yielded) == {None}
    assert watch.said == ["its file system (nfs4) gives no events, so it is looked at every 0.05 s"]


# Links


async def test_link_into_a_hidden_folder_that_is_swapped(tmp_path: Path) -> None:
    """As Kubernetes and git-sync lay a folder."""
    for version in ("..v1", "..v2"):
        (tmp_path / version / "stories").mkdir(parents=True)
        (tmp_path / version / STORY).write_text(f"Bells of {version}.")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "stories").symlink_to("..data/stories")
    watch = Watch(tmp_path)
    await eventually_async(lambda: "Bells of ..v1." in watch.texts)
    (tmp_path / "..new").symlink_to("..v2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    await eventually_async(lambda: watch.texts[-1] == "Bells of ..v2.")
    (tmp_path / STORY).write_text("Bells, again.")
    await eventually_async(lambda: watch.texts[-1] == "Bells, again.")
    assert watch.said == ["stories is a link, whose changes are not told, so it is looked at every 0.05 s"]
    (tmp_path / "stories").unlink()
    shutil.copytree(tmp_path / "..v2" / "stories", tmp_path / "stories")
    await eventually_async(lambda: watch.said[-1] == "")
    await watch.end()


def test_words_name_a_few_folders(corpus: Path) -> None:
    for number in range(5):
        (corpus / "paired" / f"link{number}").symlink_to(next((corpus / "paired").iterdir()).name)
    seen = survey_module.survey(corpus)
    assert seen.incomplete == (
        "paired/link0, paired/link1, paired/link2 and 2 more are links, whose changes are not told"
    )


# Folders that cannot be looked at


async def test_error_above_the_folder_does_not_end_the_watch(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(corpus)
    await eventually_async(lambda: watch.yielded)
    stat = Path.stat

    def refused(self: Path, **options: bool) -> os.stat_result:
        if self == corpus:
            raise PermissionError(13, "Permission denied")
        return stat(self, **options)

    with monkeypatch.context() as moment:
        moment.setattr(Path, "stat", refused)
        await eventually_async(lambda: watch.said)
    assert watch.said[0] == "it cannot be looked at (Permission denied), so it is looked at every 0.05 s"
    await eventually_async(lambda: watch.said[-1] == "")
    (corpus / STORY).write_text("Bells.")
    await eventually_async(lambda: watch.texts[-1] == "Bells.")
    await watch.end()


UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
FOLLOW = """
    import asyncio, sys
    from pathlib import Path
    from engine.corpus import watch
    watch.POLL = 0.2

    async def main():
        corpus, stop = Path(sys.argv[1]), asyncio.Event()
        async for paths in watch.changes(corpus, stop, say=lambda words: print("said:", words, flush=True)):
            print("told:", "all" if paths is None else " ".join(sorted(paths)), flush=True)

    asyncio.run(main())
"""


class Followed:
    """A process that follows a corpus, started by a command that limits what it may do."""

    def __init__(self, command: list[str], corpus: Path) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*command, sys.executable, "-c", textwrap.dedent(FOLLOW), str(corpus)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.reading = threading.Thread(target=self._read)
        self.reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.strip() for line in self.process.stdout)

    async def says(self, condition: Callable[[list[str]], bool]) -> None:
        """Wait until a condition holds for the lines since this call."""
        before = len(self.lines)
        await eventually_async(lambda: condition(self.lines[before:]) or self.process.poll() is not None)
        assert self.process.poll() is None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reading.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


Follow = Callable[[list[str]], Followed]


@pytest.fixture
def follow(corpus: Path) -> Iterator[Follow]:
    """Follow the corpus in a process started by a command."""
    followed: list[Followed] = []

    def follow(command: list[str]) -> Followed:
        followed.append(Followed(command, corpus))
        return followed[-1]

    yield follow
    for one in followed:
        one.end()


def allowed(command: list[str]) -> bool:
    """Whether this system lets a command run."""
    try:
        return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def with_watches(number: int) -> list[str]:
    script = f'echo {number} > /proc/sys/user/max_inotify_watches && exec "$@"'
    return ["unshare", "-Ur", "bash", "-c", script, "bash"]


@pytest.mark.parametrize("number", [0, 2])
async def test_no_watches_left(follow: Follow, number: int) -> None:
    if not allowed(with_watches(number)):
        pytest.skip("this system does not let a user namespace limit its watches")
    followed = follow(with_watches(number))
    await followed.says(lambda lines: "told: all" in lines)
    assert any("cannot be watched" in line and "limit" in line for line in followed.lines), followed.lines
    await followed.says(lambda lines: lines.count("told: all") > 2)


async def test_last_watch_taken_by_a_new_folder(corpus: Path, follow: Follow) -> None:
    number = 1 + sum(path.is_dir() for path in corpus.rglob("*"))
    if not allowed(with_watches(number)):
        pytest.skip("this system does not let a user namespace limit its watches")
    followed = follow(with_watches(number))
    await followed.says(lambda lines: "told: all" in lines)
    assert not any("cannot be watched" in line for line in followed.lines)
    (corpus / "paired" / "new").mkdir()
    await followed.says(lambda lines: any("cannot be watched" in line for line in lines))
    await followed.says(lambda lines: lines.count("told: all") > 2)


async def test_folder_that_cannot_be_read_is_watched_once_it_can(corpus: Path, follow: Follow) -> None:
    command = UNPRIVILEGED if os.getuid() == 0 else []
    if command and not allowed(command):
        pytest.skip("root reads everything, and cannot give that right up here")
    folder = next((corpus / "paired").iterdir())
    folder.chmod(0)
    followed = follow(command)
    await followed.says(lambda lines: lines.count("told: all") > 2)
    assert any(f"paired/{folder.name} cannot be read" in line for line in followed.lines)
    folder.chmod(0o755)
    await followed.says(lambda lines: "said:" in lines)
    (folder / "joyful.txt").write_text("Bells.")
    await followed.says(lambda lines: f"told: paired/{folder.name}/joyful.txt" in lines)
    folder.chmod(0)
    await followed.says(lambda lines: any("cannot be read" in line for line in lines))
    folder.chmod(0o755)
    await followed.says(lambda lines: "said:" in lines)


# Mounts that do not answer


@pytest.mark.parametrize("hung", ["survey", "events"])
async def test_folder_that_does_not_answer_holds_neither_the_event_loop_nor_the_end(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, hung: str
) -> None:
    answers = threading.Event()

    def hang(*_: object) -> object:
        answers.wait()
        raise OSError("it answered")

    if hung == "survey":
        monkeypatch.setattr(watch_module, "survey", hang)
    else:
        monkeypatch.setattr(_rust_notify, "RustNotify", hang)
    watch = Watch(corpus)
    longest_s, last = 0.0, time.monotonic()
    for _ in range(30):
        await asyncio.sleep(0.01)
        longest_s, last = max(longest_s, time.monotonic() - last), time.monotonic()
    assert longest_s < 5.0
    assert not watch.yielded
    await watch.end()
    answers.set()
