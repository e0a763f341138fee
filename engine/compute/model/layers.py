"""Which blocks to read: indices, percentages of the depth, or a model's default."""

from __future__ import annotations

from engine.errors import UsageError
from engine.settings import AUTO, EMBEDDED, Settings

DEFAULT = "50%,58%,67%"
"""Concepts are read best somewhat above the middle; these bracket two thirds of the depth."""
EMBEDDED_DEFAULT = "1,2,3"
"""Where all-MiniLM-L6-v2 separates emotions best, with mean pooling: leave-one-out AUROC 0.92, 0.91, 0.90
(`benchmarks/separation.py`, on 3,000 stories of 20 emotions)."""


def target_layers(settings: Settings, n_blocks: int) -> list[int] | None:
    """The blocks that settings ask for; None where the stories are to decide (`auto`).

    Raises:
        UsageError: as `parse_layers`.
    """
    spec = settings.target_layers or (EMBEDDED_DEFAULT if settings.model == EMBEDDED else DEFAULT)
    return None if spec == AUTO else parse_layers(spec, n_blocks)


def parse_layers(spec: str, n_blocks: int) -> list[int]:
    """Block indices, 0-based, in the order of `spec`; a percentage p is block `round(p/100 * (n_blocks - 1))`.

    Percentages that fall on one block give it once.

    Raises:
        UsageError: a part is neither a number nor a percentage, is out of range, or an index is given twice.
    """
    blocks: list[int] = []
    for part in spec.split(","):
        block, is_index = _parse(part.strip(), spec, n_blocks)
        if block not in blocks:
            blocks.append(block)
        elif is_index:
            raise UsageError(f"--target-layers {spec}: block {block} is named twice")
    return blocks


def _parse(part: str, spec: str, n_blocks: int) -> tuple[int, bool]:
    try:
        if part.endswith("%"):
            share = float(part[:-1]) / 100
            block, is_index = round(share * (n_blocks - 1)) if 0 <= share <= 1 else -1, False
        else:
            block, is_index = int(part), True
    except ValueError:
        raise UsageError(
            f"--target-layers {spec}: '{part}' is neither a block's index nor a percentage; "
            "write 1,2,4 or 50%,67% or auto"
        ) from None
    if not 0 <= block < n_blocks:
        raise UsageError(
            f"--target-layers {spec}: '{part}' is out of range; this model's blocks are 0 to {n_blocks - 1}"
        )
    return block, is_index
