"""From saving a story to its revision on a client, beside one bare forward pass of that story and beside a full run.

    python -m benchmarks.edit_latency CORPUS [--sizes 112 1000 10000] [--edits 15] [engine settings, such as --model]

Each size is a corpus of its own: stories of CORPUS, and beyond those one-sentence fillers, which cost the model little
and the statistics as much as any. Only whole stories are edited. The bare pass is in this process, once after each
edit, as long after the one before as the engine's, so that caches are as cold; on as many threads; tokenizer and blocks
up to the last target block, with nothing read. The full run is the engine's first, from opening the corpus to its
numbers, with no activation known and the model loaded by an earlier corpus.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.own_engine import Follower, own_places
from engine import paths, settings
from engine.compute.model.checkpoint import load
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import LoadedModel
from engine.corpus import Layout, Story, scan
from engine.settings import Settings

WARM_UP = 3
"""Edits before the measured ones."""
BASE_MS = 50
"""What the goal allows beside 1.3 times the forward pass."""


@dataclass
class Edit:
    """One save, in seconds."""

    total: float
    bare: float
    forward: float
    statistics: float
    noticing: float
    scanning: float
    waiting: float
    showing: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[112, 1000, 10000])
    parser.add_argument("--edits", type=int, default=15)
    settings.add_flags(parser)
    arguments = parser.parse_args()
    given = settings.from_flags(arguments)
    stories = [story for story in scan(Layout.of(arguments.corpus)).stories if not story.is_baseline]
    with own_places() as folder:
        chosen = settings.load(arguments.corpus, given)
        model = load(chosen)
        layers = target_layers(chosen, model.anatomy.n_blocks)
        assert layers is not None, "name the target layers"
        asyncio.run(measure(folder, stories, chosen, model, max(layers), arguments))
    return 0


async def measure(
    folder: Path, stories: list[Story], chosen: Settings, model: LoadedModel, last: int, arguments: argparse.Namespace
) -> None:
    """All sizes, with one engine."""
    warm = await Follower.of(paths.socket_path(), make(folder / "warm", stories, 40), chosen)
    await anext(warm.changes())
    names = (
        ("stories", 8),
        ("full run", 10),
        ("save to revision", 18),
        ("bare", 8),
        ("- 1.3 x bare", 14),
        ("/ bare", 8),
    )
    print("".join(f"{name:>{width}}" for name, width in (*names, ("full/edit", 11))))
    for size in arguments.sizes:
        corpus = make(folder / str(size), stories, size)
        started = time.perf_counter()
        follower = await Follower.of(paths.socket_path(), corpus, chosen)
        await anext(follower.changes())
        full = time.perf_counter() - started
        found = await edits(follower, corpus, stories[:size], model, last, arguments.edits)
        total, bare = (statistics.median(getattr(edit, name) for edit in found) for name in ("total", "bare"))
        over = statistics.median(edit.total - 1.3 * edit.bare for edit in found)
        print(
            f"{size:8}{full:8.1f} s{1e3 * total:15.0f} ms{1e3 * bare:5.0f} ms{1e3 * over:11.0f} ms{total / bare:7.2f}x"
            f"{full / total:10.0f}x   {'within' if over * 1e3 < BASE_MS else 'over'} 1.3 x + {BASE_MS} ms"
        )
        shares = {
            name: 1e3 * statistics.median(getattr(edit, name) for edit in found)
            for name in ("noticing", "scanning", "waiting", "forward", "statistics", "showing")
        }
        print("         of which " + ", ".join(f"{name} {share:.0f} ms" for name, share in shares.items()))
        await follower.connection.close()
    await warm.stop()


def make(corpus: Path, stories: list[Story], size: int) -> Path:
    """A corpus of so many stories: those given, then fillers under the same concepts."""
    concepts = sorted({story.concept for story in stories if story.concept is not None})
    for number in range(size):
        if number < len(stories):
            path, text = stories[number].path, stories[number].text
        else:
            concept = concepts[number % len(concepts)]
            path, text = f"paired/filler-{number}/{concept}.txt", f"They felt {concept} on day {number} of the journey."
        file = corpus / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return corpus


async def edits(
    follower: Follower, corpus: Path, stories: list[Story], model: LoadedModel, last: int, count: int
) -> list[Edit]:
    """Save stories one by one, each followed by a bare pass over the same text."""
    found = []
    changes = follower.changes()
    chosen = stories[:: max(1, len(stories) // (count + WARM_UP))][: count + WARM_UP]
    for number, story in enumerate(chosen):
        await asyncio.sleep(1.0)  # a writer's pace: what is expensive settles in between
        text = f"{story.text}\nNothing more was said that day, {corpus.name} and {number}.\n"
        file = corpus / story.path
        beside = file.with_name(f".{file.name}.new")
        beside.write_text(text, "utf-8")
        started = time.perf_counter()
        beside.replace(file)
        moved = (await anext(changes)).moved
        total = time.perf_counter() - started
        assert moved is not None
        assert moved.cost.texts_run == 1, moved
        stages = moved.stages
        bare = forward(model, text.strip(), last)
        found.append(
            Edit(
                total=total,
                bare=bare,
                forward=stages.forward,
                statistics=stages.statistics,
                noticing=total - moved.seconds,
                scanning=stages.scanning,
                waiting=stages.waiting,
                showing=stages.showing,
            )
        )
    return found[WARM_UP:]


@torch.inference_mode()
def forward(model: LoadedModel, text: str, last: int) -> float:
    """Seconds of a bare pass over one text."""
    started = time.perf_counter()
    ids = model.tokenizer(text, truncation=True, max_length=min(512, model.max_positions), return_tensors="pt")

    def stop(*_: object) -> None:
        raise StopIteration

    hook = model.anatomy.blocks[last].register_forward_hook(stop)
    try:
        model.module(input_ids=ids["input_ids"].to(model.device))
    except StopIteration:
        pass
    finally:
        hook.remove()
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
