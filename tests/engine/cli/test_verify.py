"""`engine verify` from the command line: what it says of a set, and with which exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

from engine import cli
from engine.corpus import Layout, scan
from engine.export.files import MANIFEST, QUALITY, RUN, VECTORS
from engine.export.readout import write
from tests.engine.export.making import RUN_DOCUMENT, readout

Verify = Callable[..., tuple[int, str, str]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A whole set, made of the golden corpus if its digest is to be believed."""
    return exported(tmp_path / "out")


def exported(folder: Path, **run: Any) -> Path:
    """Write a set whose provenance is complete."""
    folder.mkdir()
    made = {"tokenizer_hash": "b" * 64, "method": "pooled", "pooling": "mean"}
    write(folder, readout(), RUN_DOCUMENT | made | run, {"calm": {}, "sad": {}})
    return folder


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    """Run `verify` in this process: exit code, output, diagnostics."""

    def verify(*words: str | Path) -> tuple[int, str, str]:
        try:
            code = cli.run(["verify", *map(str, words)])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return verify


def test_sound_set_tells_what_it_is_of(verify: Verify, out: Path) -> None:
    code, said, err = verify(out)
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        "model       m, aaaaaaaaaaaa",
        "tokenizer   bbbbbbbbbbbb",
        "method      pooled, pooling mean",
        "corpus      cccccccccccc (2 stories)",
        "written by  amygdala-studio 0",
        "layers      3, 1 (hidden size 4)",
        "concepts    2",
        f"{out}: sound",
    ]


def test_answer_as_json_has_whole_hashes(verify: Verify, out: Path) -> None:
    code, said, _ = verify(out, "--json")
    assert code == 0
    assert json.loads(said) == {
        "folder": str(out),
        "sound": True,
        "problems": [],
        "provenance": {
            "model": "m",
            "model_hash": "a" * 64,
            "tokenizer_hash": "b" * 64,
            "method": "pooled",
            "pooling": "mean",
            "corpus_digest": "c" * 64,
            "n_stories": 2,
            "written_by": "amygdala-studio 0",
        },
        "concepts": ["calm", "sad"],
        "layers": [3, 1],
        "hidden_size": 4,
        "temporaries": [],
        "strangers": [],
        "comparison": None,
    }


def test_strangers_are_named_and_are_no_problem(verify: Verify, out: Path) -> None:
    for i in range(5):
        (out / f"notes{i}.txt").write_text("of somebody")
    code, said, _ = verify(out)
    assert code == 0
    assert said.count("not of the set, and of no other") == 3
    assert "and 2 more such files\n" in said
    assert json.loads(verify(out, "--json")[1])["strangers"] == [str(out / f"notes{i}.txt") for i in range(5)]


def test_problems_are_listed_and_exit_1(verify: Verify, out: Path) -> None:
    (out / RUN).unlink()
    (out / QUALITY).write_text("{")
    code, said, _ = verify(out)
    assert code == 1
    assert f"{out / RUN} is missing\n" in said
    assert f"{out / QUALITY}: not strict JSON" in said
    assert said.endswith(f"{out}: not sound: 3 problems\n")
    code, said, _ = verify(out, "--json")
    assert (code, json.loads(said)["sound"], len(json.loads(said)["problems"])) == (1, False, 3)


def test_older_set_is_sound_but_unattributed(verify: Verify, out: Path) -> None:
    safetensors.numpy.save_file(safetensors.numpy.load_file(out / VECTORS), out / VECTORS)
    (out / RUN).unlink()
    code, said, _ = verify(out)
    assert code == 0
    assert "sound, but it carries no provenance" in said
    assert "model  " not in said
    assert json.loads(verify(out, "--json")[1])["provenance"] is None


def test_folder_that_holds_no_set_exits_1(verify: Verify, tmp_path: Path) -> None:
    code, said, _ = verify(tmp_path)
    assert code == 1
    assert f"{tmp_path / VECTORS} is missing" in said


def test_escape_sequences_never_reach_the_terminal(verify: Verify, tmp_path: Path) -> None:
    out = exported(tmp_path / "out", model="\x1b[31mred")
    (out / MANIFEST).write_text('{"\\u001b[2J": 1}')
    code, said, err = verify(out)
    assert code == 1
    assert "red" in said
    assert "\x1b" not in said + err


@pytest.mark.parametrize("words", [("NOSUCH",), (), ("OUT", "--corpus", "NOSUCH"), ("OUT", "--corpus", "OUT")])
def test_bad_usage_exits_2(verify: Verify, out: Path, words: tuple[str, ...]) -> None:
    code, said, err = verify(*(str(out) if word == "OUT" else word for word in words))
    assert code == 2
    assert said == ""
    assert "Traceback" not in err


# Compared with a corpus


@pytest.fixture
def made_of(corpus: Path, tmp_path: Path) -> Path:
    """A set made of the corpus's stories as they are."""
    scanned = scan(Layout.of(corpus))
    return exported(tmp_path / "out", corpus_digest=scanned.digest, n_stories=len(scanned.stories))


def test_corpus_that_did_not_change_is_told(verify: Verify, made_of: Path, corpus: Path) -> None:
    code, said, _ = verify(made_of, "--corpus", corpus)
    assert code == 0
    assert said.endswith(f"{corpus}: has the stories that the set was made of\n")
    shutil.move(corpus, corpus.with_name("moved"))
    assert verify(made_of, "--corpus", corpus.with_name("moved"))[0] == 0


def test_corpus_that_changed_is_told_and_exits_1(verify: Verify, made_of: Path, corpus: Path) -> None:
    (corpus / "stories" / "new.txt").write_text("Another.")
    code, said, _ = verify(made_of, "--corpus", corpus)
    assert code == 1
    assert f"{made_of}: sound\n" in said
    assert "its stories changed since" in said
    assert "(47 now, 46 then)" in said
    answer = json.loads(verify(made_of, "--corpus", corpus, "--json")[1])
    assert (answer["sound"], answer["comparison"]["changed"]) == (True, True)
    assert answer["comparison"]["corpus_digest"] == scan(Layout.of(corpus)).digest


def test_set_that_does_not_say_what_it_is_of_cannot_be_compared(verify: Verify, made_of: Path, corpus: Path) -> None:
    safetensors.numpy.save_file(safetensors.numpy.load_file(made_of / VECTORS), made_of / VECTORS)
    (made_of / RUN).unlink()
    code, said, _ = verify(made_of, "--corpus", corpus)
    assert code == 1
    assert "whether it changed cannot be told" in said
