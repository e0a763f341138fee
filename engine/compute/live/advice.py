"""What would read better on this corpus and model: every pooling, method and block beside what the settings give."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec

from engine.compute.activations.source import Progress, Tally
from engine.compute.activations.store import Store
from engine.compute.live.measuring import Method, Pooling, measuring, method_of, poolings
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import Model
from engine.compute.statistics.evidence.aurocs import Auroc
from engine.compute.statistics.separation import candidates, choose
from engine.errors import AmygdalaError
from engine.results import Cost, middle_layer
from engine.settings import Settings
from engine.wire.jobs import Placement

METHODS: tuple[Method, ...] = ("pooled", "whitened")


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A way to read, and how well it reads at its middle block: the mean held-out AUROC and its 90 % interval."""

    pooling: str
    pool_from: int
    method: str
    layers: list[int]
    """Target blocks."""
    auroc: float
    low: float
    high: float


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """How well everything that was measured reads."""

    current: Way
    """What the settings in force give; where they say `subspace`, `pooled` stands for it."""
    is_default: bool
    """Whether these are the defaults."""
    best: list[Way]
    """For each pooling and method, the way with the blocks that `--target-layers auto` would take; the best first."""
    is_better: bool
    """Whether the first lies above the current way's interval; else the current way reads as well."""
    write: dict[str, str | int]
    """What to write into `amygdala.toml` to read in the best way; empty where the current way reads as well."""
    by_block: list[Way]
    """All that was measured, each block alone."""
    n_texts: int
    n_groups: int
    """Scenarios, and stories without one, each left out whole."""
    n_concepts: int
    """Concepts measured."""
    unmeasured: list[str]
    """Concepts that are not: all their stories are left out together."""
    left_out: dict[str, str]
    """Why the model cannot take a text, by text id."""
    cost: Cost


def advise(
    model: Model,
    settings: Settings,
    store: Store,
    placements: Sequence[Placement],
    texts: Mapping[str, str],
    progress: Progress,
) -> Advice:
    """Measure everything, and say what reads best; texts go through the model once, and not at all if the store has
    them.

    Args:
        model: loaded, or described, as deep as it goes.
        settings: those in force: what they give stands beside the best.
        store: where activations are kept.
        placements: of the stories to read.
        texts: theirs, by text id.
        progress: told of texts through the model.

    Raises:
        AmygdalaError: no concept can be measured, the model can take no text, or a layer is out of range.
    """
    grid = candidates(model.anatomy.n_blocks)
    layers = target_layers(settings, model.anatomy.n_blocks)
    blocks = grid if layers is None else sorted({*grid, middle_layer(layers)})
    tally = Tally()
    measured = measuring(model, settings, store, blocks, placements, texts, progress, tally)
    started = time.perf_counter()
    aurocs = {
        (pooling, method): aurocs
        for pooling in poolings(settings)
        for method in METHODS
        if (aurocs := measured.aurocs(pooling, method)) is not None
    }
    tally.statistics_s = time.perf_counter() - started
    if not aurocs:
        raise AmygdalaError(
            "there are too few stories to measure anything by: a concept needs some in two scenarios (or two without "
            "one), and others to stand against"
        )
    best = sorted((_way_of(grid, *of, at) for of, at in aurocs.items()), key=lambda way: -way.auroc)
    pooling, method = Pooling.of(settings), method_of(settings)
    at = aurocs[pooling, method]
    current = _way_of(grid, pooling, method, at) if layers is None else _way(pooling, method, layers, at)
    is_better = best[0].auroc > current.high
    unmeasured = measured.unmeasured
    return Advice(
        current=current,
        is_default=_is_default(settings),
        best=best,
        is_better=is_better,
        write=_to_write(best[0], settings) if is_better else {},
        by_block=[_way(*of, [block], at) for of, at in aurocs.items() for block in at],
        n_texts=len(measured.dealt.groups),
        n_groups=measured.dealt.n_groups,
        n_concepts=len(measured.names) - len(unmeasured),
        unmeasured=unmeasured,
        left_out=dict(measured.left_out),
        cost=tally.cost,
    )


def _way_of(grid: list[int], pooling: Pooling, method: Method, aurocs: Mapping[int, Auroc]) -> Way:
    """The way with the blocks that `--target-layers auto` would take of all texts."""
    return _way(pooling, method, choose([aurocs[block].value for block in grid], grid), aurocs)


def _way(pooling: Pooling, method: Method, layers: list[int], aurocs: Mapping[int, Auroc]) -> Way:
    auroc = aurocs[middle_layer(layers)]
    return Way(
        pooling=pooling.kind, pool_from=pooling.pool_from, method=method, layers=layers,
        auroc=auroc.value, low=auroc.low, high=auroc.high,
    )  # fmt: skip


def _to_write(way: Way, settings: Settings) -> dict[str, str | int]:
    """The lines of `amygdala.toml` that have the way taken; `pool_from` only where something else is in force."""
    pool_from: dict[str, str | int] = {"pool_from": way.pool_from} if way.pool_from != settings.pool_from else {}
    layers = ",".join(map(str, way.layers))
    return {"method": way.method, "pooling": way.pooling, **pool_from, "target_layers": layers}


def _is_default(settings: Settings) -> bool:
    """Whether all that is compared is as a corpus without an `amygdala.toml` has it."""
    usual = Settings(model=settings.model)
    compared = ("target_layers", "method", "pooling", "pool_from")
    return all(getattr(settings, name) == getattr(usual, name) for name in compared)
