"""Many edits by several writers for a long time: is memory flat, is any update lost, how long does one take?

    python -m benchmarks.soak [--minutes 30] [--clients 3] [--edits 10000] [--stories 1000] [engine settings]

Each client saves stories of a corpus of its own making at an even pace and waits, beside, for the revisions that
contain them. At the end the numbers must be of what is on disk, which an export of the live state shows by its digest.
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import corpora, flags
from benchmarks.own_engine import Follower, own_places
from engine.corpus import Layout, Story, scan, text_id
from engine.settings import Settings
from engine.wire import protocol

CONCEPTS = 20
SAMPLES = 20
"""Looks at the memory."""
SLACK = 1.15
"""How much more than in the first quarter the memory may be in the last."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and fail if something was lost or memory grew."""
    parser = flags.parser(__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--stories", type=int, default=1000)
    flags.add_engine_settings(parser)
    parser.set_defaults(model=str(corpora.GOLDEN / "models" / "llama"), target_layers="1,2,4")
    arguments = parser.parse_args(argv)
    with own_places() as folder:
        corpus = corpora.write(folder / "corpus", invented(), arguments.stories)
        return asyncio.run(soak(corpus, flags.engine_settings(arguments, corpus), arguments))


def invented() -> list[Story]:
    """One story for each concept."""
    return [
        Story(path=f"stories/mood{c}.txt", concept=f"mood{c}", scenario=None, text=text, text_id=text_id(text))
        for c in range(CONCEPTS)
        for text in [f"It was a day of mood {c}, from the morning on."]
    ]


async def soak(corpus: Path, settings: Settings, arguments: argparse.Namespace) -> int:
    """All of it; the exit code."""
    followers = [await Follower.of(corpus, settings) for _ in range(arguments.clients)]
    await anext(followers[0].changes())
    files = sorted(corpus.rglob("*.txt"))
    latencies: list[float] = []
    memory: list[int] = []
    end = time.monotonic() + 60 * arguments.minutes
    watching = asyncio.create_task(sample(followers[0], memory, 60 * arguments.minutes / SAMPLES))
    await asyncio.gather(
        *(
            write(follower, corpus, files[number :: arguments.clients], arguments, end, latencies, number)
            for number, follower in enumerate(followers)
        )
    )
    watching.cancel()
    current = await is_current(followers[0], corpus, settings)
    status = await followers[0].status()
    for follower in followers[1:]:
        await follower.close()
    await followers[0].stop()
    return report(latencies, memory, status, current=current)


async def write(
    follower: Follower,
    corpus: Path,
    files: list[Path],
    arguments: argparse.Namespace,
    end: float,
    latencies: list[float],
    number: int,
) -> None:
    """One writer: saves at an even pace, and times each save until a revision has it."""
    rng = random.Random(number)
    waiting: dict[str, float] = {}
    arrived = asyncio.create_task(receive(follower, waiting, latencies))
    count = arguments.edits // arguments.clients
    pause = (end - time.monotonic()) / count
    started = time.monotonic()
    for edit in range(count):
        file = rng.choice(files)
        saved = corpora.save(file, f"Writer {number} was here for the {edit}. time. {rng.random()}")
        waiting.setdefault(file.relative_to(corpus).as_posix(), saved)
        await asyncio.sleep(max(0.0, started + (edit + 1) * pause - time.monotonic()))
    deadline = time.monotonic() + 60
    while waiting and time.monotonic() < deadline and not arrived.done():
        await asyncio.sleep(0.05)
    arrived.cancel()
    if waiting:
        raise RuntimeError(f"never in a revision: {sorted(waiting)[:5]}")


async def receive(follower: Follower, waiting: dict[str, float], latencies: list[float]) -> None:
    """Strike off each waiting save when a revision has it, and note how long that took."""
    async for changed in follower.changes():
        now = time.perf_counter()
        for change in changed.moved.changes if changed.moved is not None else ():
            if (saved := waiting.pop(change.path, None)) is not None:
                latencies.append(now - saved)


async def sample(follower: Follower, memory: list[int], every: float) -> None:
    """The memory of the engine and its workers, in bytes, now and then."""
    while True:
        await asyncio.sleep(every)
        status = await follower.status()
        pids = [status.pid, *(model.pid for model in status.models if model.pid is not None)]
        memory.append(sum(map(resident, pids)))
        print(f"{len(memory):3}/{SAMPLES}  {memory[-1] / 2**20:.0f} MiB", flush=True)


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * mmap.PAGESIZE


async def is_current(follower: Follower, corpus: Path, settings: Settings) -> bool:
    """Whether the engine's numbers are of what is on disk."""
    reply = await follower.connection.request(
        protocol.Export, settings=settings, stories=None, paired=None, root=str(corpus)
    )
    assert isinstance(reply, protocol.Exported)
    Path(reply.vectors).unlink()
    return reply.digest == scan(Layout.of(corpus)).digest


def report(latencies: list[float], memory: list[int], status: protocol.Status, *, current: bool) -> int:
    """Print the figures; 1 if they are not as they should be."""
    ordered = sorted(latencies)
    p50, p99 = (1e3 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
    (corpus,) = status.corpora
    print(f"{len(latencies)} saves timed, {corpus.revision} revisions: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    quarter = max(1, len(memory) // 4)
    first, last = (max(part, default=0) for part in (memory[:quarter], memory[-quarter:]))
    flat = last <= SLACK * first
    grown = f"{first / 2**20:.0f} MiB in the first quarter, {last / 2**20:.0f} in the last"
    print(f"memory {grown}: {'flat' if flat else 'GROWN'}")
    print("numbers are of what is on disk" if current else "LOST: the numbers are not of what is on disk")
    return 0 if flat and current else 1


if __name__ == "__main__":
    sys.exit(main())
