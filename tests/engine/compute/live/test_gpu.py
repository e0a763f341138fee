"""The same numbers on a GPU: skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine import cli
from tests.engine.compute.live.exported import Export

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("model", ["llama", "qwen3", "qwen3_5_hybrid"])
def test_an_export_on_a_gpu_equals_the_golden_one(golden: Path, tmp_path: Path, model: str) -> None:
    arguments = [
        "--model",
        str(golden / "models" / model),
        "--target-layers",
        "1,2,4",
        "--device",
        "cuda",
        "--dtype",
        "fp32",
    ]
    files = ["--output-dir", str(tmp_path), "--quality-report"]
    assert cli.run(["export", str(golden / "corpus"), *arguments, *files]) == 0
    ours, expected = Export(tmp_path), Export(golden / "expected" / f"{model}-pooled")
    for name, vectors in expected.vectors.items():
        a, b = ours.vectors[name].astype(np.float64), vectors.astype(np.float64)
        cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert (cosines >= 0.9999).all()
    assert ours.quality.keys() == expected.quality.keys()
