"""Where a model runs."""

from __future__ import annotations

import torch

from engine.errors import UsageError


def pick_device(name: str) -> torch.device:
    """The device a setting names; `auto` is a CUDA device if there is one.

    Raises:
        UsageError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name}: no such kind of device; use auto, cpu or cuda:0") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: models run on cpu or cuda here")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {name}: there is no such GPU here ({torch.cuda.device_count()} found); use --device cpu or auto"
        )
    return device
