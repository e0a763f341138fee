"""From saving a story to its revision on a client, beside one bare forward pass of that story and beside a full run.

    python -m benchmarks.edit_latency CORPUS [--sizes 112 1000 10000] [--edits 15] [engine settings, such as --model]

Each size is a corpus of its own: stories of CORPUS, and beyond those one-sentence fillers, which cost the model little
and the statistics as much as any. Only whole stories are edited. The bare pass is in this process, once after each
edit, as long after the one before as the engine's, so that caches are as cold; on as many threads; tokenizer and blocks
up to the last target block, with nothing read. The full run is the engine's first, from opening the corpus to its
numbers, with no activation of it in the cache and the model loaded by an earlier corpus.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import bare, corpora, flags
from benchmarks.own_engine import Follower, own_places
from benchmarks.timing import timed
from engine.compute.model.checkpoint import load
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import LoadedModel
from engine.corpus import Layout, Story, scan
from engine.settings import Settings

WARM_UP = 3
"""Edits before the measured ones."""
WARM_UP_STORIES = 40
"""The size of the corpus that has the engine load its model."""
BASE_MS = 50
"""What the goal allows beside 1.3 times the forward pass."""
HEADINGS = (
    ("stories", 8),
    ("full run", 10),
    ("save to revision", 18),
    ("bare", 8),
    ("- 1.3 x bare", 14),
    ("/ bare", 8),
    ("full/edit", 11),
)
"""Of the columns, with their widths."""


@dataclass(frozen=True)
class Edit:
    """What one save took, in seconds."""

    total: float
    """From the save to its revision on this client."""
    bare: float
    """The bare pass over the same text."""
    stages: dict[str, float]
    """Where the total went."""


@dataclass(frozen=True)
class Plan:
    """How stories are edited."""

    settings: Settings
    model: LoadedModel
    """The one that runs the bare passes."""
    last_block: int
    edits: int
    pause: float
    """Seconds before each edit."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[112, 1000, 10000])
    parser.add_argument("--edits", type=int, default=15, help=f"that are measured, after {WARM_UP} that are not (15)")
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds before each edit, in which a writer's engine settles (1.0)"
    )
    flags.add_engine_settings(parser)
    arguments = parser.parse_args(argv)
    stories = [story for story in scan(Layout.of(arguments.corpus)).stories if not story.is_baseline]
    with own_places() as folder:
        settings = flags.engine_settings(arguments, arguments.corpus)
        model = load(settings)
        layers = target_layers(settings, model.anatomy.n_blocks)
        assert layers is not None, "name the target layers"
        plan = Plan(settings, model, max(layers), arguments.edits, arguments.pause)
        asyncio.run(measure(folder, stories, arguments.sizes, plan))
    return 0


async def measure(folder: Path, stories: list[Story], sizes: Sequence[int], plan: Plan) -> None:
    """All sizes, with one engine."""
    warm = await Follower.of(corpora.write(folder / "warm", stories, WARM_UP_STORIES), plan.settings)
    await anext(warm.changes())
    print("".join(f"{name:>{width}}" for name, width in HEADINGS))
    for size in sizes:
        corpus = corpora.write(folder / str(size), stories, size)
        started = time.perf_counter()
        follower = await Follower.of(corpus, plan.settings)
        await anext(follower.changes())
        full = time.perf_counter() - started
        report(size, full, await edit(follower, corpus, stories[:size], plan))
        await follower.close()
    await warm.stop()


async def edit(follower: Follower, corpus: Path, stories: list[Story], plan: Plan) -> list[Edit]:
    """Save stories one by one, each followed by a bare pass over the same text."""
    edits = []
    changes = follower.changes()
    max_length = min(512, plan.model.max_positions)
    last_block = plan.model.anatomy.blocks[plan.last_block]
    for number, story in enumerate(corpora.spread(stories, plan.edits + WARM_UP)):
        await asyncio.sleep(plan.pause)
        text = f"{story.text}\nNothing more was said that day, {corpus.name} and {number}.\n"
        saved = corpora.save(corpus / story.path, text)
        moved = (await anext(changes)).moved
        total = time.perf_counter() - saved
        assert moved is not None
        assert moved.cost.texts_run == 1, moved
        alone, _ = timed(
            bare.floor, plan.model.module, plan.model.tokenizer, [text.strip()], last_block, max_length=max_length
        )
        stages = {
            "noticing": total - moved.seconds,
            "scanning": moved.stages.scanning,
            "waiting": moved.stages.waiting,
            "forward": moved.stages.forward,
            "statistics": moved.stages.statistics,
            "showing": moved.stages.showing,
        }
        edits.append(Edit(total, alone, stages))
    return edits[WARM_UP:]


def report(size: int, full: float, edits: list[Edit]) -> None:
    """The row of one size, and where the time of its edits went."""
    total, alone = median(edit.total for edit in edits), median(edit.bare for edit in edits)
    over = median(edit.total - 1.3 * edit.bare for edit in edits)
    print(
        f"{size:8}{full:8.3f} s{1e3 * total:15.0f} ms{1e3 * alone:5.0f} ms{1e3 * over:11.0f} ms{total / alone:7.2f}x"
        f"{full / total:10.0f}x   {'within' if over * 1e3 < BASE_MS else 'over'} 1.3 x + {BASE_MS} ms"
    )
    shares = {stage: 1e3 * median(edit.stages[stage] for edit in edits) for stage in edits[0].stages}
    print("         of which " + ", ".join(f"{stage} {share:.0f} ms" for stage, share in shares.items()))


if __name__ == "__main__":
    sys.exit(main())
