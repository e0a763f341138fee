"""What the studio sends to a terminal, and how soon: over SSH, every byte of it waits for the link.

    python -m benchmarks.studio [CORPUS] [--stories 10000] [--sizes 120x40 160x48] [--idle 10]

Runs the studio itself, in terminals of its own, on a copy of CORPUS (the packaged sample, if none is named) with an
engine of its own and the embedded model. `--stories` fills the copy up with one-sentence stories. Each line of the
table is one thing that a writer does: the bytes that it sends; those that `ssh -C` would send in their place (zlib at
level 6, flushed with each write, as SSH does); when the first and the last of them came, in ms; and the processor time
that the studio had taken by then, which tells more than the clock on a busy machine. The terminal has 24-bit colour.
The first picture stands beside that of an app of Textual's that shows one word: both start Python.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import corpora, flags
from benchmarks.own_engine import Follower, own_places
from engine.corpus import Layout, Story, scan
from engine.settings import Settings, load

QUIET_S = 0.5
"""Seconds without a byte after which nothing more is on its way."""
BEGINS_WITHIN_S = 2.0
"""Seconds in which the first byte must have come."""
LONGEST_S = 60.0
SETTLED_S = 3.0
"""Seconds without a byte after which the engine has nothing more to tell."""
SEQUENCES = re.compile(r"\x1b(?:\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>P\\])")
"""What a terminal does not print."""
SYNCHRONIZED = (b"\x1b[?2026$p", b"\x1b[?2026;2$y")
"""The question whether a terminal can hold back half a picture, and the answer of one that can."""
GOALS = {
    "first paint": "0.5 s",
    "a key down": "1 kB, 30 ms",
    "n": "8 kB",
    "a change of view": "16 kB",
    "a verdict": "3 kB",
    "idle, a minute": "0",
    "progress, a second": "2 kB",
}
"""For 120 × 40, without compression."""
BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("Queue")
    def key_q(self):
        self.exit()
Bare().run()
"""


@dataclass
class Sent:
    """What came of one thing that was done."""

    started: float
    chunks: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    """Processor time that the studio had taken at the start, and with each chunk, in seconds."""
    n_compressed: int = 0

    @property
    def n_bytes(self) -> int:
        """Bytes as they are."""
        return sum(map(len, self.chunks))

    @property
    def first_ms(self) -> float:
        """When the first byte was there, after the start; NaN where there was none."""
        return 1e3 * (self.times[0] - self.started) if self.times else float("nan")

    @property
    def last_ms(self) -> float:
        """When the last byte was there."""
        return 1e3 * (self.times[-1] - self.started) if self.times else float("nan")

    @property
    def worked_ms(self) -> tuple[float, float]:
        """The studio's processor time until the first byte, and until the last."""
        if not self.times:
            return float("nan"), float("nan")
        return 1e3 * (self.worked[1] - self.worked[0]), 1e3 * (self.worked[-1] - self.worked[0])


def printed(sent: bytes) -> str:
    """What a terminal prints of bytes, at whatever place."""
    return SEQUENCES.sub("", sent.decode("utf-8", "ignore"))


class Terminal:
    """The studio in a terminal that counts."""

    def __init__(self, command: Sequence[str], width: int, height: int) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        # bytecode is there from the second start on, as where it is installed, whatever starts this benchmark
        environment["PYTHONPYCACHEPREFIX"] = f"{environment['AMYGDALA_CACHE']}-bytecode"
        for unwanted in ("NO_COLOR", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(unwanted, None)
        self._master = master
        self._link = zlib.compressobj(6)
        self.started = time.perf_counter()
        self.process = subprocess.Popen(command, env=environment, preexec_fn=partial(os.login_tty, slave))
        os.close(slave)

    def press(self, key: str) -> Sent:
        """Type a key; what comes until nothing comes any more."""
        return self.watch(lambda: self.write(key))

    def write(self, key: str) -> None:
        """Type a key."""
        os.write(self._master, key.encode())

    def worked_s(self) -> float:
        """Processor time of the studio so far, in its threads that are there."""
        worked_ns = 0
        for thread in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # it has just ended
                worked_ns += int(thread.read_text().split()[0])
        return worked_ns / 1e9

    def watch(
        self,
        do: Callable[[], object] = lambda: None,
        *,
        quiet_s: float = QUIET_S,
        until: str = "",
        since: float | None = None,
    ) -> Sent:
        """Do something; what comes until there is nothing for some time after some words, at most for a minute."""
        sent = Sent(time.perf_counter() if since is None else since, worked=[self.worked_s()])
        do()
        while time.perf_counter() < sent.started + LONGEST_S:
            is_begun = until in printed(b"".join(sent.chunks)) if until else sent.chunks
            if not self._read(sent, quiet_s if is_begun else LONGEST_S if until else max(quiet_s, BEGINS_WITHIN_S)):
                break
        return sent

    def listen(self, seconds: float) -> Sent:
        """What comes in some time."""
        sent = Sent(time.perf_counter(), worked=[self.worked_s()])
        while (left := sent.started + seconds - time.perf_counter()) > 0:
            self._read(sent, left)
        return sent

    def has_torch(self) -> bool:
        """Whether the studio's process has torch in its memory."""
        return "libtorch" in Path(f"/proc/{self.process.pid}/maps").read_text()

    def close(self) -> None:
        """Leave the studio."""
        os.write(self._master, b"q")
        with suppress(subprocess.TimeoutExpired, OSError):
            while self.process.poll() is None and self._read(Sent(0.0), 5.0):
                pass
            self.process.wait(5)
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self, sent: Sent, seconds: float) -> bool:
        """Take in what comes next, if that is in so many seconds."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self._master, 1 << 16)
        except OSError:  # the terminal has gone with its last program
            return False
        question, answer = SYNCHRONIZED
        if question in chunk:
            os.write(self._master, answer)
        sent.chunks.append(chunk)
        sent.times.append(time.perf_counter())
        sent.worked.append(self.worked_s())
        sent.n_compressed += len(self._link.compress(chunk) + self._link.flush(zlib.Z_SYNC_FLUSH))
        return True


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path, nargs="?", default=corpora.SHIPPED[0])
    parser.add_argument("--stories", type=int, default=0, help="fill the copy up to so many stories")
    parser.add_argument("--sizes", nargs="+", default=["120x40", "160x48"], metavar="WxH")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of idleness that are watched (10)")
    parser.add_argument("--starts", type=int, default=5, help="of the studio, and of a bare app, that are timed (5)")
    parser.add_argument("--model", default="embedded")
    arguments = parser.parse_args(argv)
    stories = scan(Layout.of(arguments.corpus)).stories
    with own_places() as folder:
        size = max(arguments.stories, len(stories))
        corpus = corpora.write(folder / "corpus", stories, size)
        command = [sys.executable, "-m", "amygdala_tui", str(corpus), "--model", arguments.model]
        try:
            asyncio.run(read(corpus, load(corpus, {"model": arguments.model})))
            with studio(command, 120, 40) as (terminal, _):
                terminal.watch(quiet_s=SETTLED_S)  # it keeps the numbers for the next start
            for each in arguments.sizes:
                width, height = map(int, each.split("x"))
                print(f"\n{len(stories) if size == len(stories) else size} stories, {width} × {height}")
                time_starts(command, arguments.starts, width, height)
                measure(command, corpus, stories, width, height, arguments.idle)
        finally:
            subprocess.run([sys.executable, "-m", "engine", "stop"], capture_output=True, check=False)
    return 0


async def read(corpus: Path, settings: Settings) -> None:
    """Have an engine read a corpus."""
    follower = await Follower.of(corpus, settings)
    await anext(follower.changes())
    await follower.close()


@contextmanager
def studio(command: Sequence[str], width: int, height: int) -> Iterator[tuple[Terminal, Sent]]:
    """The studio with its first picture, as it was sent."""
    terminal = Terminal(command, width, height)
    try:
        yield terminal, terminal.watch(until="Queue", since=terminal.started)
    finally:
        terminal.close()


def time_starts(command: Sequence[str], n_starts: int, width: int, height: int) -> None:
    """Start the studio and a bare app, one as often as the other."""
    for name, started in (("the studio", command), ("a bare app", [sys.executable, "-c", BARE])):
        seconds, worked = zip(*(first_paint(started, width, height) for _ in range(n_starts)), strict=True)
        print(
            f"first paint of {name}: {min(seconds):.2f} to {max(seconds):.2f} s, {min(worked):.2f} s of CPU", flush=True
        )


def first_paint(command: Sequence[str], width: int, height: int) -> tuple[float, float]:
    """Seconds from the start of a program to its first picture, and of processor time."""
    with studio(command, width, height) as (_, opened):
        sent = b""
        for chunk, moment, worked in zip(opened.chunks, opened.times, opened.worked[1:], strict=True):
            sent += chunk
            if "Queue" in printed(sent):
                return moment - opened.started, worked
    raise SystemExit(f"there was no first picture: {printed(sent)}")


def measure(
    command: Sequence[str], corpus: Path, stories: Sequence[Story], width: int, height: int, idle_s: float
) -> None:
    """One size: a sitting, from the start."""
    with studio(command, width, height) as (terminal, opened):
        print(f"{'':26}{'bytes':>10}{'ssh -C':>10}{'first':>8}{'last':>8}{'CPU':>10}{'':8}   goal (120 × 40)")
        report("first paint", opened)
        terminal.listen(1.0)
        for key in "jkjj":
            report("a key down" if key == "j" else "a key up", terminal.press(key))
        for _ in range(3):
            report("n", terminal.press("n"))
        for name, key in (("Triage", "2"), ("Concept", "4"), ("Corpus", "3")):
            report("a change of view", terminal.press(key), f"{GOALS['a change of view']}: {name}")
        report("a key down", terminal.press("j"), "in Corpus")
        report("a page down", terminal.press("\x1b[6~"))
        report("a change of view", terminal.press("1"), f"{GOALS['a change of view']}: Queue")
        file = corpus / stories[-1].path
        text = file.read_text("utf-8")
        for words in (f"{text}\nNothing more was said that day.\n", text):
            report("a verdict", terminal.watch(partial(corpora.save, file, words), quiet_s=SETTLED_S))
        idle = terminal.listen(idle_s)
        row("idle, a minute", idle.n_bytes * 60 / idle_s, idle.n_compressed * 60 / idle_s)
        progress(terminal)
        print(f"torch in the studio's memory: {'YES' if terminal.has_torch() else 'no'}")


def progress(terminal: Terminal) -> None:
    """All stories through the model again."""
    terminal.press("r")
    terminal.write("a")
    terminal.listen(0.5)  # the dialog goes
    sent = terminal.watch(quiet_s=SETTLED_S)
    seconds = sent.times[-1] - sent.started
    row("progress, a second", sent.n_bytes / seconds, sent.n_compressed / seconds)


def report(name: str, sent: Sent, goal: str = "") -> None:
    """The line of one thing."""
    first, last = sent.worked_ms
    times = f"{sent.first_ms:8.0f}{sent.last_ms:8.0f}{first:10.0f}{last:8.0f}"
    row(name, sent.n_bytes, sent.n_compressed, times, goal)


def row(name: str, n_bytes: float, n_compressed: float, times: str = "", goal: str = "") -> None:
    """A line of the table."""
    print(f"{name:26}{n_bytes:10.0f}{n_compressed:10.0f}{times:34}   {goal or GOALS.get(name, '')}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
