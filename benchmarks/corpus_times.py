"""How long a corpus takes: a first export, a second one with nothing changed, and from saving a story to its revision.

    python benchmarks/corpus_times.py CORPUS [--edits 10] [engine settings, such as --model or --device]

Works on a copy of the corpus, with a cache and an engine of its own. Each export is a process of its own, so its time
includes starting Python and loading the model; an edit's is from the end of the write to the arrival of the new
revision at a client, of which the engine's own share and the story's forward pass are printed beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine import client, settings
from engine.corpus import Layout, scan
from engine.settings import Settings
from engine.wire import protocol


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--edits", type=int, default=10, help="stories to edit, spread over the corpus (10)")
    settings.add_flags(parser)
    arguments = parser.parse_args()
    given = settings.from_flags(arguments)
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    os.environ.update(AMYGDALA_CACHE=str(folder / "cache"), XDG_STATE_HOME=str(folder / "state"))
    try:
        corpus = Path(shutil.copytree(arguments.corpus, folder / "corpus"))
        found = scan(Layout.of(corpus))
        print(f"{len(found.stories)} stories, {len(found.concepts)} concepts, {os.cpu_count()} cores")
        chosen = settings.load(corpus, given)
        first, second = export(corpus, folder / "out", chosen), export(corpus, folder / "out", chosen)
        print(f"first export   {first:7.1f} s")
        print(f"second export  {second:7.1f} s  ({first / second:.1f} x faster)")
        asyncio.run(edits(corpus, folder, chosen, arguments.edits))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def export(corpus: Path, out: Path, chosen: Settings) -> float:
    """Seconds of one `engine export` with the quality report, Python's start included."""
    flags = [
        word
        for name in Settings.__struct_fields__
        if getattr(chosen, name) != getattr(Settings(), name)
        for word in (f"--{name.replace('_', '-')}", str(getattr(chosen, name)))
    ]
    command = [
        sys.executable,
        "-m",
        "engine",
        "export",
        str(corpus),
        "--output-dir",
        str(out),
        "--quality-report",
        *flags,
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


async def edits(corpus: Path, folder: Path, chosen: Settings, count: int) -> None:
    """Edit stories one by one and time each until its revision arrives."""
    connection = await client.connect_or_start(folder / "e.sock")
    await connection.request(protocol.Open, corpus=str(corpus), settings=chosen)
    events = connection.events()

    async def revision(number: int) -> protocol.Changed:
        async for event in events:
            if isinstance(event, protocol.Changed) and event.revision == number and event.base == number - 1:
                return event
        raise RuntimeError("the engine went away")

    started = time.perf_counter()
    await revision(1)
    print(f"engine ready   {time.perf_counter() - started:7.1f} s  (activations cached by the exports)")
    stories = [story for story in scan(Layout.of(corpus)).stories if not story.is_baseline]
    seconds, shares, forward = [], [], []
    for number, story in enumerate(stories[:: max(1, len(stories) // count)][:count], 2):
        (corpus / story.path).write_text(f"{story.text}\nNothing more was said that day, number {number}.\n")
        saved = time.perf_counter()
        moved = (await revision(number)).moved
        assert moved is not None
        assert moved.cost.texts_run == 1
        seconds.append(time.perf_counter() - saved)
        shares.append(moved.seconds)
        forward.append(moved.cost.seconds_forward)
    print(
        f"save to new revision, {len(seconds)} edits: median {1e3 * statistics.median(seconds):.0f} ms, "
        f"slowest {1e3 * max(seconds):.0f} ms; of the median, from the engine's notice on "
        f"{1e3 * statistics.median(shares):.0f} ms, the story's forward pass {1e3 * statistics.median(forward):.0f} ms"
    )
    await connection.request(protocol.Stop)
    await connection.close()


if __name__ == "__main__":
    sys.exit(main())
