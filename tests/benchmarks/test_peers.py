"""`benchmarks.peers` with a stand-in for another package: the real ones need the network, and 1.4 GB each."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from benchmarks import peer_worker, peers, random_model
from tests.benchmarks.smoke import TINY, figures, printed

PEER = "repeng"
REPORT = {"seconds": 0.5, "texts": 10, "versions": {PEER: "0.0", "torch": "0.0"}}
STAND_IN = """
class DatasetEntry:
    def __init__(self, positive, negative):
        self.texts = [positive, negative]

class ControlVector:
    @staticmethod
    def train(model, tokenizer, dataset, hidden_layers):
        for entry in dataset:
            for text in entry.texts:
                model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[hidden_layers[0]]
"""


def test_ours_and_the_floor_stand_beside_what_a_peer_reports(tmp_path: Path) -> None:
    script(tmp_path, f"cat > /dev/null; echo loading; echo '{json.dumps(REPORT)}'")
    text = printed(peers.main, str(tmp_path), *TINY, "--packages", PEER, "--repeat", "1")
    floor, ours = (figures(rf"{name} +(\S+) ms a text", text)[0] for name in ("floor", "ours"))
    assert ours > floor > 0
    assert figures(rf"{PEER} +(\S+) ms a text.*x ours  {PEER} 0.0, torch 0.0", text) == [50.0]


def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    python = script(tmp_path, "cat > /dev/null; echo out of luck >&2; exit 3")
    with pytest.raises(RuntimeError, match="repeng failed:\nout of luck"):
        peers.extraction(python, PEER, {})


def test_the_worker_times_the_calls_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    printed(random_model.main, str(model), "--size", "tiny", "--blocks", "2")
    capsys.readouterr()
    (tmp_path / f"{PEER}.py").write_text(STAND_IN)
    (tmp_path / f"{PEER}-0.0.dist-info").mkdir()
    (tmp_path / f"{PEER}-0.0.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PEER}\nVersion: 0.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    job = {"model": str(model), "texts": ["one", "two", "three"], "layers": [1], "dtype": "float32"}
    monkeypatch.setattr(sys, "argv", ["peer_worker.py", PEER])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(job)))
    peer_worker.main()
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["texts"] == 2, "an odd text has no other to stand against"
    assert report["seconds"] > 0
    assert report["versions"][PEER] == "0.0"


def script(folder: Path, commands: str) -> Path:
    """An environment whose Python is a shell script."""
    python = folder / PEER / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{commands}\n")
    python.chmod(0o755)
    (folder / PEER / "made.json").write_text(json.dumps([f"torch=={peers.TORCH}", f"{PEER}=={peers.PACKAGES[PEER]}"]))
    return python
