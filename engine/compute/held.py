"""What a worker has been told of a corpus, and the jobs that wait for their turn."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from engine.compute.live.corpus import LiveCorpus
from engine.compute.live.wording import Wording
from engine.settings import Settings
from engine.wire import jobs


@dataclass(order=True)
class Task:
    """A job in the queue: the most urgent first, then the first to come."""

    urgency: jobs.Urgency
    number: int
    job: jobs.AnyJob = field(compare=False)
    placements: list[jobs.Placement] = field(default_factory=list, compare=False)
    """The corpus's stories as they were when the job came."""
    texts: dict[str, str] = field(default_factory=dict, compare=False)
    """Those that it may need, by id."""
    steps: Iterator[object] | None = field(default=None, compare=False)
    """None before its first step."""


@dataclass
class HeldCorpus:
    """What the worker has been told of one corpus, and its live state."""

    settings: Settings
    token: int
    """Names what was told: the number of the last job that told more."""
    texts: dict[str, str] = field(default_factory=dict)
    stories: dict[str, jobs.Placement] = field(default_factory=dict)
    """By path, as of the last `Apply` that came."""
    live: LiveCorpus | None = None
    applied: int = 0
    """The last `Apply` that was carried out."""
    n_changes: int = 0
    """How often `stories` has changed."""
    _wording: tuple[int, Wording] | None = None
    """The last that was made, and `n_changes` then."""

    def wording(self) -> Generator[None, None, Wording]:
        """The wording of the stories as they are now; made in steps, from the last, where they have changed since."""
        n_changes = self.n_changes
        of_changes, last = self._wording or (None, None)
        if last is not None and of_changes == n_changes:
            return last
        made = yield from Wording.in_steps(dict(self.stories), dict(self.texts), last)
        self._wording = n_changes, made
        return made

    def forget_state(self) -> None:
        """The next job starts from nothing; activations are in the store."""
        self.live, self.applied = None, 0

    def take_in(self, job: jobs.Prepare | jobs.Apply, task: Task) -> None:
        """Note what a job tells; its task gets the stories and the texts as they are now, and keeps them."""
        self.token = job.job
        self.texts |= job.texts
        if isinstance(job, jobs.Prepare):
            task.placements = job.placements
            task.texts = {i: self.texts[i] for i in {*job.wanted, *(place.text_id for place in job.placements)}}
            return
        if job.gone or not job.placements.items() <= self.stories.items():
            self.n_changes += 1
        self.stories |= job.placements
        for path in job.gone:
            self.stories.pop(path, None)
        task.placements = list(self.stories.values())
        task.texts = dict(self.texts)
        for text_id in job.dropped:
            self.texts.pop(text_id, None)


class HeldCorpora(dict[str, HeldCorpus]):
    """By name."""

    def take_in(self, job: jobs.Prepare | jobs.Apply, task: Task) -> bool:
        """Note what a job tells of its corpus, at once, not when its turn comes.

        Returns:
            Whether the job adds to what this worker was told. If not, the job is `Unknown`.
        """
        held = self.get(job.corpus)
        if job.adds_to == 0:
            before, held = held, HeldCorpus(job.settings, job.job)
            if before is not None and before.settings == job.settings:
                held.live, held.applied = before.live, before.applied
            self[job.corpus] = held
        elif held is None or held.token != job.adds_to:
            return False
        held.take_in(job, task)
        return True

    def live(self, corpus: str) -> LiveCorpus | None:
        """The state of a corpus, if an `Apply` was carried out since it began."""
        held = self.get(corpus)
        return held.live if held is not None and held.applied else None
