"""Where things lie, and where the socket is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import paths
from engine.errors import AmygdalaError


def test_private_dir_is_made_for_the_user_alone(tmp_path: Path) -> None:
    made = paths.private_dir(tmp_path / "a" / "b")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert paths.private_dir(made) == made


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_directory_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(AmygdalaError, match=r"others may write to .*open; run: chmod 700"):
        paths.private_dir(folder)


def test_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(AmygdalaError, match="link is not a directory of yours"):
        paths.private_dir(tmp_path / "link")


def test_another_users_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    with pytest.raises(AmygdalaError, match="theirs is not a directory of yours"):
        paths.private_dir(tmp_path / "theirs")


@pytest.mark.parametrize("name", ["file", "file/below", "dangling"])
def test_what_is_no_directory_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("nosuch")
    with pytest.raises(AmygdalaError, match=name):
        paths.private_dir(tmp_path / name)


def test_socket_is_the_one_named_then_the_environments_then_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert paths.socket_path() == tmp_path / "amygdala" / "engine.sock"
    monkeypatch.setenv("AMYGDALA_SOCKET", "/tmp/other.sock")
    assert paths.socket_path() == Path("/tmp/other.sock")
    assert paths.socket_path("/tmp/named.sock") == Path("/tmp/named.sock")


def test_relative_socket_is_made_absolute(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(short_dir)
    assert paths.socket_path("s") == short_dir / "s"


@pytest.mark.parametrize("base", [None, "", "/nosuch"])
def test_without_a_runtime_directory_it_is_one_of_the_users_in_tmp(
    monkeypatch: pytest.MonkeyPatch, base: str | None
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    if base is not None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", base)
    assert paths.runtime_dir() == Path(f"/tmp/amygdala-{os.getuid()}")


def test_socket_path_too_long_for_the_system_is_refused() -> None:
    longest = "/tmp/" + "x" * (paths.MAX_SOCKET_PATH - 5)
    assert str(paths.socket_path(longest)) == longest
    with pytest.raises(AmygdalaError, match="--socket"):
        paths.socket_path(longest + "x")
    with pytest.raises(AmygdalaError, match="--socket"):
        paths.socket_path("/tmp/" + "ü" * 60)


def test_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMYGDALA_CACHE", str(tmp_path))
    assert paths.cache_dir() == tmp_path
    monkeypatch.delenv("AMYGDALA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert paths.cache_dir() == tmp_path / "xdg" / "amygdala"
    assert not (tmp_path / "xdg").exists()


def test_another_users_runtime_directory_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `sudo -E`."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert paths.runtime_dir() == tmp_path / "amygdala"
    assert paths.runtime_dir_note() == ""
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    assert paths.runtime_dir() == Path("/tmp/amygdala-4242")
    assert paths.runtime_dir_note() == (
        f"XDG_RUNTIME_DIR={tmp_path} belongs to user {owner}, not to user 4242, "
        "so the engine's socket lies in /tmp/amygdala-4242"
    )


@pytest.mark.parametrize(
    ("base", "words"),
    [("/nosuch", "No such file"), (__file__, "not the absolute path"), (".", "not the absolute path")],
)
def test_unusable_runtime_directory_is_named(base: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", base)
    assert words in paths.runtime_dir_note()
    assert paths.runtime_dir().parent == Path("/tmp")


def test_unset_runtime_directory_is_nothing_unusual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert paths.runtime_dir_note() == ""


@pytest.fixture
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_umask")
def test_folders_and_files_are_the_users_alone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    folder = tmp_path / "there" / "state" / "history"
    for _ in range(2):
        paths.make_folder(folder)
        paths.make_file(folder / "log")
    assert [stat.S_IMODE(made.stat().st_mode) for made in (folder, folder.parent, folder / "log")] == [
        0o700, 0o700, 0o600,
    ]  # fmt: skip
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o755, "what was there stays as it is"
    (folder / "log").write_text("A line.")
    paths.make_file(folder / "log")
    assert (folder / "log").read_text() == "A line."
    with pytest.raises(FileExistsError):
        paths.make_folder(folder / "log")


@pytest.mark.usefixtures("_open_umask")
def test_history_index_and_activations_are_the_users_alone(tmp_path: Path) -> None:
    from engine.compute.activations.index import Index
    from engine.service.history.database import History

    History(tmp_path / "state" / "history" / "a.sqlite", tmp_path).close()
    index = Index(tmp_path / "cache" / "index.sqlite", lambda: [])
    index.remember("a", (1, 2, 3, 4), "0")
    index.close()
    modes = {str(made.relative_to(tmp_path)): stat.S_IMODE(made.stat().st_mode) for made in tmp_path.rglob("*")}
    assert {path: mode for path, mode in modes.items() if mode not in (0o700, 0o600)} == {}
    assert {"state/history/a.sqlite", "cache/index.sqlite"} <= modes.keys()


@pytest.fixture
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a state directory that an earlier version left open to others, as is the folder that they are in."""
    monkeypatch.delenv("AMYGDALA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for folder in ("cache/amygdala/ab", "state/amygdala/history"):
        (tmp_path / folder).mkdir(parents=True)
        for opened in (tmp_path / folder, *(tmp_path / folder).parents[:2]):
            opened.chmod(0o755)
    (tmp_path / "state" / "amygdala" / "engine.log").write_text("A line.")
    (tmp_path / "state" / "amygdala" / "engine.log").chmod(0o644)
    return tmp_path


def modes(*made: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in made]


def test_folders_and_files_of_ours_that_others_may_read_are_narrowed_and_none_above(wide: Path) -> None:
    paths.make_folder(paths.cache_dir() / "ab")
    paths.make_folder(paths.log_path().parent)
    paths.make_file(paths.log_path())
    assert modes(wide / "cache/amygdala/ab", wide / "cache/amygdala", wide / "state/amygdala") == [0o700] * 3
    assert modes(paths.log_path()) == [0o600]
    assert modes(wide / "cache", wide / "state") == [0o755] * 2
    assert paths.log_path().read_text() == "A line."


def test_runtime_directory_that_others_may_read_is_narrowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o755)
    paths.runtime_dir().mkdir()
    paths.runtime_dir().chmod(0o755)
    paths.private_dir(paths.runtime_dir())
    assert modes(paths.runtime_dir(), tmp_path) == [0o700, 0o755]


@pytest.mark.parametrize("place", ["shared", "amygdala-project/cache"])
def test_a_folder_that_somebody_chose_by_another_name_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    for opened in (folder, folder.parent):
        opened.chmod(0o755)
    monkeypatch.setenv("AMYGDALA_CACHE", str(folder))
    paths.make_folder(folder)
    assert modes(folder, folder.parent) == [0o755] * 2


def test_a_link_to_another_folder_stays_as_it_is(wide: Path) -> None:
    (wide / "elsewhere").mkdir()
    (wide / "elsewhere").chmod(0o755)
    (wide / "cache/amygdala/ab").rmdir()
    (wide / "cache/amygdala").rmdir()
    (wide / "cache/amygdala").symlink_to(wide / "elsewhere")
    paths.make_folder(paths.cache_dir())
    assert modes(wide / "elsewhere") == [0o755]


@pytest.mark.parametrize("refusal", ["in words", "in silence"])
def test_what_cannot_be_narrowed_is_said_once_and_used(
    wide: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, refusal: str
) -> None:
    def chmod(path: Path, _: int) -> None:
        if refusal == "in words":
            raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", chmod)
    for _ in range(3):
        paths.make_folder(paths.cache_dir())
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        f"others may read {wide / 'cache' / 'amygdala'}"
    ]
