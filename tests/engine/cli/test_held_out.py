"""Held-out stories in exports and reports: read by the vectors that ship, and no part of them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from engine import paths
from engine.compute.activations.source import Source, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.model.depth import extractor_for
from engine.compute.model.loaded import LoadedModel
from engine.corpus import Corpus, Layout, held_out, scan
from engine.settings import Settings
from engine.wire import protocol
from tests import oracle_held_out as oracle
from tests.engine.cli.exporting import MODEL, Run
from tests.engine.cli.test_export_live import near
from tests.engine.compute.model.altered import UNKNOWN
from tests.engine.service.running import Engine, Talk

FLAGS = ("--model", MODEL, "--device", "cpu", "--target-layers", "1,2,4")
SCENARIO = "t08-an-employee-discovers-the-company-is-being-sold-s1"


@pytest.fixture
def kept(corpus: Path) -> Path:
    """The golden corpus with one of its scenarios held out."""
    (corpus / "held-out" / "paired").mkdir(parents=True)
    (corpus / "paired" / SCENARIO).rename(corpus / "held-out" / "paired" / SCENARIO)
    return corpus


def quality(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "quality.json").read_text("utf-8"))
    return loaded


def activations(model: LoadedModel, settings: Settings, corpus: Corpus) -> Mapping[str, np.ndarray]:
    """At the middle block, by text id."""
    source = Source(extractor_for(model, [1, 2, 4], settings), Store(paths.cache_dir()))
    texts = {story.text_id: story.text for story in corpus.stories}
    return {i: read.x[1].double().numpy() for i, read in source.fetch(texts, (), silent, Tally())}


@pytest.mark.parametrize(
    "flags", [(), ("--pooling", "mean", "--method", "whitened"), ("--method", "subspace", "--subspace-k", "8")]
)
def test_quality_tells_what_loops_make_of_the_vectors_that_ship(
    run: Run, kept: Path, tmp_path: Path, llama: LoadedModel, flags: tuple[str, ...]
) -> None:
    assert run("export", kept, *FLAGS, *flags, "--quality-report", "--output-dir", tmp_path / "out")[0] == 0
    told = quality(tmp_path / "out")
    settings = Settings(model=MODEL, pooling="mean" if "mean" in flags else None)
    corpus = scan(Layout.of(kept))
    apart = held_out(Layout.of(kept), corpus)
    assert apart is not None
    trained, read = activations(llama, settings, corpus), activations(llama, settings, apart)
    names = json.loads((tmp_path / "out" / "readout.json").read_text())["concepts"]
    vectors = safetensors.numpy.load_file(tmp_path / "out" / "readout.safetensors")["layer_2.vectors"].astype(float)
    rows = np.stack([read[story.text_id] for story in apart.stories])
    member = np.array([[story.concept == name for name in names] for story in apart.stories])
    counts = oracle.confusions(rows, vectors, np.mean(list(trained.values()), 0), member)
    assert len(rows) == member.sum() + 1, "one is a baseline"
    for c, name in enumerate(names):
        entry = told[name]["held_out"]
        assert entry["n"] == member[:, c].sum()
        assert entry["reads_as"] == {names[i]: int(n) for i, n in enumerate(counts[c]) if n}
        if entry["n"]:
            assert entry["auroc"] == pytest.approx(oracle.pairs_won(rows @ vectors[c], member[:, c]), abs=1e-9)
            low, high = entry["auroc_interval"]
            assert 0 <= low <= entry["auroc"] <= high <= 1
        else:
            assert (entry["auroc"], entry["auroc_interval"]) == (None, None)


def test_nothing_else_that_is_written_is_of_them(run: Run, kept: Path, tmp_path: Path) -> None:
    words = ("export", kept, *FLAGS, "--quality-report", "--output-dir")
    code, _, err = run(*words, tmp_path / "with")
    assert code == 0
    assert "held-out stories: 8 texts through the model, 0 from the cache" in err
    shutil.rmtree(kept / "held-out")
    assert run(*words, tmp_path / "without")[0] == 0
    for name in ("readout.json", "run.json"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
    one, other = (
        safetensors.numpy.load_file(tmp_path / folder / "readout.safetensors") for folder in ("with", "without")
    )
    assert {block: rows.tobytes() for block, rows in one.items()} == {b: rows.tobytes() for b, rows in other.items()}
    apart = quality(tmp_path / "with")
    assert all(entry.pop("held_out") for entry in apart.values())
    assert apart == quality(tmp_path / "without")


def test_an_export_that_tells_no_quality_reads_none(run: Run, kept: Path, tmp_path: Path) -> None:
    code, _, err = run("export", kept, *FLAGS, "--output-dir", tmp_path / "out")
    assert code == 0
    assert "held-out" not in err


def test_what_is_not_read_is_named_with_its_path(run: Run, kept: Path, unknowing_folder: Path) -> None:
    stories = kept / "held-out" / "stories"
    stories.mkdir()
    shutil.copy(kept / "stories" / "joyful.txt", stories / "furious.txt")
    (stories / "joyfull.txt").write_text("Nobody has a vector for this.")
    (stories / "lonely.txt").write_text(f"{UNKNOWN} The model cannot take it.")
    (stories / "calm.md").write_text("Not a story.")
    flags = ("--model", unknowing_folder, *FLAGS[2:])
    code, out, err = run("report", kept, *flags, "--format", "json")
    assert code == 0
    document = json.loads(out)
    for name, words in {
        "furious.txt": "left out, since the vectors are made of its text, which is also stories/joyful.txt",
        "joyfull.txt": "left out, since joyfull has no vector",
        "lonely.txt": "left out, since the model cannot take it",
        "calm.md": "only names that end in .txt are read",
    }.items():
        assert f": held-out/stories/{name}: {words}" in err
        assert any(f"held-out/stories/{name}: {words}" in problem for problem in document["problems"])
    assert sum(each["reading"]["n"] for each in document["held_out"]) == 7
    assert "4 remarks on files." in document["headline"]


def test_report_shows_them_in_every_form(run: Run, kept: Path, tmp_path: Path) -> None:
    code, out, _ = run("report", kept, *FLAGS, "--html", tmp_path / "report.html", "--format", "md")
    assert code == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    for said in (out, page):
        assert "Held-out stories" in said
        assert "7 stories of held-out/, which no vector is made of" in said
    code, out, _ = run("report", kept, *FLAGS, "--format", "json")
    told = {each["concept"]: each["reading"] for each in json.loads(out)["held_out"]}
    assert run("export", kept, *FLAGS, "--quality-report", "--output-dir", tmp_path / "out")[0] == 0
    entries = {name: entry["held_out"] for name, entry in quality(tmp_path / "out").items()}
    assert told == {name: entry for name, entry in entries.items() if entry["n"]}
    shutil.rmtree(kept / "held-out")
    code, out, _ = run("report", kept, *FLAGS)
    assert "Held-out stories" not in out


@pytest.fixture
def engines_cache(module_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has this process use the engine's cache from the call on."""
    return lambda: monkeypatch.setenv("AMYGDALA_CACHE", str(module_cache))


async def test_an_engine_computes_nothing_of_them_and_the_command_reads_them_itself(
    engine: Engine,
    engines_cache: Callable[[], None],
    run: Run,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines_cache()
    talk = await Talk.to(engine.socket, corpus)
    assert (await talk.ready()).revision == 1
    told = corpus / "held-out" / "stories"
    told.mkdir(parents=True)
    for name in ("joyful", "lonely"):
        (told / f"{name}.txt").write_text(f"The bells rang over the {name} valley.")
    (corpus / "stories" / "joyful.txt").write_text("The kettle sang.")
    changed = await talk.revision(2)
    assert changed.moved is not None
    words = ("export", corpus, *FLAGS, "--quality-report", "--output-dir")
    monkeypatch.setenv("AMYGDALA_SOCKET", str(engine.socket))
    code, _, err = await asyncio.to_thread(run, *words, tmp_path / "engine")
    assert code == 0
    assert "computed by the engine" in err
    assert "held-out stories: 2 texts through the model, 0 from the cache" in err
    monkeypatch.delenv("AMYGDALA_SOCKET")
    code, _, err = await asyncio.to_thread(run, *words, tmp_path / "alone")
    assert (code, "computed by the engine" in err) == (0, False)
    assert "held-out stories: 0 texts through the model, 2 from the cache" in err
    near(quality(tmp_path / "engine"), quality(tmp_path / "alone"))
    assert quality(tmp_path / "alone")["joyful"]["held_out"]["n"] == 1
    status = await talk.status()
    assert [(each.stories, each.revision) for each in status.corpora if each.corpus == str(corpus)] == [(46, 2)]
    await talk.ask(protocol.Close)
    await talk.close()
