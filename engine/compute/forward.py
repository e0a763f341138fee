"""Texts in, activations out: one early-stopped forward pass per batch, without the head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from engine.compute.models import LoadedModel
from engine.errors import AmygdalaError

EXTRACTOR_VERSION = 1
"""Raised whenever the same text would give other activations, so that stored ones are not used again."""

TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 16384}
"""Padded tokens per batch: on a CPU small batches stay in cache, a GPU wants large ones."""


@dataclass(frozen=True)
class Activation:
    """What is kept of one text: `x` is `[L, H]`, fp32, on the CPU."""

    x: Tensor
    truncated: bool


class Extractor:
    """Runs texts through a model and reads the residual stream after each target block.

    Args:
        model: the loaded model.
        layers: target blocks, 0-based.
        pooling: `last` reads the last token, `mean` averages the tokens from `pool_from` on.
        max_length: tokens read of a text, special tokens included.
        batch_size: texts per batch at most; None bounds batches by tokens alone.
    """

    def __init__(
        self,
        model: LoadedModel,
        layers: Sequence[int],
        *,
        pooling: Literal["last", "mean"],
        pool_from: int = 0,
        max_length: int = 512,
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.layers = tuple(layers)
        self.pooling = pooling
        self.pool_from = pool_from
        self.max_length = min(max_length, model.max_positions)
        self._batch_size = batch_size or 1 << 30
        self._budget = TOKENS_PER_BATCH.get(model.device.type, TOKENS_PER_BATCH["cpu"])

    def run(self, texts: Sequence[str]) -> Iterator[list[tuple[int, Activation]]]:
        """Yield, batch by batch, `(index into texts, activation)`; longest texts first.

        Raises:
            AmygdalaError: an activation is not finite, or a single text does not fit into memory.
        """
        sequences, truncated = self._tokenize(texts)
        waiting = sorted(range(len(texts)), key=lambda i: len(sequences[i]), reverse=True)
        while waiting:
            batch = self._next_batch(waiting, sequences)
            pooled = self._try([sequences[i] for i in batch])
            if pooled is None:
                self._budget //= 2
                continue
            waiting = waiting[len(batch) :]
            if not pooled.isfinite().all():
                raise AmygdalaError(f"{self.model.name} gives activations that are not finite; try --dtype fp32")
            yield [(i, Activation(x, truncated[i])) for i, x in zip(batch, pooled.unbind(1), strict=True)]

    def _try(self, sequences: list[list[int]]) -> Tensor | None:
        """Run a batch; None if it does not fit into memory, an error if a single text does not."""
        try:
            return self._forward(sequences)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            if len(sequences) == 1:
                raise AmygdalaError(
                    f"out of memory on {self.model.device} with a single story of {len(sequences[0])} tokens; "
                    "use a smaller --max-length or another --device"
                ) from error
        if self.model.device.type == "cuda":  # here, where the failed pass holds its tensors no more
            torch.cuda.empty_cache()
        return None

    def _tokenize(self, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Token ids per text, cut to `max_length` by the tokenizer (which keeps its closing token)."""
        tokenizer = self.model.tokenizer
        sequences: list[list[int]] = tokenizer(list(texts), verbose=False)["input_ids"] if texts else []
        truncated = [len(ids) > self.max_length for ids in sequences]
        for i, long in enumerate(truncated):
            if long:
                sequences[i] = tokenizer(texts[i], truncation=True, max_length=self.max_length)["input_ids"]
        return sequences, truncated

    def _next_batch(self, waiting: list[int], sequences: list[list[int]]) -> list[int]:
        longest = len(sequences[waiting[0]])
        return waiting[: max(1, min(self._batch_size, self._budget // max(1, longest)))]

    @torch.inference_mode()
    def _forward(self, sequences: list[list[int]]) -> Tensor:
        """Pooled residuals `[L, B, H]` of one batch, fp32 on the CPU.

        Padding is on the right whatever the tokenizer prefers, so position t of a text is its token t.
        """
        device = self.model.device
        lengths = torch.tensor([len(ids) for ids in sequences])
        padded = nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in sequences], batch_first=True)  # (B, T)
        mask = torch.arange(padded.shape[1]) < lengths[:, None]
        lengths = lengths.to(device)
        taken: dict[int, Tensor] = {}

        def read(layer: int, output: Tensor | tuple[Tensor, ...]) -> None:
            taken[layer] = self._pool(output if isinstance(output, Tensor) else output[0], lengths)
            if len(taken) == len(self.layers):
                raise _AllRead

        with ExitStack() as hooks:
            for layer in self.layers:
                hook = self.model.anatomy.blocks[layer].register_forward_hook(
                    lambda _module, _inputs, output, layer=layer: read(layer, output)
                )
                hooks.callback(hook.remove)
            with suppress(_AllRead):
                self.model.module(input_ids=padded.to(device), attention_mask=mask.long().to(device))
        return torch.stack([taken[layer] for layer in self.layers]).cpu()

    def _pool(self, residual: Tensor, lengths: Tensor) -> Tensor:
        """One row per text, `[B, H]` fp32, from `[B, T, H]`; what stands at padded positions never enters."""
        last = lengths - 1
        if self.pooling == "last":
            return residual[torch.arange(len(lengths), device=residual.device), last].float()
        position = torch.arange(residual.shape[1], device=residual.device)
        first = last.clamp_max(self.pool_from)  # a text shorter than pool_from keeps its last token
        inside = (position >= first[:, None]) & (position <= last[:, None])  # (B, T)
        return residual.float().masked_fill(~inside[..., None], 0.0).sum(1) / inside.sum(1, keepdim=True)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """A GPU has an exception for it; the CPU's allocator has only words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class _AllRead(Exception):
    """Every target block has been read: the blocks above are not run."""
