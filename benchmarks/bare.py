"""The floor: one forward pass over the texts that reads nothing. No extraction can take less."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from engine.compute.model.forward import TOKENS_PER_BATCH, TOKENS_PER_GPU_BATCH


class _Enough(Exception):
    """The last block of interest has run."""


@torch.inference_mode()
def floor(body: Any, tokenizer: Any, texts: Sequence[str], last_block: nn.Module, max_length: int = 512) -> None:
    """Run texts through a model without a head, longest first, padded on the right, no further than `last_block`.

    Batches hold as many padded tokens as the engine's do. There is no attention mask: with padding on the right, a
    causal model's tokens never see what stands behind them.
    """
    sequences = tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]
    waiting = sorted(map(torch.tensor, sequences), key=len, reverse=True)
    device = body.device
    budget = TOKENS_PER_BATCH.get((device.type, body.dtype), TOKENS_PER_GPU_BATCH)

    def stop(*_: object) -> None:
        raise _Enough

    with last_block.register_forward_hook(stop):
        while waiting:
            count = max(1, budget // len(waiting[0]))
            batch, waiting = waiting[:count], waiting[count:]
            padded = nn.utils.rnn.pad_sequence(batch, batch_first=True)  # (B, T)
            with suppress(_Enough):
                body(input_ids=padded.to(device), use_cache=False)
