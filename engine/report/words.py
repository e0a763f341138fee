"""What a report says in sentences: a writer's words, each with the number that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.evidence import HeldOutConcept
from engine.export.evidence import JudgedConcept, JudgedStory
from engine.prose import saying
from engine.prose.apart import SetApart
from engine.prose.confounds import ConfoundAlarm
from engine.prose.openings import SharedWords
from engine.verdicts import Finding

if TYPE_CHECKING:
    from engine.report.content import Report, ReportedConcept

SHOWN_FACTS = 3
SURE = 0.5
"""The probability from which something is said to be so."""

HOW_TO_READ = (
    "A language model reads every story. A story is judged by what the model makes of all stories of other scenarios: "
    "neither the story itself nor its scenario has a say.",
    "●●● strong: something is off with a probability above 95 %. ●● fair: from 75 to 95 %. ● borderline: from 50 to "
    "75 %, so that up to one in two is a false alarm. Below 50 % nothing is said.",
    "Percentages after “reads as” are shares of 100 %: how likely each concept is to be what the story tells, given "
    "its text and where it is filed.",
    "With five stories a concept, more than half of the misfiled stories stay unseen; with twenty, about one in four.",
    "The model may be wrong, and what it reads may be just what you want: read the story, then decide.",
)


def says(story: JudgedStory, concept: str) -> str:
    """What the evidence says of a flagged story."""
    sentences = []
    if story.misfiled >= max(story.strange, SURE) or (story.misfiled > story.strange and story.strange <= SURE):
        own = f"not as {concept} ({percent(1 - story.misfiled)})"
        shares = dict(story.shares)
        rival = f" ({percent(shares[story.reads_as])})" if story.reads_as in shares else ""
        sentences.append(f"Reads as {story.reads_as}{rival}, {own}.")
    else:
        sentences.append(f"Lies far from the other {concept} stories, whatever it reads as ({percent(story.strange)}).")
    return " ".join(sentences)


def reasons(story: JudgedStory, concept_of: Mapping[str, str]) -> list[str]:
    """What may be behind a flag, in sentences.

    Args:
        story: flagged.
        concept_of: every story's concept, by path.
    """
    sentences = []
    near = [concept_of.get(path, "") for path, _ in story.neighbours]
    if story.reads_as is not None and story.reads_as in near:
        n_alike = near.count(story.reads_as)
        sentences.append(f"Of the {len(near)} stories most like it, {n_alike} tell {story.reads_as}.")
    if story.sets_apart is not None:
        sentences += _apart(story.sets_apart, concept_of.get(story.path, ""))
    sentences += [f"Shares wording with {path}: {of_shorter(share)}." for path, share in story.near_copies]
    if story.giveaways:
        sentences.append(saying.giveaways(dict.fromkeys(story.giveaways)))
    return sentences


def _apart(told: SetApart, concept: str) -> list[str]:
    """What sets it apart from the other stories of its concept, in sentences."""
    others, sentences = f"Beside the other {told.n_others} {concept} stories: ", []
    if told.narrator is not None:
        other = told.narrator
        sentences.append(saying.narrator(other.person, other.typical, other.n_typical, other.n_others))
    for fact in told.facts[:SHOWN_FACTS]:
        sentences.append(f"it {saying.difference(fact.feature, fact.is_word, fact.amount, fact.usual)}")
    return [
        f"{others if n == 0 else ''}{said if n == 0 else said[0].upper() + said[1:]}."
        for n, said in enumerate(sentences)
    ]


def headline(n_flagged: int, n_told: int, n_untold: int, n_copies: int, n_problems: int, n_accepted: int) -> list[str]:
    """What is wrong with a corpus, in a few sentences.

    Args:
        n_flagged: stories that look misread, without the accepted ones.
        n_told: stories that were judged.
        n_untold: those of them of which nothing can be told.
        n_copies: pairs of near-copies.
        n_problems: problems of files.
        n_accepted: stories that a writer accepts as they are.
    """
    if n_untold == n_told:
        sentences = ["Nothing can be told yet: it takes three concepts with three stories each."]
    elif n_flagged:
        look = "looks misread" if n_flagged == 1 else "look misread. Start with the first"
        sentences = [f"{n_flagged} of {_count(n_told, 'story', 'stories')} {look}."]
    else:
        sentences = [f"None of {_count(n_told, 'story', 'stories')} looks misread."]
    if n_accepted:
        sentences.append(
            f"{_count(n_accepted, 'story is', 'stories are')} accepted as {'it is' if n_accepted == 1 else 'they are'}."
        )
    if 0 < n_untold < n_told:
        sentences.append(f"Of {_count(n_untold, 'story', 'stories')} nothing can be told: write more of its kind.")
    if n_copies:
        share = "shares" if n_copies == 1 else "share"
        sentences.append(f"{_count(n_copies, 'pair of stories', 'pairs of stories')} {share} most of the wording.")
    if n_problems:
        sentences.append(f"{_count(n_problems, 'remark', 'remarks')} on files.")
    return sentences


def held_out(report: Report) -> str:
    """What the held-out stories are, and what is told of them."""
    read = [] if report.held_out is None else report.held_out
    if not read:
        return "None of them can be read: see what is said of its files."
    n = sum(each.reading.n for each in read)
    own = sum(each.reading.reads_as.get(each.concept, 0) for each in read)
    return (
        f"{_count(n, 'story', 'stories')} of held-out/, which no vector is made of; {own} read highest as the concept "
        "under which they are filed. Here the vectors themselves read, of 100 pairs of a story of the concept and "
        "another text of held-out/."
    )


def reads_as(reading: HeldOutConcept) -> str:
    """As what its stories read, the most frequent first."""
    return ", ".join(f"{name} {count}" for name, count in reading.reads_as.items())


def reads_right(concept: JudgedConcept | HeldOutConcept) -> str:
    """How well a concept is told from all others; a dash where that cannot be said."""
    return _pairs(concept.auroc, concept.auroc_interval)


def reads_right_beside_rival(concept: JudgedConcept) -> str:
    """How well it is told from its rival, with the rival's name."""
    if concept.rival is None or concept.auroc_rival is None:
        return "–"
    return f"{concept.rival}: {_pairs(concept.auroc_rival, concept.auroc_rival_interval)}"


def remarks(concept: ReportedConcept) -> list[str]:
    """What else is to be said of a concept."""
    said = []
    if concept.without_vector is not None:
        said.append(f"no vector: {concept.without_vector}")
    evidence = concept.evidence
    if evidence is not None and evidence.verdict is not None and evidence.verdict != Finding.HEALTHY:
        is_open = evidence.verdict.startswith(Finding.UNKNOWN)  # what is said of it stands beside in numbers
        said.append(evidence.verdict if is_open else f"{evidence.verdict}: {'; '.join(evidence.reasons)}")
    elif evidence is not None and evidence.reasons and evidence.reasons[0].startswith(Finding.ALIKE):
        said.append(evidence.reasons[0])  # a relative: expected, and no alarm
    if concept.n_untold:
        n_untold = f" of {concept.n_untold}" if concept.n_untold < concept.n_stories else ""
        said.append(f"too few stories to tell{n_untold}")
    groups = None if evidence is None else evidence.groups
    if groups is not None:
        smaller = ", ".join(groups.smaller)
        said.append(f"its stories fall into two groups (p = {groups.p_value:.3f}); the smaller one: {smaller}")
    wording = None if evidence is None else evidence.wording
    if wording is not None:
        said += [_doubt(alarm) for alarm in wording.alarms]
        said += [_shared(words) for words in wording.shared_words]
    return said


def _doubt(alarm: ConfoundAlarm) -> str:
    """Why a concept's vector may read something else than its meaning."""
    told_by = {
        "function words": "by its commonest small words",
        "person": "by who tells its stories",
        "length": "by the length of its stories",
    }[alarm.what]
    return f"told apart {told_by} alone in {100 * alarm.auroc:.0f} of 100 pairs: its vector may read that"


def _shared(words: SharedWords) -> str:
    verb = "begin" if words.where == "beginning" else "end"
    return f"{len(words.paths)} of its {words.n_stories} stories {verb} with “{' '.join(words.words)}”"


def copies(report: Report) -> list[str]:
    """The stories that share most of their wording, a sentence a pair."""
    return [f"{pair.one} and {pair.other}: {of_shorter(pair.share)}" for pair in report.copies]


def made_of(report: Report) -> str:
    """What the numbers are of, on one line."""
    return " · ".join(f"{name.replace('_', ' ')}: {value}" for name, value in report.made_of.items())


def of_shorter(share: float) -> str:
    """How much of the wording of the shorter of two texts stands in the other one."""
    return "all of the shorter text" if share == 1 else f"{percent(share)} of the shorter text"


def percent(share: float) -> str:
    """A probability; never 0 % or 100 %, of which nobody can be sure."""
    if share < 0.01:
        return "under 1 %"
    return "over 99 %" if share > 0.99 else f"{share:.0%}".replace("%", " %")


def _pairs(auroc: float | None, interval: tuple[float, float] | None) -> str:
    if auroc is None:
        return "–"
    about = "" if interval is None else f" ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"
    return f"{100 * auroc:.0f} of 100{about}"


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
