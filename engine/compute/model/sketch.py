"""What must be known of a model where no text goes through it, in a few numbers, kept from one process to the next.

Whoever has a model's sketch need neither import transformers nor build the model's modules: that takes seconds, and an
export of unchanged stories takes hardly more.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Annotated

import msgspec

from engine import paths
from engine.compute.model.anatomy import Anatomy
from engine.compute.model.folder import Remembered
from engine.compute.model.parts import Parts

Count = Annotated[int, msgspec.Meta(ge=1)]
Width = Annotated[int, msgspec.Meta(ge=0)]


class Sketch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model in numbers, as deep as it would be loaded. What is not described here is as in `Anatomy`."""

    n_blocks: Count
    depth: Count
    hidden_size: Count
    parts: Parts
    kind: str
    """The architecture's name in its config (`model_type`)."""
    needs_mask: bool
    """Whether padding must be masked."""
    max_positions: Count
    """The longest sequence the model takes, in tokens."""
    heads: list[tuple[Width, Width]]
    """By block, the width of the input of its attention's output projection, and that of one head in it; 0 without
    one."""

    @classmethod
    def of(cls, anatomy: Anatomy, *, kind: str, needs_mask: bool, max_positions: int) -> Sketch:
        """The sketch of a model, with its weights or without them."""
        return cls(
            n_blocks=anatomy.n_blocks,
            depth=anatomy.depth,
            hidden_size=anatomy.hidden_size,
            parts=anatomy.parts,
            kind=kind,
            needs_mask=needs_mask,
            max_positions=max_positions,
            heads=[(anatomy.head_width(block), anatomy.head_dim(block)) for block in range(anatomy.depth)],
        )

    def head_width(self, block: int) -> int:
        """How wide the input of a block's attention output projection is, all heads together; 0 without one."""
        return self.heads[block][0]

    def head_dim(self, block: int) -> int:
        """How wide one head is in that input; 0 without one."""
        return self.heads[block][1]


class Sketches:
    """Sketches on disk, one file each; losing any only costs time.

    Args:
        folder: where they lie; made when the first one is kept.
        remembered: tells the digests of a model's files without reading them, since to read them may take longer than
            to look through the model.
    """

    def __init__(self, folder: Path, remembered: Remembered) -> None:
        self._folder = folder
        self.remembered = remembered

    def get(self, key: str) -> Sketch | None:
        """The sketch that is kept under a key (`depth.key_of`); None without one, or where its file is damaged."""
        try:
            checksum, _, document = self._file(key).read_bytes().partition(b"\n")
            if checksum != _checksum(key, document):
                return None
            return msgspec.json.decode(document, type=Sketch)
        except (OSError, msgspec.DecodeError):
            return None

    def put(self, key: str, sketch: Sketch) -> None:
        """Keep a sketch under a key; where the disk refuses, do without."""
        document = msgspec.json.encode(sketch)
        with contextlib.suppress(OSError):
            paths.make_folder(self._folder)
            paths.write_whole(self._file(key), _checksum(key, document) + b"\n" + document, prefix=".")

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _checksum(key: str, document: bytes) -> bytes:
    """Covers the key, since a file may come under another's name."""
    return hashlib.blake2b(key.encode() + b"\n" + document, digest_size=16).hexdigest().encode()
