"""One example of the stateful test: a corpus, two clients, what they do, and what must hold of it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from msgspec.structs import replace

from amygdala_tui import mirror
from amygdala_tui.mirror import Mirror
from engine import paths
from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.loaded import LoadedModel
from engine.corpus import Corpus, Layout, scan, text_id
from engine.errors import AmygdalaError
from engine.results import Results
from engine.service.history.database import History
from engine.service.hosting import views
from engine.service.hosting.plan import A_FEW
from engine.wire import protocol
from engine.wire.jobs import Placement
from engine.wire.protocol import Changed, Progressed, Snapshot
from engine.wire.snapshot import StoryView
from tests.engine.compute.live.comparing import assert_same
from tests.engine.service import running
from tests.engine.service.running import WITHIN, Engine, Talk, alive
from tests.waiting import eventually_async

KILLS = 2
"""Of workers, and of engines, in one example: each costs seconds."""
SETTINGS = replace(running.SETTINGS, batch_size=1)
"""A text is run by itself: there is more to interrupt, and its activation is nearly the same to the last bit."""
NOISE = 1e-3
"""By which numbers may differ: one bit of one component of a vector (fp16)."""

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


class Session:
    """One example: a corpus, two clients, and what may have been computed of it."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self.corpus = folder / "corpus"
        self.tag = f"({house.examples})"
        self.made = 0
        self.ever: dict[str, set[str]] = {}
        """Ids of the texts that a path has had."""
        self.live = True
        self.was_live: bool
        """Whether changes were followed at any time since all was done."""
        self.n_pending = 0
        self.kills = {"worker": 0, "engine": 0}
        self.begin_window()
        self.is_cancelled = False
        self.is_told_exactly = True
        """Revisions tell of every text that was run."""

    @classmethod
    async def begin(cls, house: House, folder: Path) -> Session:
        """Open a small corpus with both clients."""
        house.examples += 1
        session = cls(house, folder)
        for path, number in ANCHORS.items():
            session.write(path, session.text(number))
        await session.connect()
        await session.sync()
        return session

    async def connect(self) -> None:
        """Both clients."""
        self.talk = await Talk.to(self.house.engine.socket, self.corpus)
        self.watcher = await Watcher.to(self.house.engine.socket, self.corpus)

    async def hang_up(self) -> None:
        """Both clients."""
        await self.talk.close()
        await self.watcher.close()

    # What is on disk

    def text(self, number: int) -> str:
        """One of the texts of this example, or a new one."""
        return f"{TEXTS[number]} {self.tag}" if number >= 0 else self.new_text()

    def new_text(self) -> str:
        self.made += 1
        return f"{TEXTS[self.made % len(TEXTS)]} Again, {self.made} times. {self.tag}"

    def file(self, path: str) -> Path:
        return self.corpus / path

    def write(self, path: str, text: str, how: str = "rename", name: str = "swp") -> None:
        """As an editor saves (a file of this name is renamed), or in place."""
        self.note(path, text_id(text.strip()))
        file = self.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        if how == "in place":
            file.write_text(text, "utf-8")
        else:
            temporary = file.with_name(f".{file.name}.{name}")
            temporary.write_text(text, "utf-8")
            temporary.replace(file)

    def note(self, path: str, written: str) -> None:
        self.ever.setdefault(path, set()).add(written)
        self.n_pending += 1
        self.in_window.add(written)

    def scan(self) -> Corpus:
        """From nothing."""
        return scan(Layout.of(self.corpus))

    def ids(self) -> dict[str, str]:
        """Path -> text id, on disk."""
        return {story.path: story.text_id for story in self.scan().stories} if self.corpus.exists() else {}

    # What writers do

    async def save(self, path: str, number: int, how: str) -> None:
        self.write(path, self.text(number), how)

    async def save_again(self, path: str, how: str) -> None:
        file = self.file(path)
        if not file.exists():
            return
        text = file.read_text("utf-8")
        if how == "touch":
            os.utime(file)
        elif how == "space":
            self.write(path, f"\n  {text.strip()} \n\n")
        else:
            self.write(path, text, how)

    async def rename(self, path: str, target: str) -> None:
        if self.file(path).exists() and path != target:
            self.note(target, self.ids()[path])
            self.file(target).parent.mkdir(parents=True, exist_ok=True)
            self.file(path).rename(self.file(target))

    async def delete(self, path: str) -> None:
        self.file(path).unlink(missing_ok=True)

    async def burst(self, number: int) -> None:
        """As a checkout: more files at once than are computed as an edit."""
        for at in range(number):
            self.write(f"paired/b{at}/{CONCEPTS[at % 3]}.txt", self.new_text(), "in place")

    async def undo_burst(self) -> None:
        for folder in self.corpus.glob("paired/b*"):
            if folder.name != "bus":
                shutil.rmtree(folder)

    async def race(self, path: str, numbers: list[int]) -> None:
        """Two writers at one story, each with its client, which retrains it as well."""

        async def writer(talk: Talk, mine: list[str], how: str) -> None:
            for text in mine:
                await asyncio.to_thread(self.write, path, text, how, "other")
                await self.ask(talk, protocol.Retrain, paths=[path])

        texts = [self.text(number) for number in numbers]
        self.retrained.add(path)
        await asyncio.gather(writer(self.talk, texts, "rename"), writer(self.watcher, texts[::-1], "in place"))

    # What clients ask for

    async def ask(self, talk: Talk, kind: type[protocol.Request], **fields: Any) -> None:
        """Ask; that a story is not noticed yet, or just being written, or a process was killed, are answers too."""
        try:
            await talk.ask(kind, **fields)
        except AmygdalaError as error:
            if not self.has_killed and not re.search("no story|no concept|empty, so it is skipped", str(error)):
                raise

    @property
    def has_killed(self) -> bool:
        return sum(self.kills.values()) > 0

    async def set_live(self, live: bool) -> None:
        await self.talk.ask(protocol.SetLive, live=live)
        self.live = live
        self.was_live = self.was_live or live

    async def retrain(self, what: str, place: str) -> None:
        """A story, its concept, or all of the corpus."""
        named = {path for path in self.ever if covers(what, place, path)}
        self.retrained |= named
        self.n_pending += len(named)
        await self.ask(self.talk, protocol.Retrain, **fields_of(what, place))

    async def cancel(self) -> None:
        await self.watcher.ask(protocol.Cancel)
        self.is_cancelled = True
        self.is_told_exactly = False

    async def score(self, path: str, number: int) -> None:
        """Two drafts, of which the second may take the place of the first."""
        texts = [self.text(number), self.text(number)[:-1]]
        await asyncio.gather(*(self.ask(self.talk, protocol.Score, path=path, text=text) for text in texts))

    async def show(self, path: str) -> None:
        await self.talk.ask(protocol.Showing, path=path)

    async def kill_worker(self) -> None:
        pid = await self.worker()
        if pid is not None and self.kills["worker"] < KILLS:
            self.kills["worker"] += 1
            os.kill(pid, signal.SIGKILL)

    async def kill_engine(self) -> None:
        if self.kills["engine"] == KILLS:
            return
        self.kills["engine"] += 1
        pid = await self.worker()
        await self.hang_up()
        self.house.engine.process.kill()
        self.house.engine.process.wait()
        await eventually_async(lambda: pid is None or not alive(pid))  # what it was at would be run by both
        self.live = True
        self.was_live = True
        self.house.revive()
        await self.connect()

    async def worker(self) -> int | None:
        """The pid of the model's process."""
        return next((model.pid for model in (await self.talk.status()).models), None)

    # What must hold

    def begin_window(self) -> None:
        """All that was asked for is done."""
        self.in_window: set[str] = set(self.ids().values())
        """Ids of texts that are or were on disk in it."""
        self.retrained: set[str] = set()
        """Paths that a retrain in it named."""
        self.was_live = self.live
        self.n_done = self.n_pending = 0
        self.before = self.passes("kept")

    def passes(self, what: str) -> Counter[str]:
        """Of this example's texts."""
        return self.house.journal(what, set().union(*self.ever.values()))

    async def check(self) -> None:
        """The engine comes to rest, and has run what it had to."""
        if self.n_pending > A_FEW and self.n_done > 1:
            self.is_told_exactly = False
        snapshot = await self.sync()
        kept = self.passes("kept")
        run = kept - self.before
        assert set((self.applied(snapshot) or {}).values()) <= self.passes("begun").keys()
        retrained = set().union(*(self.ever[path] for path in self.retrained))
        assert run.keys() <= self.in_window | retrained
        once = Counter(run.keys() - self.before.keys()) if self.was_live else Counter()
        assert (run - once).keys() <= retrained
        assert self.told() <= kept.total()
        if not self.has_killed and self.is_told_exactly:
            assert self.told() == kept.total()
        same_as_copy(snapshot, await self.watcher.look())
        self.is_cancelled = self.is_cancelled and not self.live
        self.begin_window()

    async def check_retrain(self, what: str, place: str) -> None:
        """A retrain, and nothing else: exactly what it names goes through the model, once."""
        await self.check()
        ids, before = self.ids(), self.passes("kept")
        named = Counter({ids[path] for path in ids if covers(what, place, path)})
        if not named:
            return
        revision = (await self.snapshot()).revision
        await self.retrain(what, place)
        await self.sync(fence=False, since=revision)
        assert self.passes("kept") - before == named

    async def check_numbers(self) -> None:
        """Numbers and vectors are those of a run from nothing; to export them runs no text."""
        await self.set_live(True)
        await self.check()
        snapshot, corpus, before = await self.snapshot(), self.scan(), self.passes("begun")
        live, exact = from_nothing(self.house.model, corpus)
        assert_same(replace(exact, concepts=[view.quality for view in snapshot.concepts if view.quality]), exact, NOISE)
        same_stories(snapshot.stories, corpus, exact)
        exported = await self.talk.ask(
            protocol.Export, settings=SETTINGS, stories=None, paired=None, root=str(self.corpus)
        )
        assert isinstance(exported, protocol.Exported)
        assert exported.digest == corpus.digest
        assert_same(exported.results, exact, NOISE)
        same_vectors(Path(exported.vectors), live)
        assert self.passes("begun") == before

    async def snapshot(self) -> Snapshot:
        await self.talk.ask(protocol.Open)
        return await self.talk.event(Snapshot)

    async def sync(self, *, fence: bool = True, since: int = -1) -> Snapshot:
        """Wait until the engine has seen all that is on disk and done all that was asked for.

        A new story, the fence, tells that: it is planned together with all that came before. Where changes are
        followed, what was cancelled is retrained, for it would stay as it is.
        """
        if fence:
            self.raise_fence()
        deadline = time.monotonic() + WITHIN
        while True:
            snapshot = await self.snapshot()
            assert not failure(snapshot), failure(snapshot)
            if snapshot.revision > since and self.is_at_rest(snapshot):
                stale = [view.path for view in snapshot.stories if view.state == "stale"]
                if not self.live or (not stale and self.applied(snapshot) == self.ids()):
                    return snapshot
                if self.is_cancelled and stale:
                    self.retrained.update(stale)
                    await self.talk.ask(protocol.Retrain, paths=stale)
            assert time.monotonic() < deadline, self.differences(snapshot)
            await asyncio.sleep(0.02)

    def raise_fence(self) -> None:
        for old in self.corpus.glob("paired/fence*"):
            shutil.rmtree(old)
        text = self.new_text()
        self.write(f"paired/fence{self.made}/calm.txt", text)

    def is_at_rest(self, snapshot: Snapshot) -> bool:
        return (
            snapshot.doing.state == "ready"
            and self.applied(snapshot) is not None
            and {view.path for view in snapshot.stories} == self.ids().keys()
            and all(view.state != "computing" for view in snapshot.stories)
            and all(view.quality is None or view.quality.settled for view in snapshot.concepts)
        )

    def differences(self, snapshot: Snapshot) -> str:
        """Why the engine is not taken to be at rest."""
        states = {view.path: view.state for view in snapshot.stories if view.state not in ("ok", "outlier")}
        unsettled = [view.name for view in snapshot.concepts if view.quality and not view.quality.settled]
        applied, disk = self.applied(snapshot) or {}, self.ids()
        return f"{snapshot.doing}\n{states=}\n{unsettled=}\n{applied.items() ^ disk.items()}"

    def applied(self, snapshot: Snapshot) -> dict[str, str] | None:
        """Path -> id of the text that the numbers are of; None while the history, which comes after, lacks them."""
        with suppress(AmygdalaError), closing(self.history()) as history:
            return history.stories_at(snapshot.revision)
        return None

    def history(self) -> History:
        return History(paths.history_path(self.corpus), self.corpus, readonly=True)

    def told(self) -> int:
        """Texts run, by what revisions say."""
        with closing(self.history()) as history:
            return sum(revision.texts_run for revision in history.revisions(1000))


def covers(what: str, place: str, path: str) -> bool:
    """Whether a retrain names a story."""
    return what == "all" or (path == place if what == "story" else Path(path).stem == Path(place).stem != "baseline")


def fields_of(what: str, place: str) -> dict[str, list[str]]:
    """Of such a request."""
    return {"all": {}, "story": {"paths": [place]}, "concept": {"concepts": [Path(place).stem]}}[what]


def failure(snapshot: Snapshot) -> str:
    """What the engine says went wrong; that all of the corpus was cancelled before there were numbers is no fault."""
    is_failed = snapshot.doing.state == "failed" and "has no story to compute" not in snapshot.doing.detail
    return snapshot.doing.detail if is_failed else ""


def from_nothing(model: LoadedModel, corpus: Corpus) -> tuple[LiveCorpus, Results]:
    """All of a corpus, with nothing stored."""
    placements = [Placement(story.text_id, story.concept) for story in corpus.stories]
    texts = {story.text_id: story.text for story in corpus.stories}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        live = LiveCorpus(model, SETTINGS, store)
        results = live.apply(placements, texts)
        store.close()
    return live, results


def same_stories(shown: list[StoryView], corpus: Corpus, exact: Results) -> None:
    """What clients see of each story is what follows; a verdict may differ where it hangs on noise."""
    expected = views.story_views(corpus, {story.path: story for story in corpus.stories}, exact, ())
    assert [view.path for view in shown] == sorted(expected)
    for view in shown:
        wanted = expected[view.path]
        shown_numbers, due = ([v.alignment, v.own, v.rival_score] for v in (view, wanted))
        assert shown_numbers == pytest.approx(due, abs=NOISE), view.path
        if wanted.own is None or abs(wanted.own - (wanted.rival_score or 0.0)) > 2 * NOISE:
            assert (view.state, view.misread) == (wanted.state, wanted.misread), view.path


def same_vectors(file: Path, live: LiveCorpus) -> None:
    """The vectors in a file, which is removed."""
    tensors = safetensors.torch.load_file(file)
    file.unlink()
    exact = live.readout().vectors
    assert tensors.keys() == {str(layer) for layer in exact}
    for layer, vectors in exact.items():
        torch.testing.assert_close(tensors[str(layer)], vectors, rtol=0.0, atol=NOISE)


def same_as_copy(snapshot: Snapshot, copy: Mirror) -> None:
    """A client that followed every event has what one gets that comes now."""
    told = mirror.follow(Mirror(), snapshot)
    assert (copy.revision, copy.layers, copy.problems) == (told.revision, told.layers, told.problems)
    assert copy.stories == told.stories
    assert copy.concepts == told.concepts
