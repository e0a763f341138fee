"""What the tutorial says that the studio shows of the sample corpus, it shows, step by step."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from amygdala_tui.moved import Standing, ended_words, sitting_ends, verdict
from amygdala_tui.sitting import Tally
from amygdala_tui.words import STRENGTHS, share_of_pairs
from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.checkpoint import load
from engine.corpus import Layout, scan
from engine.evidence import ConceptEvidence, Evidence
from engine.settings import Settings
from engine.triage import MAYBE_FROM, Thresholds, by_bucket, judge, queue, why
from engine.verdicts import ENOUGH_STORIES, ConceptVerdict, Finding, concept_verdicts, pairs_right
from engine.wire.jobs import Placement
from engine.wire.snapshot import Ended
from tests.amygdala_tui.making import healthy, mirror
from tests.e2e.sample import MISFILED

TUTORIAL = (resources.files("amygdala_tui") / "sample/TUTORIAL.md").read_text("utf-8")
NAMED = "She was jealous, and she knew it."
NEIGHBOURS = "paired/new-neighbours/jealous.txt"
DISGUSTED = "paired/power-cut/disgusted.txt"
HOSPITAL = "paired/hospital-waiting-room/cold.txt"
PASTED = (
    MISFILED,
    "paired/power-cut/curious.txt",
    "paired/power-cut/hopeful.txt",
    "paired/power-cut/cold.txt",
    "paired/first-snow/cold.txt",
    "stories/impatient.txt",
    "paired/hospital-waiting-room/impatient.txt",
    "paired/late-train/impatient.txt",
    "paired/power-cut/awestruck.txt",
    "paired/first-snow/awestruck.txt",
)
"""Where the texts of the tutorial are pasted, in their order."""
TEXTS = dict(zip(PASTED, re.findall(r"```text\n(.*?)```", TUTORIAL, re.DOTALL), strict=True))


class Writer:
    """Follows the tutorial in a copy of the sample, on an engine's numbers after each step."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder = folder
        self._live = LiveCorpus(load(Settings()), Settings(), Store(store), with_neurons=False, with_evidence=True)

    def look(self) -> None:
        """Take the numbers of what is on disk."""
        self.corpus = scan(Layout.of(self.folder))
        stories = self.corpus.stories
        placements = [Placement(story.text_id, story.concept, story.scenario) for story in stories]
        self.results = self._live.apply(placements, {story.text_id: story.text for story in stories})
        paths = {story.place: story.path for story in stories}
        self.by_path: dict[str, Evidence] = {paths[story.place]: story for story in self.results.evidence}
        self.queue = [paths[story.place] for story in queue(self.results.evidence)]
        self.misread = {path for path, story in self.by_path.items() if story.misread}
        self.concepts: dict[str, ConceptEvidence] = {each.concept: each for each in self.results.concept_evidence}
        self.verdicts: dict[str, ConceptVerdict] = concept_verdicts(self.results, Thresholds().redundant_r2)
        buckets = {each.concept: judge(each, self.results.middle, Thresholds()) for each in self.results.concepts}
        self.buckets = {name: concepts for name, concepts in by_bucket(buckets.items()).items() if concepts}
        self.labels = {name: bucket.label for name, bucket in buckets.items()}
        self.n_stories = {each.concept: each.n_positive_stories for each in self.results.concepts}

    def paste(self, *paths: str) -> None:
        """Paste the tutorial's texts where they belong."""
        for path in paths:
            (self.folder / path).write_text(TEXTS[path], "utf-8")
        self.look()

    def standing(self, path: str) -> Standing:
        """How a story stands."""
        story = self.by_path[path]
        return Standing(story.misfit, 1 - story.misfiled, story.misread)

    def pairs(self, concept: str) -> str:
        """How many of 100 pairs a concept reads in the right order, as Triage has it."""
        return share_of_pairs(self.concepts[concept].auroc)

    def told_from(self, concept: str) -> tuple[str | None, str]:
        """A concept's closest one, and how many of 100 pairs are told apart."""
        rival_auroc = self.concepts[concept].rival_auroc
        assert rival_auroc is not None
        return self.concepts[concept].rival, pairs_right(rival_auroc).partition(" (")[0]


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    with resources.as_file(resources.files("amygdala_tui") / "sample") as folder:
        writer = Writer(Path(shutil.copytree(folder, tmp_path / "sample")), tmp_path / "cache")
    writer.look()
    return writer


def says(words: str) -> bool:
    """Whether the tutorial says this, wherever its lines end."""
    return words in " ".join(TUTORIAL.split())


def percent(story: Evidence) -> str:
    return f"{1 - story.misfiled:.0%}".replace("%", " %")


def test_every_number_is_what_the_studio_shows_when_its_steps_are_taken(writer: Writer) -> None:
    for step in (misfiled, broken, cold, impatient, melancholy, awestruck, accepted, remains):
        step(writer)


def misfiled(writer: Writer) -> None:
    assert len(writer.corpus.concepts) == 16
    assert says("16 concepts told in six scenarios")
    assert len({story.scenario for story in writer.corpus.stories} - {None}) == 6
    assert (
        writer.buckets.items()
        >= {
            "contaminated": ["anxious", "impatient"],
            "fragmented": ["cold", "jealous"],
            "redundant": ["melancholy"],
            "thin": ["awestruck"],
        }.items()
    )
    assert len(set(writer.buckets["mixed"]) - {"melancholy"}) == 10
    assert writer.labels["awestruck"] == "clean (circuit) · thin"
    assert says('*awestruck* was "clean (circuit) · thin"')

    assert writer.misread == {MISFILED}
    reason = why(writer.by_path[MISFILED])
    assert reason == "reads as disgusted (90%), not as jealous (8%)"
    assert says(f'"{reason.capitalize()}"')
    assert says(f"`{STRENGTHS[writer.by_path[MISFILED].strength]}`")
    assert writer.queue[1] == NEIGHBOURS
    doubted = percent(writer.by_path[NEIGHBOURS])

    before, story = writer.standing(MISFILED), writer.folder / MISFILED
    text = story.read_text("utf-8")
    assert says(NAMED)
    story.write_text(f"{text.rstrip()} {NAMED}\n", "utf-8")
    writer.look()
    assert says(f"`{told(before, writer, MISFILED)}`")
    story.write_text(text, "utf-8")
    writer.look()
    assert told(before, writer, MISFILED) == "no change: as jealous 8 %, still misread"
    assert says("and it is 8 % again")

    before = Standing(before.misfit, 1 - before_share(writer), is_misread=True)
    story.rename(writer.folder / DISGUSTED)
    writer.look()
    assert not writer.misread
    assert told(before, writer, DISGUSTED) == "cleared: as disgusted 90 → 100 %"
    assert says("`cleared: as disgusted 90 → 100 %`")
    writer.paste(MISFILED)
    assert says(f"reads `as jealous {percent(writer.by_path[MISFILED])}`")
    assert NEIGHBOURS not in writer.queue
    assert says(f"as jealous {doubted} when you began, and {percent(writer.by_path[NEIGHBOURS])} now")


def before_share(writer: Writer) -> float:
    """How much the misfiled story reads as something else than the concept that it is filed under at last."""
    rival, share = writer.by_path[MISFILED].shares[0]
    assert rival == "disgusted"
    return 1 - share


def told(before: Standing, writer: Writer, path: str) -> str:
    """The verdict on a story."""
    words = verdict(before, writer.standing(path), writer.by_path[path].concept)
    assert words is not None
    return words.plain


def broken(writer: Writer) -> None:
    problems = Counter(problem.code for problem in writer.corpus.problems)
    assert problems == {"empty": 1, "duplicate": 2}
    assert writer.n_stories["curious"] == 3
    writer.paste("paired/power-cut/curious.txt")
    assert writer.n_stories["curious"] == 4
    assert says("*curious* has four stories, and it has three")
    writer.paste("paired/power-cut/hopeful.txt")
    assert not writer.corpus.problems


def cold(writer: Writer) -> None:
    assert {each.finding for each in writer.verdicts.values()} == {Finding.UNKNOWN}
    assert all(each.missing for each in writer.verdicts.values())
    assert ENOUGH_STORIES == 10
    assert says("From ten stories on there is always one")
    measured = {name: each.auroc.value for name, each in writer.concepts.items() if each.auroc is not None}
    assert min(measured, key=lambda name: measured[name]) == "cold"
    assert says(f"*cold*, {writer.pairs('cold')}")
    value = writer.pairs("cold").partition(" ")[0]
    writer.paste("paired/power-cut/cold.txt", "paired/first-snow/cold.txt")
    interval = writer.pairs("cold").partition(" ")[2]
    now = writer.pairs("cold").partition(" ")[0]
    assert says(f"*cold* now has {now} of 100 pairs right {interval}, where it had {value}")


def impatient(writer: Writer) -> None:
    rival, apart = writer.told_from("anxious")
    assert says(f"closest concept *{rival}*, told from it {apart}")
    assert rival == "impatient"
    first, second, third = (path for path in PASTED if path.endswith("/impatient.txt"))
    writer.paste(first)
    assert writer.misread == {first}
    writer.paste(second)
    assert {path for path in writer.misread if path.endswith("/impatient.txt")} == {third}
    writer.paste(third)
    assert not writer.misread
    assert writer.told_from("anxious")[0] != "impatient"
    assert writer.told_from("anxious")[1] == "100 of 100 pairs right"
    assert says("*anxious* is now told from its closest concept in 100 of 100 pairs")


def melancholy(writer: Writer) -> None:
    rival, apart = writer.told_from("lonely")
    assert (rival, writer.told_from("nostalgic")[0]) == ("melancholy", "melancholy")
    assert says(f"light *lonely*: closest concept *{rival}*, told from it {apart}")
    assert int(writer.pairs("nostalgic").partition(" ")[0]) < 90
    paths = [story.path for story in writer.corpus.stories if story.concept == "melancholy"]
    assert len(paths) == 5
    for path in paths:
        (writer.folder / path).unlink()
    writer.look()
    assert says(f'"{ended_words(Ended(concept="melancholy", n_deleted=len(paths), n_moved=0))}"')
    rival, apart = writer.told_from("lonely")
    assert says(f"told from its closest concept, *{rival}*, in {apart.removesuffix(' right')}")
    has = writer.pairs("nostalgic").partition(" ")[0]
    assert says(f"*nostalgic* has {has} of 100 pairs right, where it had fewer than 90")


def awestruck(writer: Writer) -> None:
    assert says(f"*awestruck*: no verdict yet, write {writer.verdicts['awestruck'].missing} more")
    writer.paste("paired/power-cut/awestruck.txt", "paired/first-snow/awestruck.txt")
    assert writer.verdicts["awestruck"].missing == 1
    assert says("*awestruck* has three stories and asks for one more")
    assert writer.n_stories["awestruck"] == 3
    value, _, interval = writer.pairs("awestruck").partition(" ")
    assert says(f"it has {value} of 100 pairs right {interval}")


def accepted(writer: Writer) -> None:
    assert writer.misread == {HOSPITAL}
    assert says(f'"{why(writer.by_path[HOSPITAL])}"')
    assert says(f"`{STRENGTHS[writer.by_path[HOSPITAL].strength]}`")
    end = sitting_ends(mirror([healthy(HOSPITAL)]), Tally(2, 1, 1, ()))
    assert end == "All 2 looked at: 1 fixed, 1 kept. Nothing left to fix."
    assert says(f'so many fixed, "{end.partition("fixed, ")[2]}"')


def remains(writer: Writer) -> None:
    maybes = [path for path in writer.queue if path not in writer.misread]
    assert maybes == ["paired/first-snow/jealous.txt"]
    assert says(f"`first-snow/jealous.txt`, as jealous {percent(writer.by_path[maybes[0]])}")
    assert MAYBE_FROM == 0.1
    assert {each.finding for each in writer.verdicts.values()} == {Finding.UNKNOWN}
    assert len(writer.n_stories) == 15
    assert set(writer.n_stories.values()) == {3, 4, 5}
    assert list(writer.buckets) == ["mixed"]
    limits = Thresholds()
    for words in (
        f"two arrows more than {limits.contaminated_cosine:g} alike",
        f"first PC below {limits.fragmented_first_pc:.0%}",
        f"R² above {limits.redundant_r2:.0%}",
        f"fewer than {limits.thin_below} stories",
    ):
        assert says(words)
