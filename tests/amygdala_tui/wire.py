"""What a real engine has said on the wire: recorded once, and said again to a real `Link` by a socket.

`python -m tests.amygdala_tui.wire` records anew, which a change of the protocol asks for.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.wire import codec, protocol
from tests.engine.service import forkserver
from tests.engine.service.running import SETTINGS, Engine, write
from tests.places import ROOT, STARTUP

FOLDER = Path(__file__).with_name("recordings")
CORPUS, CHECKOUT = "/the/corpus", "/the/checkout"
"""What stands in recordings for paths of a machine."""
STORIES = {
    f"paired/{scene}/{concept}.txt": f"It was {scene}, and she felt {concept}."
    for scene in ("dusk", "noon", "rain")
    for concept in ("calm", "sad")
}


class Replay:
    """An engine's part of a conversation, from a recording. Its replies carry the ids of the requests."""

    def __init__(self, name: str, corpus: Path) -> None:
        text = (FOLDER / f"{name}.jsonl").read_text("utf-8")
        self._lines = text.replace(CORPUS, str(corpus.resolve())).replace(CHECKOUT, str(ROOT)).splitlines()
        self._writer: asyncio.StreamWriter | None = None
        self.opened = asyncio.Event()
        """Set once a client has opened the corpus."""

    def send_until(self, state: str) -> None:
        """Say what comes next, up to when the engine tells that it is in a state."""
        while self._send_next() != state:
            pass

    def send_rest(self) -> None:
        """Say all that is left."""
        while self._lines:
            self._send_next()

    async def hang_up(self) -> None:
        """End the conversation, as an engine does that is gone."""
        assert self._writer is not None
        self._writer.close()

    def _send_next(self) -> str | None:
        assert self._writer is not None
        line = self._lines.pop(0)
        self._writer.write(line.encode() + b"\n")
        doing = json.loads(line).get("doing") or {}
        state: str | None = doing.get("state")
        return state

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        self._writer = writer
        self._send_next()
        while line := await reader.readline():
            request = codec.decode_request(line)
            if isinstance(request, protocol.Open):
                writer.write(codec.encode(protocol.Opened(id=request.id, corpus=request.corpus)))
                self.opened.set()
            else:
                writer.write(codec.encode(protocol.Done(id=request.id)))
        writer.close()

    @asynccontextmanager
    async def at(self, socket: Path) -> AsyncIterator[Replay]:
        """Serve at a socket."""
        server = await asyncio.start_unix_server(self._answer, str(socket))
        try:
            yield self
        finally:
            server.close()
            if self._writer is not None:
                self._writer.close()


class Recorder:
    """A client that writes down all that an engine says, but for replies."""

    def __init__(self, corpus: Path) -> None:
        self._corpus = corpus
        self.lines: list[str] = []

    async def greet(self, socket: Path, number: int = protocol.PROTOCOL) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(str(socket), limit=protocol.MAX_MESSAGE)
        self.say(protocol.Hello(protocol=number, version="0"))
        await self.hear(lambda _: True)

    def say(self, message: protocol.Message) -> None:
        self._writer.write(codec.encode(message))

    async def hear(self, is_last: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Write down what comes, up to a message, which is returned."""
        while line := (await asyncio.wait_for(self._reader.readline(), 60)).decode():
            told = json.loads(line)
            if told["type"] not in ("Opened", "Done", "Status"):
                self.lines.append(line.rstrip().replace(str(self._corpus), CORPUS).replace(str(ROOT), CHECKOUT))
            if is_last(told):
                return dict(told)
        raise AssertionError("the engine has hung up")

    def keep(self, name: str) -> None:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.jsonl").write_text("\n".join(self.lines) + "\n", "utf-8")
        self._writer.close()


def is_ready(told: dict[str, Any]) -> bool:
    return bool(told["type"] == "Progressed" and told["doing"]["state"] == "ready")


async def record(folder: Path) -> None:
    """A corpus that is opened, a save, a worker that falls, an engine that stops; a client of another version."""
    corpus = folder / "corpus"
    for path, text in STORIES.items():
        write(corpus / path, text)
    engine = Engine(folder)
    recorder = Recorder(corpus.resolve())
    await recorder.greet(engine.socket)
    recorder.say(protocol.Open(id=1, corpus=str(corpus), settings=SETTINGS))
    await recorder.hear(is_ready)
    write(corpus / "paired/dusk/calm.txt", "It was dusk, and nothing had to be done.")
    await recorder.hear(is_ready)
    recorder.keep("opening")

    falling = Recorder(corpus.resolve())
    await falling.greet(engine.socket)
    falling.say(protocol.Open(id=1, corpus=str(corpus)))
    await falling.hear(lambda told: told["type"] == "Snapshot")
    falling.say(protocol.GetStatus(id=2))
    status = await falling.hear(lambda told: told["type"] == "Status")
    os.kill(status["models"][0]["pid"], signal.SIGKILL)
    write(corpus / "paired/rain/sad.txt", "It rained, and no letter had come.")
    await falling.hear(is_ready)
    engine.process.terminate()
    await falling.hear(lambda told: told["type"] == "Closed")
    falling.keep("falling")
    engine.end()

    (folder / "b").mkdir()
    other = Engine(folder / "b")
    stranger = Recorder(corpus.resolve())
    await stranger.greet(other.socket, protocol.PROTOCOL + 1)
    stranger.keep("refusing")
    other.end()


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    os.environ |= {"AMYGDALA_CACHE": str(folder / "cache"), "XDG_STATE_HOME": str(folder / "state")}
    os.environ |= {"XDG_RUNTIME_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    os.environ |= {"PYTHONPATH": os.pathsep.join([str(STARTUP), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    try:
        asyncio.run(record(folder))
    finally:
        forkserver.end()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
