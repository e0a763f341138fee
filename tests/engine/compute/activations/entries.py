"""Small entries for a store, what it holds of them, and programs that share it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from engine.compute.activations.index import Held
from engine.compute.activations.store import Entry, Store, Verified

KEYS = [f"{i:02x}" + "0" * 62 for i in range(10)]


def entry(seed: int = 0, *, truncated: bool = False, size: int = 8) -> Entry:
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        "x": torch.randn(3, size, generator=generator),
        "tokens": torch.randn(2, 5, size, generator=generator).bfloat16(),
    }
    return Entry(tensors, {"truncated": str(int(truncated))})


def same(one: Entry, other: Entry) -> bool:
    alike = [
        one.tensors[name].dtype == other.tensors[name].dtype and torch.equal(one.tensors[name], other.tensors[name])
        for name in one.tensors.keys() | other.tensors.keys()
    ]
    return all(alike) and one.notes == other.notes


def file_size() -> int:
    """What an entry takes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.put({KEYS[0]: entry()})
        return only_file(store).stat().st_size


def unheard(_done: int, _total: int) -> None:
    """Progress that is not looked at."""


def verified(**counts: int) -> Verified:
    return Verified(**({"sound": 0, "damaged": 0, "stuck": 0, "adopted": 0, "lost": 0} | counts))


def lose_index(store: Store) -> None:
    for file in store.root.glob("index.sqlite*"):
        file.unlink()


def counted(store: Store) -> Held:
    """What the index believes to be there, in all."""
    held = store.info().held.values()
    return Held(sum(one.entries for one in held), sum(one.bytes for one in held))


def there(store: Store) -> Held:
    """What is there."""
    files = list(store.root.rglob("*.safetensors"))
    return Held(len(files), sum(file.stat().st_size for file in files))


def run(program: str, *words: object) -> subprocess.Popen[str]:
    """A process of its own, with the names that these tests have."""
    code = f"from tests.engine.compute.activations.entries import *\n{program}"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def only_file(store: Store) -> Path:
    (file,) = store.root.rglob("*.safetensors")
    return file


def failing(code: int) -> Any:
    """A function that the system refuses."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail
