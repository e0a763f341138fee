"""The header of a safetensors file: which tensors it holds, in which format and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LENGTH_BYTES = 8
"""A file begins with the length of its header, little-endian."""
LONGEST_HEADER = 100_000_000
"""Bytes of a header, at most; the format's own bound."""
MALFORMED = (ValueError, RecursionError, AttributeError, LookupError, TypeError)
"""What reading a header raises, and taking it for one, where a file has no proper header."""


def read_header(file: Path) -> tuple[int, dict[str, Any]]:
    """Where a file's data begins, in bytes, and what its header says of each tensor, by name.

    Raises:
        OSError: the file cannot be read.
        ValueError, RecursionError, AttributeError: it has no proper header.
    """
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        if not 0 < length <= LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(stream.read(length))
    return LENGTH_BYTES + length, {name: tensor for name, tensor in header.items() if name != "__metadata__"}
