"""An engine of the stateful test that keeps a journal of its model's work, and a client that watches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from amygdala_tui import mirror
from amygdala_tui.mirror import Mirror
from engine.compute.model.loaded import LoadedModel
from engine.wire.protocol import Changed, Progressed, Snapshot
from tests.engine.service.running import Engine, Talk

CONCEPTS = ("calm", "glad", "tense")
ANCHORS = {"stories/calm.txt": 0, "stories/tense.txt": 1, "paired/bus/baseline.txt": 2}
"""Always there, so that there are always numbers; path -> text."""
SLOTS = [
    *ANCHORS,
    "stories/glad.txt",
    *(f"paired/{scenario}/{concept}.txt" for scenario in ("bus", "rain") for concept in CONCEPTS),
    "paired/rain/baseline.txt",
]
FREE = [slot for slot in SLOTS if slot not in ANCHORS]
TEXTS = [
    "The lake lay flat, and nobody called.",
    "He counted the exits twice, then the people between him and each of them.",
    "The bus left at nine and arrived at ten.",
    "They danced in the kitchen until the neighbours knocked, and then the neighbours danced.",
    "Breath by breath the room grew larger.",
    "Her hand would not stop tapping. The letter lay where it had lain all morning, and would not open itself.",
    "It rained. The street was wet, and a man with an umbrella waited for the light to change.",
    "Good news came by the noon post!",
    "The old dog slept on the step in the sun, and the clock in the hall had stopped long ago.",
    "Steps on the stair; no, only the pipes; no, steps.",
]
JOURNAL = """
import os, sys
if "engine.compute.worker" in sys.orig_argv:
    from engine.compute.activations.source import Source

    def keep(self, activations, original=Source._keep):
        tell("begun", activations)
        original(self, activations)
        tell("kept", activations)

    def tell(what, ids):
        os.write(out, "".join(f"{what} {i}\\n" for i in ids).encode())

    out = os.open(os.environ["AMYGDALA_TEST_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    Source._keep = keep
"""
"""A `sitecustomize` for the worker's process."""


class House:
    """An engine that may be killed and is then started again at the same socket; its journal; a model to check with."""

    def __init__(self, folder: Path, model: LoadedModel) -> None:
        self.folder = folder
        self.model = model
        self.engine = Engine(folder)
        self.lives = 1
        self.examples = 0

    def revive(self) -> None:
        """Start another engine where one was killed."""
        self.engine.log.rename(self.folder / f"log.{self.lives}")
        self.lives += 1
        self.engine = Engine(self.folder)

    def journal(self, what: str, texts: set[str]) -> Counter[str]:
        """How often each of these texts (by id) has `begun` to be stored, or is `kept`."""
        file = self.folder / "journal"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        entries = (line.split() for line in lines)
        return Counter(i for said, i in entries if said == what and i in texts)


class Watcher(Talk):
    """A client that never asks for another snapshot than the first, but patches what it has."""

    copy = Mirror()

    async def look(self) -> Mirror:
        """The copy, now that the engine has told all that it had to tell."""
        await self.status()
        events = self.connection._events
        while not events.empty():
            event = events.get_nowait()
            if isinstance(event, Snapshot | Changed | Progressed):
                self.copy = mirror.follow(self.copy, event)
        return self.copy
