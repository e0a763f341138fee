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
