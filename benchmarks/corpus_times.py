"""How long a corpus takes: a first export, more with nothing changed, and from saving a story to its revision.

    python -m benchmarks.corpus_times CORPUS [--edits 10] [engine settings, such as --model or --device]

Works on a copy of the corpus, with a cache and an engine of its own. Each export is a process of its own, so its time
includes starting Python and loading the model; an edit's is from the end of the write to the arrival of the new
revision at a client, of which the engine's own share and the story's forward pass are printed beside it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks import corpora, flags
from benchmarks.own_engine import Follower, own_places
from engine.corpus import Layout, scan
from engine.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--edits", type=int, default=10, help="stories to edit, spread over the corpus (10)")
    flags.add_engine_settings(parser)
    arguments = parser.parse_args(argv)
    with own_places() as folder:
        copy = Path(shutil.copytree(arguments.corpus, folder / "corpus"))
        corpus = scan(Layout.of(copy))
        print(f"{len(corpus.stories)} stories, {len(corpus.concepts)} concepts, {os.cpu_count()} cores")
        settings = flags.engine_settings(arguments, copy)
        first, second = (export(copy, folder / "out", settings) for _ in range(2))
        print(f"first export   {first:7.1f} s")
        print(f"second export  {second:7.1f} s  ({first / second:.1f} x faster)")
        vectors_alone = export(copy, folder / "out", settings, with_report=False)
        print(f"vectors alone  {vectors_alone:7.1f} s  (nothing changed, no quality report: no model is looked at)")
        asyncio.run(edit(copy, settings, arguments.edits))
    return 0


def export(corpus: Path, out: Path, settings: Settings, *, with_report: bool = True) -> float:
    """Seconds of one `engine export`, Python's start included."""
    defaults = Settings()
    own_flags = [
        word
        for name in Settings.__struct_fields__
        if getattr(settings, name) != getattr(defaults, name)
        for word in (f"--{name.replace('_', '-')}", str(getattr(settings, name)))
    ]
    started = time.perf_counter()
    report = ["--quality-report"] if with_report else []
    run_engine(["export", str(corpus), "--output-dir", str(out), *report, *own_flags])
    return time.perf_counter() - started


def run_engine(arguments: Sequence[str]) -> None:
    """Run one command of the engine in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run([sys.executable, "-m", "engine", *arguments], check=True, capture_output=True)


async def edit(corpus: Path, settings: Settings, count: int) -> None:
    """Edit stories one by one and time each until its revision arrives."""
    started = time.perf_counter()
    follower = await Follower.of(corpus, settings)
    changes = follower.changes()
    await anext(changes)
    print(f"engine ready   {time.perf_counter() - started:7.1f} s  (activations cached by the exports)")
    stories = [story for story in scan(Layout.of(corpus)).stories if not story.is_baseline]
    seconds, shares, forward = [], [], []
    for number, story in enumerate(corpora.spread(stories, count)):
        saved = corpora.save(corpus / story.path, f"{story.text}\nNothing more was said that day, number {number}.\n")
        moved = (await anext(changes)).moved
        assert moved is not None
        assert moved.cost.texts_run == 1, moved
        seconds.append(time.perf_counter() - saved)
        shares.append(moved.seconds)
        forward.append(moved.cost.seconds_forward)
    print(
        f"save to new revision, {len(seconds)} edits: median {1e3 * median(seconds):.0f} ms, "
        f"slowest {1e3 * max(seconds):.0f} ms; of the median, from the engine's notice on "
        f"{1e3 * median(shares):.0f} ms, the story's forward pass {1e3 * median(forward):.0f} ms"
    )
    await follower.stop()


if __name__ == "__main__":
    sys.exit(main())
