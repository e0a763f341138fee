"""Views that are followed from state to state are those that are made from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.corpus import Accepted, Corpus, Problem, Story, text_id
from engine.evidence import StoryEffect
from engine.results import Results, StoryFit
from engine.service.hosting.story_views import Scores, StoryViews, story_views
from tests.numbers import concept_quality

PATHS = [f"stories/{name}.txt" for name in ("calm", "sad", "wild")] + ["paired/s/calm.txt", "paired/s/sad.txt"]
TEXTS = ["One.", "Two.", "Three."]
SCORES = st.sampled_from([-0.5, -0.2, 0.0, 0.3])


def story(path: str, text: str) -> Story:
    concept = path.rpartition("/")[2].removesuffix(".txt")
    return Story(path=path, concept=concept, scenario=None, text=text, text_id=text_id(text))


@dataclass
class Numbers:
    """What a worker holds: the fits of the applied stories, of which it tells all or only new ones."""

    fits: dict[tuple[str, str], StoryFit] = field(default_factory=dict)
    effects: list[StoryEffect] = field(default_factory=list)
    """Of the stories that were applied when all were settled last."""

    def results(self, told: Mapping[tuple[str, str], StoryFit], *, settled: bool, truncated: list[str]) -> Results:
        return Results(
            layers=[2],
            hidden_size=1,
            concepts=[concept_quality("calm", first_pc=0.5)],
            fits=list(told.values()),
            story_effects=self.effects if settled else [],
            stories_are_settled=settled,
            without_vector={},
            truncated=truncated,
            max_tokens=512,
        )


class Following(RuleBasedStateMachine):
    """Stories are saved, removed, computed and settled in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.disk: dict[str, Story] = {}
        self.problems: tuple[Problem, ...] = ()
        self.accepted: dict[str, Accepted] = {}
        self.applied: dict[str, Story] = {}
        self.computing: set[str] = set()
        self.numbers = Numbers()
        self.whole: Results | None = None
        self.scores: Scores | None = None
        self.views = StoryViews()

    @rule(path=st.sampled_from(PATHS), text=st.sampled_from(TEXTS))
    def save(self, path: str, text: str) -> None:
        self.disk = {**self.disk, path: story(path, text)}

    @rule(path=st.sampled_from(PATHS))
    def remove(self, path: str) -> None:
        self.disk = {other: kept for other, kept in self.disk.items() if other != path}

    @rule(path=st.sampled_from(PATHS), text=st.sampled_from(TEXTS), reason=st.sampled_from(["", "so"]))
    def accept(self, path: str, text: str, reason: str) -> None:
        self.accepted = {**self.accepted, path: Accepted(text_id=text_id(text), reason=reason)}

    @rule(path=st.sampled_from(PATHS))
    def take_back(self, path: str) -> None:
        self.accepted = {other: kept for other, kept in self.accepted.items() if other != path}

    @rule(paths=st.sets(st.sampled_from([*PATHS, "stories/no.txt"]), max_size=2))
    def meet_problems(self, paths: set[str]) -> None:
        self.problems = tuple(
            Problem(path=path, severity="error", code="empty", message=f"empty: {path}") for path in sorted(paths)
        )

    @rule(paths=st.sets(st.sampled_from(PATHS), max_size=2))
    def compute(self, paths: set[str]) -> None:
        self.computing = paths

    @rule(data=st.data(), settled=st.booleans(), is_cut=st.booleans())
    def take_in_results(self, data: st.DataObject, settled: bool, is_cut: bool) -> None:
        self.applied, self.computing = dict(self.disk), set()
        pairs = sorted({(each.text_id, each.concept or "") for each in self.applied.values()})
        settled = settled or self.scores is None
        drawn = (
            pairs if settled else [pair for pair in pairs if pair not in self.numbers.fits or data.draw(st.booleans())]
        )
        told = {
            pair: StoryFit(
                text_id=pair[0], concept=pair[1], alignment=0.1, own=data.draw(SCORES), rival="wild",
                rival_score=data.draw(SCORES),
            )
            for pair in drawn
        }  # fmt: skip
        self.numbers.fits = {pair: told.get(pair) or self.numbers.fits[pair] for pair in pairs}
        if settled:
            self.numbers.effects = [
                StoryEffect(text_id=i, concept=concept, scenario=None, auroc=data.draw(SCORES) / 7, turn=1.0)
                for i, concept in pairs
            ]
        truncated = [text_id(TEXTS[0])] if is_cut else []
        self.whole = self.numbers.results(self.numbers.fits, settled=True, truncated=truncated)
        partial = self.numbers.results(told, settled=settled, truncated=truncated)
        self.scores = Scores.of(partial, self.applied, self.scores)

    @invariant()
    def is_what_comes_of_nothing(self) -> None:
        disk = Corpus(stories=tuple(self.disk.values()), problems=self.problems, accepted=self.accepted)
        followed = self.views.follow(disk, disk.problems, self.applied, self.scores, self.computing)
        assert followed == story_views(disk, self.applied, self.whole, self.computing)


TestFollowing = Following.TestCase
