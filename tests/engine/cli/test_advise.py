"""`engine advise`: a table for people, JSON for scripts, and what to write into the settings' file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.cli.advise import _words
from engine.compute.live.advice import Advice, Way
from engine.results import Cost
from engine.settings import Settings, load
from tests.engine.cli.exporting import MODEL, Run
from tests.engine.compute.model.altered import UNKNOWN

WORDS = {"calm": "The water lay still, and {} was slow.", "furious": "He smashed {} and shouted at them all!"}
THINGS = ("the boat", "the kettle", "the old clock", "the gate", "the radio", "the lamp", "the piano", "the bell")


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Two concepts that are easily told apart, in eight scenarios."""
    folder = tmp_path / "told"
    for thing in THINGS:
        scene = folder / "paired" / thing.replace(" ", "-")
        scene.mkdir(parents=True)
        for concept, words in WORDS.items():
            (scene / f"{concept}.txt").write_text(words.format(thing))
    return folder


def test_table_and_intervals_are_printed_and_the_cache_serves_a_second_time(run: Run, told: Path) -> None:
    words = ("advise", told, "--model", MODEL, "--device", "cpu")
    code, out, err = run(*words)
    assert code == 0
    assert "16 texts, 2 concepts; 8 scenarios" in out
    assert "last, pooled  last, whitened  mean, pooled  mean, whitened" in out
    assert [line.split()[0] for line in out.splitlines() if line[:5].strip().isdecimal()] == list("01234")
    assert out.count("*") == 4
    assert "The best 3, at their middle block, with 90 % intervals:" in out
    assert "The default: last, pooled, blocks 2,3: " in out
    assert "16 texts through the model, 0 from the cache" in err
    assert "0 texts through the model, 16 from the cache" in run(*words)[2]


def test_default_that_reads_as_well_is_left_alone(run: Run, told: Path) -> None:
    _, out, _ = run("advise", told, "--model", MODEL, "--device", "cpu", "--pooling", "mean")
    assert "The settings in force read as well" in out
    assert "write into" not in out


def test_what_is_printed_to_write_is_read_as_settings(tmp_path: Path) -> None:
    best = Way(pooling="mean", pool_from=0, method="whitened", layers=[1, 2, 3], auroc=0.95, low=0.93, high=0.97)
    poor = Way(pooling="last", pool_from=0, method="pooled", layers=[2, 3], auroc=0.7, low=0.6, high=0.8)
    advice = Advice(
        current=poor, is_default=True, best=[best, poor], is_better=True, by_block=[],
        write={"method": "whitened", "pooling": "mean", "target_layers": "1,2,3"},
        n_texts=9, n_groups=3, n_concepts=3, unmeasured=[], left_out={}, cost=Cost(),
    )  # fmt: skip
    lines = _words(advice, Settings(), tmp_path)
    assert f"write into {tmp_path / 'amygdala.toml'}:" in "\n".join(lines)
    (tmp_path / "amygdala.toml").write_text("\n".join(line for line in lines if " = " in line))
    chosen = load(tmp_path, {})
    assert (chosen.method, chosen.pooling, chosen.target_layers) == ("whitened", "mean", "1,2,3")
    assert "To steer by, the best pooled ones: last, pooled, blocks 2,3: 0.700 (0.600 to 0.800)" in lines[-1]


def test_json_has_everything(run: Run, told: Path) -> None:
    code, out, _ = run("advise", told, "--model", MODEL, "--device", "cpu", "--json")
    answer = json.loads(out)
    assert code == 0
    assert len(answer["by_block"]) == 2 * 2 * 5
    assert all(way["low"] <= way["auroc"] <= way["high"] for way in answer["by_block"])
    aurocs = [way["auroc"] for way in answer["best"]]
    assert aurocs == sorted(aurocs, reverse=True)
    assert (answer["is_default"], answer["sampled"], answer["left_out"]) == (True, None, {})
    assert answer["current"]["layers"] == [2, 3]


def test_sample_says_which_scenarios_it_has(run: Run, told: Path) -> None:
    _, out, err = run("advise", told, "--model", MODEL, "--device", "cpu", "--sample", "6")
    (named,) = [line for line in out.splitlines() if line.startswith("A sample of the corpus: ")]
    scenarios = named.removeprefix("A sample of the corpus: ").split(", ")
    assert len(scenarios) == 3
    assert all((told / "paired" / scenario).is_dir() for scenario in scenarios)
    assert "6 texts through the model" in err


def test_story_that_the_model_cannot_take_is_named_and_left_out(run: Run, told: Path, unknowing_folder: Path) -> None:
    (told / "paired" / "the-bell" / "calm.txt").write_text(f"{UNKNOWN} Hm.")
    words = ("advise", told, "--model", unknowing_folder, "--device", "cpu")
    code, out, err = run(*words)
    assert code == 0
    assert "15 texts, 2 concepts" in out
    assert "error: paired/the-bell/calm.txt: left out, since the model cannot take it" in err
    assert list(json.loads(run(*words, "--json")[1])["left_out"]) == ["paired/the-bell/calm.txt"]


def test_subspace_is_said_not_to_be_measured(run: Run, told: Path) -> None:
    _, out, _ = run("advise", told, "--model", MODEL, "--device", "cpu", "--method", "subspace")
    assert "subspace is not measured" in out
    assert "The settings in force: last, pooled" in out


@pytest.mark.usefixtures("no_model")
def test_empty_corpus_is_refused_before_a_model_is_loaded(run: Run, tmp_path: Path) -> None:
    (tmp_path / "stories").mkdir()
    code, _, err = run("advise", tmp_path, "--model", MODEL)
    assert code == 1
    assert "no stories to measure anything by" in err


def test_corpus_of_which_nothing_can_be_held_out_is_refused(run: Run, told: Path) -> None:
    for scene in sorted((told / "paired").iterdir())[1:]:
        shutil.rmtree(scene)
    code, _, err = run("advise", told, "--model", MODEL, "--device", "cpu")
    assert code == 1
    assert "too few stories to measure anything by" in err
