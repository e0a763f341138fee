"""`engine watch`: files that follow a corpus, whatever becomes of the engine."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import cli, client
from engine.export.files import temporaries
from engine.export.verify import verify
from tests.engine.service import forkserver
from tests.engine.service.running import SETTINGS, Engine, alive, heed_interrupts, write
from tests.waiting import eventually

WITHIN = 60.0
FLAGS = ("--model", SETTINGS.model, "--device", "cpu", "--target-layers", "1")


class Watcher:
    """`engine watch --json` as a process."""

    def __init__(self, socket: Path, corpus: Path, out: Path) -> None:
        words = ["watch", str(corpus), "--output-dir", str(out), "--json", "--socket", str(socket), *FLAGS]
        command = [sys.executable, "-m", "engine", *words]
        self.said = out.with_name("said")
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, preexec_fn=heed_interrupts
            )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def written(self) -> dict[str, Any]:
        """The next line that it prints."""
        answer: dict[str, Any] = json.loads(self._lines.get(timeout=WITHIN))
        return answer

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send it a signal; its exit code, and all that it has said."""
        self.process.send_signal(number)
        code = self.process.wait(WITHIN)
        self._reader.join(WITHIN)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code, self.said.read_text()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)


class Reader(threading.Thread):
    """Opens the set again and again, as a server may at any moment."""

    def __init__(self, out: Path) -> None:
        super().__init__(daemon=True)
        self._out = out
        self._ended = threading.Event()
        self.digests: list[str | None] = []
        """Of the sets that were sound."""
        self.torn: list[str] = []
        """What was found of the others."""
        self.start()

    def run(self) -> None:
        while not self._ended.is_set():
            report = verify(self._out)
            if report.problems:
                self.torn += report.problems
            else:
                assert report.provenance is not None
                self.digests.append(report.provenance.corpus_digest)

    def stop(self) -> None:
        self._ended.set()
        self.join(WITHIN)


@pytest.fixture
def socket(short_dir: Path, cache: Path) -> Iterator[Path]:
    """Where an engine may come to be, which then ends with the test."""
    assert not cache.exists()
    forkserver.start()
    yield short_dir / "e.sock"
    cli.run(["stop", "--socket", str(short_dir / "e.sock")])


async def pid_at(socket: Path) -> int:
    connection = await client.connect(socket)
    await connection.close()
    return connection.welcome.pid


def test_files_follow_the_corpus_whatever_becomes_of_the_engine(
    socket: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "gguf").mkdir(parents=True)
    for left in (".readout.json.abcd_123", "gguf/.calm.gguf.abcd_123"):
        (out / left).write_text("what a killed export left")
    watcher = Watcher(socket, corpus, out)
    first = watcher.written()
    assert temporaries(out) == []
    assert (first["n_stories"], first["layers"]) == (46, [1])
    assert verify(out).problems == []

    reader = Reader(out)
    digests = [first["corpus_digest"]]
    for text in ("The kettle sang.", "The kettle sang again.", "It boiled over."):
        write(corpus / "stories" / "joyful.txt", text)
        digests.append(watcher.written()["corpus_digest"])
    eventually(lambda: digests[-1] in reader.digests)
    reader.stop()
    assert len(set(digests)) == 4
    assert [digest for digest in reader.digests if digest not in digests] == []
    assert list(dict.fromkeys(reader.digests)) == [digest for digest in digests if digest in reader.digests]
    assert all("of the same run" in problem or "another run" in problem for problem in reader.torn)

    words = ["watch", str(corpus), "--output-dir", str(tmp_path / "other"), "--socket", str(socket), *FLAGS]
    assert cli.run([*words, "--target-layers", "2"]) == 1
    assert "open in the engine with other settings (target_layers: 2 asked for, 1 in force)" in capsys.readouterr().err

    pid = asyncio.run(pid_at(socket))
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))
    write(corpus / "stories" / "joyful.txt", "Somebody put the kettle on once more.")
    while (answer := watcher.written())["corpus_digest"] in digests:
        pass
    assert asyncio.run(pid_at(socket)) != pid
    assert cli.run(["verify", str(out), "--corpus", str(corpus)]) == 0
    assert answer["n_stories"] == 46
    code, said = watcher.end(signal.SIGINT)
    assert (code, "Traceback" in said) == (130, False)
    assert "opening it again" in said
    assert not [file for file in out.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_without_a_traceback(
    short_dir: Path, corpus: Path, tmp_path: Path, number: signal.Signals
) -> None:
    engine = Engine(short_dir)
    watcher = Watcher(engine.socket, corpus, tmp_path / "out")
    eventually(lambda: b"opened" in engine.log.read_bytes())
    code, said = watcher.end(number)
    assert code in (130, -number)
    assert "Traceback" not in said
    assert engine.process.poll() is None
    assert engine.end() == 0


def test_what_cannot_be_watched_is_bad_usage(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str], socket: Path
) -> None:
    for folder, out, words in (
        (tmp_path / "nosuch", tmp_path / "out", "nosuch: no such folder"),
        (corpus, corpus / "stories" / "joyful.txt", "--output-dir"),
    ):
        assert cli.run(["watch", str(folder), "--output-dir", str(out), "--socket", str(socket), *FLAGS]) == 2
        assert words in capsys.readouterr().err
    assert not socket.exists()
