"""Texts in, activations out: one forward pass per batch reads everything, and stops after the last target block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from engine.compute.model.loaded import LoadedModel, Model
from engine.compute.model.tokens import TokenizerPanic, Tokens, encode, tokenize
from engine.compute.model.unreadable import UnreadableText, in_words, is_of_one_text, is_out_of_memory
from engine.errors import AmygdalaError

EXTRACTOR_VERSION = 3
"""Raised whenever the same text would give other activations, or the same model another sketch, so that stored ones
are not used again."""

TOKENS_PER_BATCH = {("cpu", torch.float32): 1024, ("cpu", torch.bfloat16): 2048, ("cpu", torch.float16): 2048}
"""Padded tokens per batch: on a CPU small batches stay in cache."""
TOKENS_PER_GPU_BATCH = 16384
TOKENISED_AT_ONCE = 256
"""Texts tokenised together: other work may go first between two batches, and ten thousand stories take seconds."""
NOT_FINITE = "its activations are not finite; try --dtype fp32"


@dataclass(frozen=True)
class Activation:
    """What is read of one text."""

    x: Tensor
    """The residual stream after each target block, pooled: `[L, H]`, fp32, on the CPU."""
    mean: Tensor
    """The same, averaged over all tokens, special ones included; `x` itself where pooling does just that."""
    truncated: bool
    heads: tuple[Tensor | None, ...] = ()
    """Per target block the input of its attention output projection, pooled alike: `[A]`, fp32, on the CPU."""
    tokens: Tensor | None = None
    """The residuals of all tokens, with `keep_tokens`: `[L, T, H]`, in the model's number format, on its device."""
    later: Tensor | None = None
    """Averaged over the tokens from `pool_from` on, with `keep_later`: `[L, H]`, fp32, on the CPU."""


@dataclass(frozen=True)
class Trace:
    """What is read of one text, token by token."""

    activation: Activation
    tokens: Tensor
    """The residuals of all T tokens: `[L, T, H]`, fp32, on the CPU."""
    offsets: list[tuple[int, int]]
    """Where each token begins and ends in the text, in characters; (0, 0) for those that stand for no text. Tokens that
    share a character all have it."""


class Extractor:
    """Runs texts through a model and reads what each target block gives.

    Args:
        model: the model; the weights of an outline are loaded when the first text is run.
        layers: target blocks, 0-based.
        pooling: `last` reads the last token, `mean` averages the tokens from `pool_from` on.
        max_length: tokens read of a text, special tokens included.
        batch_size: texts per batch at most; None bounds batches by tokens alone.
        keep_tokens: give the residuals of all tokens too.
        keep_later: give the mean of the tokens from `pool_from` on too, whatever the pooling.
    """

    def __init__(
        self,
        model: Model,
        layers: Sequence[int],
        *,
        pooling: Literal["last", "mean"],
        pool_from: int = 0,
        max_length: int = 512,
        batch_size: int | None = None,
        keep_tokens: bool = False,
        keep_later: bool = False,
    ) -> None:
        self.model = model
        self.layers = tuple(layers)
        self.pooling = pooling
        self.pool_from = pool_from
        self.pools_all_tokens = pooling == "mean" and pool_from == 0
        self.max_length = min(max_length, model.max_positions)
        self.keep_tokens = keep_tokens
        self.keep_later = keep_later
        self._batch_size = batch_size or 1 << 30
        self._budget = TOKENS_PER_BATCH.get((model.device.type, model.dtype), TOKENS_PER_GPU_BATCH)
        self.recipe = "\n".join(
            str(part)
            for part in (
                EXTRACTOR_VERSION, model.model_hash, model.tokenizer_hash, self.layers, pooling, pool_from,
                self.max_length, model.dtype, model.anatomy.parts.blocks, model.anatomy.parts.attention_output,
            )
        )  # fmt: skip

    @property
    def is_loaded(self) -> bool:
        """Whether the model's weights are there."""
        return self.model.is_loaded

    def loaded(self) -> LoadedModel:
        """The model with its weights, which are loaded if they are not there yet.

        Raises:
            AmygdalaError: they cannot be loaded.
        """
        return self.model.loaded()

    def run(self, texts: Sequence[str]) -> Iterator[list[tuple[int, Activation | UnreadableText]]]:
        """Yield, batch by batch, `(index into texts, activation)`; longest texts first.

        A text that the model cannot take has the error in place of an activation. It is one that failed by itself:
        where a batch fails, its halves are tried, so that one text stops no other.

        Raises:
            AmygdalaError: the model cannot be loaded, or a single text does not fit into memory.
        """
        longest_first = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
        for start in range(0, len(texts), TOKENISED_AT_ONCE):
            part = longest_first[start : start + TOKENISED_AT_ONCE]
            for batch in self._run_part([texts[i] for i in part]):
                yield [(part[i], outcome) for i, outcome in batch]

    def _run_part(self, texts: list[str]) -> Iterator[list[tuple[int, Activation | UnreadableText]]]:
        # before the tokenizer is asked, which is loaded beside the weights; and before inference mode: weights loaded
        # within it are of no use outside
        vocabulary = self.loaded().vocabulary
        tokenized = dict(enumerate(tokenize(self.model.tokenizer, texts, self.max_length, vocabulary)))
        sequences = {i: tokens for i, tokens in tokenized.items() if isinstance(tokens, Tokens)}
        if unreadable := [(i, error) for i, error in tokenized.items() if isinstance(error, UnreadableText)]:
            yield [*unreadable]
        waiting = [sorted(sequences, key=lambda i: len(sequences[i].ids), reverse=True)] if sequences else []
        while waiting:
            group = waiting.pop()
            batch = self._next_batch(group, sequences)
            if rest := group[len(batch) :]:
                waiting.append(rest)
            outcomes = self._try(batch, sequences)
            if outcomes is None:
                self._budget //= 2
                waiting.append(batch)
                continue
            if taken := [(i, outcome) for i, outcome in outcomes.items() if isinstance(outcome, Activation)]:
                yield [*taken]
            failed = [(i, reason) for i, reason in outcomes.items() if isinstance(reason, str)]
            if len(batch) == 1:
                yield [(i, UnreadableText(texts[i], reason)) for i, reason in failed]
            else:
                middle = len(failed) // 2
                waiting += [[i for i, _ in half] for half in (failed[middle:], failed[:middle]) if half]

    def trace(self, text: str) -> Trace:
        """Run one text, and read each of its tokens.

        Raises:
            UnreadableText: the model cannot take it.
            AmygdalaError: as `run`, or the tokenizer cannot tell where in a text its tokens are.
        """
        extractor = copy(self)
        extractor.keep_tokens = True
        ((_, outcome),) = next(extractor.run([text]))
        if isinstance(outcome, UnreadableText):
            raise outcome
        assert outcome.tokens is not None
        return Trace(
            outcome if self.keep_tokens else replace(outcome, tokens=None),
            outcome.tokens.float().cpu(),
            self._offsets(text),
        )

    @cached_property
    def _outputs(self) -> list[nn.Module | None]:
        """Per target block the module whose input is read as `heads`."""
        anatomy = self.loaded().anatomy
        return [anatomy.attention_output(block) for block in self.layers]

    def _try(self, batch: list[int], sequences: Mapping[int, Tokens]) -> dict[int, Activation | str] | None:
        """Run a batch: by text, its activation, or why there is none; None if the batch does not fit into memory.

        Raises:
            AmygdalaError: a single text does not fit into memory.
            Exception: the machine failed.
        """
        lengths = [len(sequences[i].ids) for i in batch]
        try:
            read = self._forward([sequences[i].ids for i in batch])
        except Exception as error:
            if is_of_one_text(error):
                return dict.fromkeys(batch, f"the model fails on it ({in_words(error)})")
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise AmygdalaError(
                    f"out of memory on {self.loaded().device} with a single story of {lengths[0]} tokens; "
                    "use a smaller --max-length or another --device"
                ) from error
        else:
            is_finite = read.is_finite(lengths)
            return {i: read.of(row, sequences[i]) if is_finite[row] else NOT_FINITE for row, i in enumerate(batch)}
        if self.loaded().device.type == "cuda":  # after the handler, which still holds the tensors of the failed pass
            torch.cuda.empty_cache()
        return None

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        """Where the tokens that `tokenize` makes of a text begin and end in it."""
        truncation = {"truncation": True, "max_length": self.max_length}
        try:
            spans = encode(self.model.tokenizer, [text], **truncation, return_offsets_mapping=True)["offset_mapping"][0]
        except (KeyError, NotImplementedError, ValueError, TokenizerPanic) as error:  # each kind refuses in its own way
            raise AmygdalaError(
                f"{self.model.name}: its tokenizer cannot tell where in a text its tokens are, so they are not shown; "
                "a tokenizer.json in the model's folder can"
            ) from error
        return [(start, end) for start, end in spans]

    def _next_batch(self, group: list[int], sequences: Mapping[int, Tokens]) -> list[int]:
        longest = len(sequences[group[0]].ids)
        return group[: max(1, min(self._batch_size, self._budget // longest))]

    @torch.inference_mode()
    def _forward(self, sequences: list[list[int]]) -> _BatchActivations:
        """One batch. Padding is on the right whatever the tokenizer prefers, so position t of a text is its token t."""
        model = self.loaded()
        device = model.device
        lengths = torch.tensor([len(ids) for ids in sequences])
        padded = nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in sequences], batch_first=True)  # (B, T)
        inputs = {"input_ids": padded.to(device)}
        if model.needs_mask:
            inputs["attention_mask"] = (torch.arange(padded.shape[1]) < lengths[:, None]).long().to(device)
        residuals: dict[int, Tensor] = {}
        means: dict[int, Tensor] = {}
        later: dict[int, Tensor] = {}
        tokens: dict[int, Tensor] = {}
        heads: dict[int, Tensor] = {}

        def read_block(position: int, output: Tensor | tuple[Tensor, ...]) -> None:
            residual = output if isinstance(output, Tensor) else output[0]  # (B, T, H)
            if residual.shape[:2] != padded.shape or residual.ndim != 3:
                raise AmygdalaError(
                    f"{model.name}: a block gives {tuple(residual.shape)} for {tuple(padded.shape)} tokens, "
                    "so its residual stream cannot be read"
                )
            residuals[position] = self._pool(residual, lengths)
            if not self.pools_all_tokens:
                means[position] = _mean(residual, lengths)
            if self.keep_later:
                later[position] = _mean(residual, lengths, self.pool_from)
            if self.keep_tokens:
                tokens[position] = residual
            if len(residuals) == len(self.layers):
                raise _AllRead

        def read_heads(position: int, head_inputs: Tensor) -> None:
            heads[position] = self._pool(head_inputs.reshape(*padded.shape, -1), lengths)

        with ExitStack() as hooks:
            for position, block in enumerate(self.layers):
                module, output = model.anatomy.blocks[block], self._outputs[position]
                hook = module.register_forward_hook(lambda _m, _i, out, position=position: read_block(position, out))
                hooks.callback(hook.remove)
                if output is not None:
                    hook = output.register_forward_pre_hook(
                        lambda _m, arguments, position=position: read_heads(position, arguments[0])
                    )
                    hooks.callback(hook.remove)
            with suppress(_AllRead):
                model.module(**inputs)
        positions = range(len(self.layers))
        return _BatchActivations(
            x=torch.stack([residuals[position].to(device) for position in positions]).cpu(),
            means=torch.stack([means[position].to(device) for position in positions]).cpu() if means else None,
            later=torch.stack([later[position].to(device) for position in positions]).cpu() if later else None,
            heads=[heads[position].cpu() if position in heads else None for position in positions],
            tokens=[tokens[position] for position in positions] if self.keep_tokens else None,
        )

    def _pool(self, residual: Tensor, lengths: Tensor) -> Tensor:
        """One row per text, `[B, W]` fp32, from `[B, T, W]`."""
        if self.pooling == "mean":
            return _mean(residual, lengths, self.pool_from)
        last = lengths.to(residual.device) - 1
        return residual[torch.arange(len(lengths), device=residual.device), last].float()


def _mean(residual: Tensor, lengths: Tensor, pool_from: int = 0) -> Tensor:
    """The mean over each text's tokens from `pool_from` on, `[B, W]` fp32, from `[B, T, W]`; what stands at padded
    positions never enters."""
    last = lengths.to(residual.device) - 1
    token = torch.arange(residual.shape[1], device=residual.device)
    first = last.clamp_max(pool_from)  # a text shorter than pool_from keeps its last token
    inside = (token >= first[:, None]) & (token <= last[:, None])  # (B, T)
    return residual.float().masked_fill(~inside[..., None], 0.0).sum(1) / inside.sum(1, keepdim=True)


@dataclass(frozen=True)
class _BatchActivations:
    """What was read of one batch."""

    x: Tensor
    """`[L, B, H]`, fp32, on the CPU."""
    means: Tensor | None
    """The same, over all tokens; None where `x` is that."""
    later: Tensor | None
    """The same, over the tokens from `pool_from` on, where it was asked for."""
    heads: list[Tensor | None]
    """Per target block `[B, A]`, fp32, on the CPU."""
    tokens: list[Tensor] | None
    """Per target block `[B, T, H]`, where that block is."""

    def is_finite(self, lengths: Sequence[int]) -> list[bool]:
        """Per text, whether all that was read of it is finite; padded positions, which may hold anything, do not
        count."""
        finite = self.x.isfinite().all(2).all(0)
        for means in (self.means, self.later):
            if means is not None:
                finite &= means.isfinite().all(2).all(0)
        for heads in self.heads:
            if heads is not None:
                finite &= heads.isfinite().all(1)
        for tokens in self.tokens or ():
            finite &= torch.stack([tokens[row, :length].isfinite().all() for row, length in enumerate(lengths)]).cpu()
        return list(map(bool, finite))

    def of(self, row: int, tokens: Tokens) -> Activation:
        """One text's share of the batch."""
        x = self.x[:, row]
        return Activation(
            x=x,
            mean=x if self.means is None else self.means[:, row],
            later=None if self.later is None else self.later[:, row],
            truncated=tokens.truncated,
            heads=tuple(None if heads is None else heads[row] for heads in self.heads),
            tokens=None
            if self.tokens is None
            else torch.stack([block[row, : len(tokens.ids)].to(self.tokens[0].device) for block in self.tokens]),
        )


class _AllRead(Exception):
    """Every target block has been read: the blocks above are not run."""
