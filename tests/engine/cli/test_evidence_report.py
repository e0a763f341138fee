"""`engine report`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.cli.exporting import MODEL, Run

FLAGS = ("--model", MODEL, "--device", "cpu")


@pytest.fixture
def flagging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every story borderline: the tiny model tells concepts apart no better than chance, and so flags none."""
    monkeypatch.setattr("engine.compute.statistics.evidence.judgement.FLAG_FROM", -1.0)


@pytest.mark.usefixtures("flagging")
def test_page_has_every_flagged_story_with_its_text(run: Run, corpus: Path, tmp_path: Path) -> None:
    (corpus / "stories" / "joyful.txt").write_text("He said <b>so</b> & left.")
    code, out, err = run("report", corpus, *FLAGS, "--html", tmp_path / "report.html")
    assert (code, out) == (0, "")
    assert f"wrote {tmp_path / 'report.html'}" in err
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("<section") == 40, "all but the two of a concept with too few stories"
    assert "He said &lt;b&gt;so&lt;/b&gt; &amp; left." in page
    assert [file.name for file in tmp_path.iterdir() if file.suffix] == ["report.html"], "no vectors, nothing left over"


def test_without_a_file_it_is_markdown_on_stdout(run: Run, corpus: Path) -> None:
    code, out, _ = run("report", corpus, *FLAGS)
    assert code == 0
    assert out.startswith("# ")
    assert "| joyful | 6 |" in out


def test_json_tells_stories_as_quality_does(run: Run, corpus: Path, tmp_path: Path) -> None:
    code, out, _ = run("report", corpus, *FLAGS, "--format", "json")
    assert code == 0
    document = json.loads(out)
    assert run("export", corpus, *FLAGS, "--quality-report", "--output-dir", tmp_path / "out")[0] == 0
    quality = json.loads((tmp_path / "out" / "quality.json").read_text("utf-8"))
    stories = [story for entry in quality.values() for story in entry["stories"]]
    assert len(stories) == document["n_stories"] == 42
    flagged = sorted((story for story in stories if story["flagged"]), key=lambda story: -story["misfit"])
    assert [each["evidence"] for each in document["flagged"]] == flagged
    run_file = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    for name in ("model_hash", "corpus_digest", "written_by"):
        assert document["made_of"][name] == run_file[name]


@pytest.mark.usefixtures("no_model")
def test_file_that_cannot_be_written_is_refused_before_anything_is_computed(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    for file, words in ((tmp_path, "a folder, not a file"), (tmp_path / "none" / "r.html", "cannot be written to")):
        code, _, err = run("report", corpus, *FLAGS, "--html", file)
        assert code == 2
        assert f"--html {file}" in err
        assert words in err


@pytest.mark.usefixtures("no_model")
def test_folder_without_stories_is_refused(run: Run, tmp_path: Path) -> None:
    assert run("report", tmp_path, *FLAGS)[0] == 2
    (tmp_path / "stories").mkdir()
    code, _, err = run("report", tmp_path, *FLAGS)
    assert code == 1
    assert "no stories to report on" in err
