"""Digests of large files, remembered in the store's index for as long as the files stay the same."""

from __future__ import annotations

from pathlib import Path

from engine.compute.activations.index import Index
from engine.compute.model.folder import file_sha256, signature_of


class Digests:
    """Gives the SHA-256 of a file's bytes, in hex; reads only files that it has not read before.

    Args:
        index: where they are remembered.
    """

    def __init__(self, index: Index) -> None:
        self._index = index

    def __call__(self, file: Path) -> str:
        """A file's digest. Raises OSError if it cannot be read."""
        signature = signature_of(file)
        digest = self._index.digest(str(file.resolve()), signature)
        if digest is None:
            digest = file_sha256(file)
            self._index.remember(str(file.resolve()), signature, digest)
        return digest

    def remembered(self, file: Path) -> str | None:
        """A file's digest if that takes no reading; None for one that is new or has changed since."""
        return self._index.digest(str(file.resolve()), signature_of(file))
