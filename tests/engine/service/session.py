"""One example of the stateful test: a corpus, two clients, what they do, and what must hold of it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from engine import paths
from engine.errors import AmygdalaError
from engine.service.history.database import History
from engine.service.hosting.plan import A_FEW
from engine.wire import protocol
from engine.wire.protocol import Snapshot
from tests.engine.compute.live.comparing import assert_same
from tests.engine.service.exactness import (
    NOISE,
    SETTINGS,
    covers,
    failure,
    fields_of,
    from_nothing,
    same_as_copy,
    same_stories,
    same_vectors,
)
from tests.engine.service.history.recording import stories_at
from tests.engine.service.house import ANCHORS, House, Watcher
from tests.engine.service.running import WITHIN, Talk, alive
from tests.engine.service.writers import Writers
from tests.waiting import eventually_async

KILLS = 2
"""Of workers, and of engines, in one example: each costs seconds."""


class Session(Writers):
    """One example: a corpus, two clients, and what may have been computed of it."""

    def __init__(self, house: House, folder: Path) -> None:
        super().__init__(folder / "corpus", f"({house.examples})")
        self.house = house
        self.live = True
        self.was_live: bool
        """Whether changes were followed at any time since all was done."""
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

    # What clients ask for

    async def race(self, path: str, numbers: list[int]) -> None:
        """Two writers at one story, each with its client, which retrains it as well."""

        async def writer(talk: Talk, mine: list[str], how: str) -> None:
            for text in mine:
                await asyncio.to_thread(self.write, path, text, how, "other")
                await self.ask(talk, protocol.Retrain, paths=[path])

        texts = [self.text(number) for number in numbers]
        self.retrained.add(path)
        await asyncio.gather(writer(self.talk, texts, "rename"), writer(self.watcher, texts[::-1], "in place"))

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
        self.in_window = set(self.ids().values())
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
        unjudged = replace(exact, evidence=[], concept_evidence=[], story_effects=[])
        assert_same(exported.results, unjudged, NOISE)
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
            and all(view.strength is not None for view in snapshot.stories if view.concept and view.state == "ok")
        )

    def differences(self, snapshot: Snapshot) -> str:
        """Why the engine is not taken to be at rest."""
        states = {view.path: view.state for view in snapshot.stories if view.state not in ("ok", "misread")}
        unsettled = [view.name for view in snapshot.concepts if view.quality and not view.quality.settled]
        applied, disk = self.applied(snapshot) or {}, self.ids()
        return f"{snapshot.doing}\n{states=}\n{unsettled=}\n{applied.items() ^ disk.items()}"

    def applied(self, snapshot: Snapshot) -> dict[str, str] | None:
        """Path -> id of the text that the numbers are of; None while the history, which comes after, lacks them."""
        with suppress(AmygdalaError), closing(self.history()) as history:
            return stories_at(history, snapshot.revision)
        return None

    def history(self) -> History:
        return History(paths.history_path(self.corpus), self.corpus, readonly=True)

    def told(self) -> int:
        """Texts run, by what revisions say."""
        with closing(self.history()) as history:
            return sum(revision.texts_run for revision in history.revisions(1000))
