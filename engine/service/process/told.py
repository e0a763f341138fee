"""What a worker has been told of one corpus. Of ten thousand stories, only those that differ from it are sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.corpus import Story, changed_paths
from engine.settings import AUTO, Settings
from engine.wire import jobs


@dataclass
class Told:
    """One corpus, as its messages have made the worker know it; the worker names that with the same token."""

    settings: Settings
    token: int = 0
    """The number of the last job that told more; 0 where nothing was told."""
    since: int = 0
    """The number of the job that told the whole."""
    text_ids: set[str] = field(default_factory=set)
    """Ids of the texts that the worker has."""
    stories: dict[str, Story] = field(default_factory=dict)
    """By path, as of the last change that the worker was told of."""
    applied: int = 0
    """The number of the job that made the worker's state; 0 where it has no state."""

    def prepare(
        self,
        corpus: str,
        number: int,
        stories: Collection[Story],
        text_ids: Sequence[str],
        first: Collection[str],
        fresh: Collection[str],
    ) -> jobs.Prepare:
        """The job that has these texts' activations at hand; see `WorkerProxy.prepare`."""
        return jobs.Prepare(
            corpus=corpus,
            job=number,
            adds_to=self._advance(number),
            urgency=jobs.Urgency.BULK,
            settings=self.settings,
            wanted=list(text_ids),
            first=list(first),
            texts=self._send(_texts(stories)),
            fresh=sorted(fresh),
            placements=[_placement(story) for story in stories] if self.settings.target_layers == AUTO else [],
        )

    def apply(
        self,
        corpus: str,
        number: int,
        stories: Collection[Story],
        fresh: Collection[str],
        urgency: jobs.Urgency,
        keep: Collection[str],
    ) -> jobs.Apply:
        """The job that makes the worker's state that of these stories; see `WorkerProxy.apply`."""
        before, self.stories = self.stories, {story.path: story for story in stories}
        changed = [self.stories[path] for path in changed_paths(before, self.stories) if path in self.stories]
        unsent = self._send(_texts(changed))
        dropped = self.text_ids - {story.text_id for story in stories} - set(keep)
        self.text_ids -= dropped
        return jobs.Apply(
            corpus=corpus,
            job=number,
            adds_to=self._advance(number),
            urgency=urgency,
            settings=self.settings,
            placements={story.path: _placement(story) for story in changed},
            gone=sorted(before.keys() - self.stories.keys()),
            texts=unsent,
            fresh=sorted(fresh),
            dropped=sorted(dropped),
        )

    def _advance(self, number: int) -> int:
        """The token until now; the job with this number makes the next one."""
        before, self.token = self.token, number
        self.since = self.since or number
        return before

    def _send(self, texts: Mapping[str, str]) -> dict[str, str]:
        """The texts that the worker does not have yet, to be sent now: from here on it counts as having them."""
        unsent = {text_id: text for text_id, text in texts.items() if text_id not in self.text_ids}
        self.text_ids |= texts.keys()
        return unsent


def _texts(stories: Iterable[Story]) -> dict[str, str]:
    return {story.text_id: story.text for story in stories}


def _placement(story: Story) -> jobs.Placement:
    return jobs.Placement(*story.place)
