"""`engine export` from the command line: what it writes and says."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import safetensors.numpy

from tests.engine.cli.exporting import MODEL, Run

METHODS: dict[str, tuple[tuple[str, ...], str]] = {
    "whitened": (("--method", "whitened"), "a discriminant, for reading"),
    "filter": (("--method", "subspace", "--subspace-k", "8"), "filtered by the spectrum"),
    "top-k": (("--method", "subspace", "--subspace-direction", "top-k", "--subspace-k", "8"), "top eigenvectors"),
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_exports_vectors_of_its_own_and_says_what_they_are(
    export: Run, tmp_path: Path, method: str
) -> None:
    flags, words = METHODS[method]
    vectors = tmp_path / "out" / "readout.safetensors"
    export()
    pooled = safetensors.numpy.load_file(vectors)
    assert export(*flags, "--quality-report")[0] == 0
    ours = safetensors.numpy.load_file(vectors)
    assert {name: rows.shape for name, rows in ours.items()} == {name: rows.shape for name, rows in pooled.items()}
    cosines = [(ours[name].astype(float) * pooled[name].astype(float)).sum(1) for name in ours]
    assert all((document > 0.05).all() and (document < 0.9999).all() for document in cosines), "akin to the pooled ones"
    run_file = json.loads((tmp_path / "out" / "run.json").read_text())
    assert words in run_file["directions"]
    quality = json.loads((tmp_path / "out" / "quality.json").read_text())
    spectra = [document.get("subspace_eigvals") for document in quality.values()]
    assert all(spectra) if "subspace" in flags else not any(spectra)


def few_stories(folder: Path, **stories: str) -> Path:
    (folder / "stories").mkdir(parents=True)
    for name, text in stories.items():
        (folder / "stories" / f"{name}.txt").write_text(text)
    return folder


def test_story_that_spans_everything_is_left_out_of_the_subspaces_and_named(run: Run, tmp_path: Path) -> None:
    wild = "one word after another. " * 50
    corpus = few_stories(tmp_path / "few", calm="The lake lay still.", sad="Rain.", wild=wild)
    words = ("--model", MODEL, "--device", "cpu", "--output-dir", tmp_path / "out", "--method", "subspace")
    code, _, err = run("export", corpus, *words)
    assert code == 0
    assert "warning: stories/wild.txt: as many tokens as the model has dimensions (64)" in err
    assert err.count("as many tokens") == 1
    assert "as many tokens" not in run("export", corpus, *words, "--subspace-k", "16")[2]


def test_corpus_whose_every_story_spans_everything_has_no_subspaces(run: Run, tmp_path: Path) -> None:
    few_stories(tmp_path / "long", calm="calm words, one after another. " * 50, sad="sad words, no end to them. " * 50)
    words = ("--model", MODEL, "--device", "cpu", "--output-dir", tmp_path / "out", "--method", "subspace")
    code, _, err = run("export", tmp_path / "long", *words)
    assert code == 1
    assert "--subspace-k" in err
    assert run("export", tmp_path / "long", *words, "--subspace-k", "16")[0] == 0


def test_control_vectors_are_written_beside_the_readout(export: Run, tmp_path: Path) -> None:
    code, _, err = export("--target-layers", "1,3", "--format", "gguf")
    assert code == 0
    assert str(tmp_path / "out" / "gguf") in err
    reader = gguf.GGUFReader(tmp_path / "out" / "gguf" / "joyful.gguf")
    assert reader.fields["controlvector.model_hint"].contents() == "llama"
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    vectors = safetensors.numpy.load_file(tmp_path / "out" / "readout.safetensors")
    row = json.loads((tmp_path / "out" / "readout.json").read_text())["concepts"].index("joyful")
    assert tensors.keys() == {"direction.1", "direction.3"}
    np.testing.assert_array_equal(tensors["direction.3"], vectors["layer_3.vectors"][row].astype(np.float32))


def test_auto_reads_where_concepts_separate_best_and_says_how_to_keep_it(export: Run, tmp_path: Path) -> None:
    code, _, err = export("--target-layers", "auto")
    assert code == 0
    run_file = json.loads((tmp_path / "out" / "run.json").read_text())
    layers = json.loads((tmp_path / "out" / "readout.json").read_text())["layers"]
    sweep = run_file["layer_sweep"]
    assert sweep.keys() == {"0", "1", "2", "3", "4"}
    assert all(0 < score < 1 for score in sweep.values())
    assert f'target_layers = "{",".join(map(str, layers))}"' in err
    assert "0 texts through the model" in export("--target-layers", "auto")[2]


def test_auto_with_nothing_to_choose_by_asks_for_the_blocks(run: Run, tmp_path: Path) -> None:
    few_stories(tmp_path / "two", calm="calm", sad="sad")
    words = ("--model", MODEL, "--device", "cpu", "--output-dir", tmp_path / "out", "--target-layers", "auto")
    code, _, err = run("export", tmp_path / "two", *words)
    assert code == 1
    assert "name the blocks" in err


def test_files_are_written_and_named(export: Run, tmp_path: Path) -> None:
    code, out, err = export("--quality-report")
    assert code == 0
    names = ["quality.json", "readout.json", "readout.safetensors", "run.json"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == names
    assert all(str(tmp_path / "out" / name) in err for name in names)
    assert "misread" in out
    assert "concepts: " in out
    assert "Classic buckets" not in out
    assert "46 texts through the model, 0 from the cache" in err


def test_second_export_runs_nothing_and_writes_the_same(export: Run, tmp_path: Path) -> None:
    export("--quality-report")
    first = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    _, _, err = export("--quality-report")
    assert "0 texts through the model, 46 from the cache" in err
    second = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert first.keys() == second.keys()
    (vectors,) = [name for name in first if name.endswith(".safetensors")]
    assert [name for name in first if first[name] != second[name] and name != vectors] == []
    tensors = [safetensors.numpy.load(files[vectors]) for files in (first, second)]
    assert tensors[0].keys() == tensors[1].keys()
    assert all((tensors[0][name] == tensors[1][name]).all() for name in tensors[0])


def test_run_says_what_made_the_vectors(export: Run, tmp_path: Path) -> None:
    export("--target-layers", "1,2,4")
    run_file = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run_file["model"] == MODEL
    assert (run_file["method"], run_file["pooling"], run_file["dtype"]) == ("pooled", "last", "float32")
    assert run_file["settings"]["target_layers"] == "1,2,4"
    assert all(len(run_file[key]) == 64 for key in ("model_hash", "tokenizer_hash", "corpus_digest"))
    assert run_file["n_stories"] == 46
    assert "amygdala" in run_file["written_by"]
    assert "before any final norm" in run_file["convention"]


def test_corpus_settings_count_and_flags_override_them(export: Run, corpus: Path, tmp_path: Path) -> None:
    (corpus / "amygdala.toml").write_text('target_layers = "3"\npooling = "mean"\n')
    export("--target-layers", "0")
    assert json.loads((tmp_path / "out" / "readout.json").read_text())["layers"] == [0]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["pooling"] == "mean"


def test_folders_may_be_named_apart(run: Run, corpus: Path, tmp_path: Path) -> None:
    folders = ("--stories-dir", corpus / "stories", "--paired-dir", corpus / "paired")
    code, _, err = run("export", *folders, "--model", MODEL, "--device", "cpu", "--output-dir", tmp_path / "out")
    assert code == 0
    assert "8 concepts, 42 stories, 4 baselines" in err


def test_stories_alone_are_enough(run: Run, corpus: Path, tmp_path: Path) -> None:
    folders = ("--stories-dir", corpus / "stories")
    code, _, err = run("export", *folders, "--model", MODEL, "--device", "cpu", "--output-dir", tmp_path / "out")
    assert code == 0
    assert "7 concepts, 7 stories, 0 baselines" in err


def test_problems_are_named_and_the_rest_is_exported(export: Run, corpus: Path) -> None:
    (corpus / "stories" / "broken.txt").write_bytes(b"caf\xe9")
    (corpus / "stories" / "a\x1b[31m.txt").write_text("Red.")
    code, out, err = export()
    assert code == 0
    assert "error: stories/broken.txt: not UTF-8" in err
    assert "\x1b" not in out + err


def test_cut_stories_are_named(export: Run) -> None:
    _, _, err = export("--max-length", "16")
    assert "warning: stories/joyful.txt: only its first 16 tokens are read" in err


def test_one_story_concept_gives_strict_json_without_nan(export: Run, corpus: Path, tmp_path: Path) -> None:
    (corpus / "stories" / "single.txt").write_text("There was only this one.")
    assert export("--quality-report")[0] == 0

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    single = json.loads((tmp_path / "out" / "quality.json").read_text(), parse_constant=refuse)["single"]
    at = next(iter(single["per_layer"].values()))
    assert at["story_projection_std"] is None
    assert (at["story_alignment_mean"], at["story_alignment_std"]) == (0.0, 0.0)
    assert at["top3_variance_ratios"] == [1.0]
    assert single["outlier_stories"] == []
    assert single["triage"]["thin"] is True


def test_quality_names_its_outliers_files(export: Run, corpus: Path, tmp_path: Path) -> None:
    export("--quality-report")
    for concept, document in json.loads((tmp_path / "out" / "quality.json").read_text()).items():
        assert len(document["outlier_paths"]) == len(document["outlier_stories"]) == 2
        for path, (text, _) in zip(document["outlier_paths"], document["outlier_stories"], strict=True):
            assert path.endswith(f"{concept}.txt")
            assert (corpus / path).read_text("utf-8").strip() == text


def test_the_corpus_is_only_read(export: Run, corpus: Path) -> None:
    before = {file: file.read_bytes() for file in corpus.rglob("*") if file.is_file()}
    export()
    assert {file: file.read_bytes() for file in corpus.rglob("*") if file.is_file()} == before
