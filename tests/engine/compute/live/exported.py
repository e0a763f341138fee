"""The files of an export, read back."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import load_file


class Export:
    """The files of one export."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "readout.json").read_text())
        self.quality = json.loads((folder / "quality.json").read_text())
        self.vectors = load_file(folder / "readout.safetensors")
