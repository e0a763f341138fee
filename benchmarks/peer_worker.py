"""One other package at work, in an environment that has it and nothing of ours. Started by `peers.py`.

    PYTHON peer_worker.py PACKAGE, with a job on stdin: {"model": folder, "texts": [...], "layers": [...], "dtype": ...}

Prints one JSON line: the seconds that extraction took, loading apart, and the versions that ran. The calls are those of
each package's own documentation. Texts go in as pairs, every text once: the least that a direction can be made from.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

WARM_UP = 4


def steering_vectors(model: Any, tokenizer: Any, pairs: list[tuple[str, str]], layers: list[int]) -> None:
    """`train_steering_vector` as documented: the mean difference at the last token; one pair at a time by default."""
    from steering_vectors import train_steering_vector

    train_steering_vector(model, tokenizer, pairs, layers=layers)


def repeng(model: Any, tokenizer: Any, pairs: list[tuple[str, str]], layers: list[int]) -> None:
    """`ControlVector.train` as documented: the first principal component of the differences; 32 texts at a time."""
    from repeng import ControlVector, DatasetEntry

    dataset = [DatasetEntry(positive=positive, negative=negative) for positive, negative in pairs]
    ControlVector.train(model, tokenizer, dataset, hidden_layers=layers)


PACKAGES = {"steering-vectors": steering_vectors, "repeng": repeng}


def main() -> None:
    """Load, warm up on a few texts, and time the extraction from all of them."""
    package = sys.argv[1]
    job = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model: Any = AutoModelForCausalLM.from_pretrained(job["model"], torch_dtype=getattr(torch, job["dtype"]))
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    texts = job["texts"]
    pairs = list(zip(texts[::2], texts[1::2], strict=False))
    train = PACKAGES[package]
    train(model, tokenizer, pairs[: WARM_UP // 2], job["layers"])
    started = time.perf_counter()
    train(model, tokenizer, pairs, job["layers"])
    seconds = time.perf_counter() - started
    versions = {name: version(name) for name in (package, "transformers", "torch")}
    print(json.dumps({"seconds": seconds, "texts": 2 * len(pairs), "versions": versions}))


if __name__ == "__main__":
    main()
