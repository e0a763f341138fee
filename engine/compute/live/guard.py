"""What becomes of a corpus's state when a computation fails."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.errors import AmygdalaError
from engine.settings import Settings


class Guard:
    """Begins the state anew after a failure: it may be half changed, and the activations are in the store."""

    def __init__(self, begin_anew: Callable[[], None], settings: Settings, device: str) -> None:
        self._begin_anew = begin_anew
        self._settings = settings
        self._device = device

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or kind is GeneratorExit:  # dropped between two steps, where the state is whole
            return
        self._begin_anew()
        if isinstance(error, torch.OutOfMemoryError):
            raise AmygdalaError(
                f"out of memory on {self._device}: the method {self._settings.method} keeps too "
                "much there for so many concepts, layers and dimensions; take fewer target layers, the method "
                "pooled, or another --device"
            ) from error
