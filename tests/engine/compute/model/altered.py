"""A model's folder, and a machine, that are other than they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def gpus(monkeypatch: pytest.MonkeyPatch, count: int, free: int) -> None:
    """As if there were GPUs, each with so many bytes free."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free, free))


UNKNOWN = "<|story|>"
"""A token that the model of `unknowing` has no embedding for."""
PANIC = f"{'a' * 40}b"
"""A text on which the tokenizer of `unknowing` panics."""


def unknowing(folder: Path) -> Path:
    """Give a model's tokenizer a token that was never added to the model, and a pattern that is too hard for a text."""
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    token = {"id": json.loads((folder / "config.json").read_text())["vocab_size"] + 5, "content": UNKNOWN}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    hard = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    usual = tokenizer["pre_tokenizer"]
    tokenizer["added_tokens"].append(token | flags)
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [hard, usual] if usual else [hard]}
    file.write_text(json.dumps(tokenizer))
    return folder
