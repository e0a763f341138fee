"""How well stories are read by any pooling, method and block: one pass over the texts, then held-out AUROCs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec
import torch
from torch import Tensor

from engine.compute.activations.source import Progress, Source, Tally
from engine.compute.activations.store import Store
from engine.compute.live import methods
from engine.compute.live.sampling import groups_of
from engine.compute.model.depth import extractor_for, pooling_of
from engine.compute.model.forward import Activation
from engine.compute.model.loaded import Model
from engine.compute.model.unreadable import none_taken
from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.aurocs import Auroc
from engine.compute.statistics.held_out import Dealt, held_out_scores, mean_auroc
from engine.compute.statistics.leave_one_out import membership
from engine.settings import Settings
from engine.wire.jobs import Placement

Method = Literal["pooled", "whitened"]
"""Methods that can be measured. `subspace` cannot: it takes every token of every text, and eigensolves per fold."""


class Pooling(NamedTuple):
    """How a text's tokens become one vector."""

    kind: Literal["last", "mean"]
    pool_from: int = 0
    """With `mean`, the first token counted."""

    @classmethod
    def of(cls, settings: Settings) -> Pooling:
        """The one in force."""
        kind = pooling_of(settings)
        return cls(kind, settings.pool_from if kind == "mean" else 0)

    def activation(self, read: Activation) -> Tensor:
        """Of what one pass gave, `[L, H]`."""
        if self.kind == "last":
            return read.x
        pooled = read.later if self.pool_from else read.mean
        assert pooled is not None
        return pooled


def poolings(settings: Settings) -> list[Pooling]:
    """Those that one pass gives: the last token, the mean of all, and the mean from `pool_from` on where it is set."""
    later = [Pooling("mean", settings.pool_from)] if settings.pool_from else []
    return [Pooling("last"), Pooling("mean"), *later]


def method_of(settings: Settings) -> Method:
    """The method in force, for which `pooled` stands where it is `subspace`."""
    return "pooled" if settings.method == "subspace" else settings.method


@dataclass(frozen=True)
class Measuring:
    """What was read of some texts at some blocks."""

    settings: Settings
    blocks: list[int]
    names: list[str]
    """C concepts."""
    dealt: Dealt
    """M texts."""
    rows: Mapping[Pooling, Tensor]
    """`[L, M, H]`, fp32."""
    left_out: Mapping[str, str]
    """Why the model cannot take a text, by id."""

    @property
    def unmeasured(self) -> list[str]:
        """Concepts that cannot be measured: no other group has a story of theirs."""
        member, groups = self.dealt.member, self.dealt.groups
        return [name for name, own in zip(self.names, member.T, strict=True) if len(set(groups[own].tolist())) < 2]

    def aurocs(self, pooling: Pooling, method: Method) -> dict[int, Auroc] | None:
        """By block; None where no concept can be measured."""
        chosen = msgspec.structs.replace(self.settings, method=method)

        def pointing(own: Sequence[Tensor], differences: Tensor) -> Tensor:
            return methods.point(chosen, self.names, own, differences, None).directions

        rows = self.rows[pooling]
        with threads_for(rows.shape[2]):
            aurocs = [mean_auroc(held_out_scores(at_block, self.dealt, pointing), self.dealt) for at_block in rows]
        measured = {block: auroc for block, auroc in zip(self.blocks, aurocs, strict=True) if auroc is not None}
        return measured or None


def measuring(
    model: Model,
    settings: Settings,
    store: Store,
    blocks: list[int],
    placements: Sequence[Placement],
    texts: Mapping[str, str],
    progress: Progress,
    tally: Tally,
) -> Measuring:
    """Read texts at `blocks` by all poolings, in one pass; texts that the model cannot take are left out.

    Args:
        model: loaded, or described, as deep as the blocks lie.
        settings: what decides how texts are read, apart from blocks, pooling and method.
        store: what was read so before is not run again.
        blocks: 0-based, ascending.
        placements: of the stories to read.
        texts: theirs, by text id; there may be more.
        progress: told of texts through the model.
        tally: counts what it costs.

    Raises:
        AmygdalaError: the model can take none of them, or the machine fails.
    """
    as_read = msgspec.structs.replace(settings, method="pooled", pooling="last")
    source = Source(extractor_for(model, blocks, as_read, keep_later=settings.pool_from > 0), store)
    pooled: dict[str, dict[Pooling, Tensor]] = {}
    left_out: dict[str, str] = {}
    wanted = {text_id: texts[text_id] for text_id in sorted({placement.text_id for placement in placements})}
    for batch in source.batches(wanted, (), tally):
        if batch.total:
            progress(batch.done, batch.total)
        for text_id, read in batch.activations.items():
            pooled[text_id] = {pooling: pooling.activation(read) for pooling in poolings(settings)}
        left_out |= batch.left_out
    if not pooled:
        raise none_taken(model.name, left_out)
    taken = [placement for placement in placements if placement.text_id in pooled]
    text_ids = sorted(pooled)
    own: dict[str, list[str]] = {}
    for concept, text_id in sorted({(p.concept, p.text_id) for p in taken if p.concept is not None}):
        own.setdefault(concept, []).append(text_id)
    group_of = {text_id: number for number, group in enumerate(groups_of(taken)) for text_id in group}
    return Measuring(
        settings=settings,
        blocks=blocks,
        names=list(own),
        dealt=Dealt.of(membership(text_ids, own), torch.tensor([group_of[text_id] for text_id in text_ids])),
        rows={
            pooling: torch.stack([pooled[text_id][pooling] for text_id in text_ids], 1)
            for pooling in poolings(settings)
        },
        left_out=left_out,
    )
