"""`engine cache` from the command line: what it says, does, and exits with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine import cli
from engine.cli import cache as cache_module
from engine.cli.cache import parse_size, size_words
from engine.compute.activations.store import Entry, Store
from engine.errors import UsageError
from tests.engine.imports import HEAVY, loaded_after

Cache = Callable[..., tuple[int, str, str]]
KEYS = [f"{i:02x}" + "0" * 62 for i in range(4)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Three pooled entries of 1 KiB and a little, and one of tokens of 4 KiB and a little."""
    monkeypatch.setenv("AMYGDALA_CACHE", str(tmp_path / "cache"))
    store = Store(tmp_path / "cache")
    for key in KEYS[:3]:
        store.put({key: Entry({"x": torch.zeros(256)})})
    store.put({KEYS[3]: Entry({"tokens": torch.zeros(1024)})}, kind="tokens")
    return store


@pytest.fixture
def cache(capsys: pytest.CaptureFixture[str]) -> Cache:
    """Run `cache` in this process: exit code, output, diagnostics."""

    def cache(*words: str) -> tuple[int, str, str]:
        try:
            code = cli.run(["cache", *words])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return cache


def damage(store: Store, key: str) -> None:
    next(store.root.rglob(f"{key}.*")).write_bytes(b"damaged")


def lose_index(store: Store) -> None:
    for file in store.root.glob("index.sqlite*"):
        file.unlink()


def test_info_says_what_there_is(cache: Cache, store: Store) -> None:
    code, said, err = cache("info")
    assert (code, err) == (0, "")
    lines = said.splitlines()
    assert lines[0] == f"cache       {store.root}"
    assert lines[1].startswith("pooled      3 entries, 3.")
    assert lines[2].startswith("tokens      1 entry, 4.")
    assert lines[3].endswith("KiB, of 20.0 GiB at most")
    assert lines[4].startswith("oldest use  20")
    assert len(lines) == 5


def test_info_as_json(cache: Cache, store: Store) -> None:
    code, said, _ = cache("info", "--json")
    assert code == 0
    answer = json.loads(said)
    assert answer.keys() == {"root", "held", "max_bytes", "oldest_use", "unknown"}
    assert answer["root"] == str(store.root)
    assert answer["held"]["tokens"] == {"entries": 1, "bytes": next(store.root.rglob(f"{KEYS[3]}.*")).stat().st_size}


def test_info_tells_what_the_index_does_not_know(cache: Cache, store: Store) -> None:
    lose_index(store)
    assert "not counted 4 entries that the index does not know" in cache("info")[1]


def test_no_cache_is_no_failure(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMYGDALA_CACHE", str(tmp_path / "none"))
    assert [cache(command)[0] for command in ("info", "verify", "prune")] == [0, 0, 0]
    assert not (tmp_path / "none").exists()


def test_verify_of_a_sound_cache(cache: Cache, store: Store) -> None:
    assert cache("verify") == (0, f"4 entries sound\n{store.root}: sound\n", "")


def test_verify_drops_the_damaged_and_exits_1(cache: Cache, store: Store) -> None:
    damage(store, KEYS[0])
    code, said, err = cache("verify")
    assert code == 1
    assert said.splitlines() == [
        "3 entries sound",
        "1 entry damaged: dropped, and computed again when needed",
        f"{store.root}: sound again",
    ]
    assert "Traceback" not in err
    assert cache("verify")[0] == 0


def test_verify_counts_in_what_the_index_lost(cache: Cache, store: Store) -> None:
    lose_index(store)
    code, said, _ = cache("verify", "--json")
    assert code == 0
    assert json.loads(said) == {"sound": 4, "damaged": 0, "stuck": 0, "adopted": 4, "lost": 0}
    assert "not counted" not in cache("info")[1]


def test_progress_off_a_terminal_is_plain_lines(cache: Cache, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "PLAIN_EVERY", 0.0)
    damage(store, KEYS[0])
    assert "4/4 entries\n" in cache("verify")[2]


def test_prune_leaves_so_much(cache: Cache, store: Store) -> None:
    code, said, err = cache("prune", "--max-size", "5KiB")
    assert (code, err) == (0, "")
    assert said.splitlines()[0].startswith("3 entries removed, 3.")
    assert said.splitlines()[1].startswith(f"{store.root}: 4.")
    assert store.get(KEYS).keys() == {KEYS[3]}


@pytest.mark.usefixtures("store")
def test_prune_that_may_not_remove_says_so_and_exits_1(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    code, said, _ = cache("prune", "--max-size", "1K")
    assert code == 1
    assert said.startswith("0 entries removed, 0 B\n")
    assert said.endswith(", though at most 1.0 KiB may be: the rest cannot be removed\n")


def test_prune_without_a_size_takes_nothing_below_the_cap(cache: Cache, store: Store) -> None:
    code, said, _ = cache("prune", "--json")
    assert code == 0
    answer = json.loads(said)
    assert (answer["entries"], answer["bytes"], answer["temporaries"]) == (0, 0, 0)
    assert len(store.get(KEYS)) == 4


@pytest.mark.parametrize("size", ["", "5X", "-1", "G", "five", "1e9", "5GG", "٣G"])
def test_size_that_is_none_names_the_flag(cache: Cache, store: Store, size: str) -> None:
    code, said, err = cache("prune", f"--max-size={size}")
    assert (code, said) == (2, "")
    assert "--max-size" in err
    assert len(store.get(KEYS)) == 4


def test_cache_needs_a_command_that_there_is(cache: Cache) -> None:
    assert cache()[0] == cache("empty")[0] == cache("info", "--max-size", "5G")[0] == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("17", 17), ("17B", 17), ("2K", 2048), ("2k", 2048), ("2KB", 2048), ("2KiB", 2048),
        ("2 MiB", 2 << 20), ("5G", 5 << 30), ("1.5G", 3 << 29), ("1T", 1 << 40),
    ],
)  # fmt: skip
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text, "--max-size") == size


def test_size_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"^--max-size 5X: not a size"):
        parse_size("5X", "--max-size")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), ((1 << 20) - 1, "1.0 MiB"),
        (20 << 30, "20.0 GiB"), (3000 << 40, "3000.0 TiB"),
    ],
)  # fmt: skip
def test_sizes_are_said(size: int, words: str) -> None:
    assert size_words(size) == words


def test_torch_is_not_imported_to_read_the_flags() -> None:
    assert loaded_after("import engine.cli.cache", *HEAVY) == []
