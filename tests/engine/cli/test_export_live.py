"""`engine export` beside a live engine: it asks that one, and what it writes is what it would have computed itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

from engine import cli, client
from engine.wire import protocol
from tests.engine.service.running import SETTINGS, Engine, Talk, write

Run = Callable[..., tuple[int, str, str]]
FLAGS = ("--model", SETTINGS.model, "--device", "cpu", "--target-layers", "1,2,4")
NEAR = 1e-6
"""How much numbers that are computed change by change may differ from those computed at once."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], module_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process: exit code, output, diagnostics.

    It has the engine's cache: activations of a text differ in their last bits with the texts beside it in its batch.
    """
    monkeypatch.setenv("AMYGDALA_CACHE", str(module_cache))

    def run(*words: str | Path) -> tuple[int, str, str]:
        code = cli.run([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if this process loads weights."""
    from engine.compute.model import checkpoint

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(checkpoint.Checkpoint, "_load", loaded)


def same(one: Path, other: Path) -> None:
    """Two exports of the same stories: the same bytes for a loader, the same numbers for a person."""
    ours, theirs = (safetensors.numpy.load_file(folder / "readout.safetensors") for folder in (one, other))
    assert {name: (rows.dtype, rows.tobytes()) for name, rows in ours.items()} == {
        name: (rows.dtype, rows.tobytes()) for name, rows in theirs.items()
    }
    for name in ("readout.json", "run.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    qualities = [folder / "quality.json" for folder in (one, other) if (folder / "quality.json").exists()]
    if qualities:
        near(*(json.loads(file.read_text()) for file in qualities))


def near(one: Any, other: Any) -> None:
    if isinstance(one, float):
        assert one == pytest.approx(other, rel=NEAR, abs=NEAR)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            near(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            near(*pair)
    else:
        assert one == other


async def workers(engine: Engine) -> list[tuple[str, int | None]]:
    connection = await client.connect(engine.socket)
    status = await connection.request(protocol.GetStatus)
    await connection.close()
    assert isinstance(status, protocol.Status)
    return [(model.model, model.pid) for model in status.models]


async def opened(engine: Engine, corpus: Path) -> Talk:
    talk = await Talk.to(engine.socket, corpus)
    await talk.ready()
    return talk


def alone(run: Run, monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> None:
    """Export where no engine is."""
    with monkeypatch.context() as patch:
        patch.delenv("AMYGDALA_SOCKET")
        code, _, err = run("export", *words)
        assert (code, "computed by the engine" in err) == (0, False)


CASES: dict[str, tuple[str, ...]] = {
    "as it is open": ("CORPUS", *FLAGS, "--quality-report"),
    "with other settings": ("CORPUS", *FLAGS[:4], "--target-layers", "3", "--method", "whitened", "--quality-report"),
    "by its folders": ("--stories-dir", "CORPUS/stories", "--paired-dir", "CORPUS/paired", *FLAGS, "--quality-report"),
    "by one folder": ("--stories-dir", "CORPUS/stories", *FLAGS, "--quality-report"),
}


@pytest.fixture
def live(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine, where the command line looks for it."""
    monkeypatch.setenv("AMYGDALA_SOCKET", str(engine.socket))
    return engine


async def test_open_corpus_is_exported_by_the_engine_as_it_would_be_without(
    live: Engine, run: Run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = await opened(live, corpus)
    write(corpus / "stories" / "joyful.txt", "The kettle sang; so that not all is of one computation.")
    await talk.revision()
    before = await workers(live)
    for number, words in enumerate(CASES.values()):
        placed = [word.replace("CORPUS", str(corpus)) for word in words]
        by_engine, by_itself = tmp_path / f"engine{number}", tmp_path / f"alone{number}"
        with monkeypatch.context() as patch:
            patch.setattr("engine.cli.computing.alone", None)
            code, _, err = await asyncio.to_thread(run, "export", *placed, "--output-dir", by_engine)
        assert code == 0
        assert f"computed by the engine at {live.socket} (pid {live.process.pid})" in err
        await asyncio.to_thread(alone, run, monkeypatch, *placed, "--output-dir", by_itself)
        same(by_engine, by_itself)
    assert await workers(live) == before, "one process, still the same"
    code, out, _ = run("verify", tmp_path / "engine0", "--corpus", corpus)
    assert code == 0
    assert "has the stories that the set was made of" in out
    await talk.ask(protocol.Close)
    await talk.close()


async def test_what_files_say_of_stories_does_not_depend_on_the_edits_before(
    live: Engine, run: Run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):  # so many that one edit leaves the settings as they were
        write(corpus / "paired" / f"day{number}" / f"{'calm' if number % 2 else 'lost'}.txt", f"Day {number} of rain.")
    talk = await opened(live, corpus)
    write(corpus / "stories" / "joyful.txt", "The kettle sang; so that not all is of one computation.")
    await talk.revision()
    words = (str(corpus), *FLAGS, "--quality-report", "--output-dir")
    assert (await asyncio.to_thread(run, "export", *words, tmp_path / "engine"))[0] == 0
    await asyncio.to_thread(alone, run, monkeypatch, *words, tmp_path / "alone")
    same(tmp_path / "engine", tmp_path / "alone")
    quality = json.loads((tmp_path / "engine" / "quality.json").read_text())
    assert sum(len(entry["stories"]) for entry in quality.values()) == 62
    await talk.ask(protocol.Close)
    await talk.close()


@pytest.mark.usefixtures("no_weights")
async def test_corpus_that_is_not_open_is_exported_by_the_engine_and_then_forgotten(
    live: Engine, run: Run, corpus: Path, tmp_path: Path
) -> None:
    write(corpus / "stories" / "new.txt", "Nobody has read this yet.")
    words = ("export", corpus, *FLAGS, "--output-dir", tmp_path / "out", "--json")
    code, out, err = await asyncio.to_thread(run, *words)
    assert code == 0
    assert "computed by the engine" in err
    answer = json.loads(out)
    assert (answer["n_stories"], answer["layers"], answer["texts_run"] + answer["texts_cached"]) == (47, [1, 2, 4], 47)
    assert {Path(file).name for file in answer["written"]} == {"readout.safetensors", "readout.json", "run.json"}
    assert answer["buckets"].keys() >= {"joyful", "new"}
    assert run("verify", tmp_path / "out", "--corpus", corpus)[0] == 0
    assert len(await workers(live)) == 1
    write(corpus / "stories" / "new.txt", "Now it is another.")
    assert run("verify", tmp_path / "out", "--corpus", corpus)[0] == 1


@pytest.mark.usefixtures("no_weights")
async def test_what_the_engine_refuses_is_said_and_nothing_is_written(
    live: Engine, run: Run, corpus: Path, tmp_path: Path
) -> None:
    assert live.process.poll() is None
    words = ("export", corpus, *FLAGS[:4], "--target-layers", "9", "--output-dir", tmp_path / "out")
    code, _, err = await asyncio.to_thread(run, *words)
    assert code != 0
    assert "--target-layers 9" in err
    assert "Traceback" not in err
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file()]


async def test_story_that_changes_during_the_export_is_exported_as_it_is_in_the_end(
    live: Engine, run: Run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.cli import computing
    from engine.compute.live.readout import Readout

    talk = await opened(live, corpus)
    fetch = computing._fetch
    edits = iter(["They changed it at the last moment.", "And again."])

    def overtaken(reply: protocol.Exported) -> Readout:
        if (text := next(edits, None)) is not None:
            write(corpus / "stories" / "joyful.txt", text)
        return fetch(reply)

    monkeypatch.setattr(computing, "_fetch", overtaken)
    assert (await asyncio.to_thread(run, "export", corpus, *FLAGS, "--output-dir", tmp_path / "out"))[0] == 0
    assert run("verify", tmp_path / "out", "--corpus", corpus)[0] == 0
    await talk.ask(protocol.Close)
    await talk.close()


def test_without_an_engine_what_is_known_is_exported_without_weights(
    run: Run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.delenv("AMYGDALA_SOCKET", raising=False)
    write(corpus / "stories" / "joyful.txt", "Nobody has read this one yet.")
    code, _, err = run("export", corpus, *FLAGS, "--output-dir", tmp_path / "first")
    assert (code, "not loaded" in err) == (0, False)
    request.getfixturevalue("no_weights")
    code, _, err = run("export", corpus, *FLAGS, "--output-dir", tmp_path / "second")
    assert code == 0
    assert "0 texts through the model, 46 from the cache" in err
    assert "not loaded: all that was asked of it is known" in err
    same(tmp_path / "first", tmp_path / "second")
