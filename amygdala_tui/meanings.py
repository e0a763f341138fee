"""The glossary of the help: what each number and word of a view means to a writer, with the thresholds in force."""

from __future__ import annotations

from collections.abc import Sequence

from amygdala_tui.actions import View
from engine.triage import MAYBE_FROM, Thresholds
from engine.verdicts import ENOUGH_STORIES, FEWEST_STORIES, HARDLY_APART

Meaning = tuple[str, str]
"""A word as it stands on screen; what it means, and what to do about it."""

STORY: Sequence[Meaning] = (
    (
        "as …",
        "How likely the story belongs to its own concept, and to the likeliest other one, given what it says and where "
        "it is filed. It is read by a model made without it and without its whole scenario.",
    ),
    (
        "●●● ●● ●",
        "How sure it is that something is off. Where faults were planted among 20 concepts, 19 in 20 stories with "
        "three dots had one, 3 in 4 with two, and half of those with one.",
    ),
    (
        "unlike the others",
        "It lies far from its concept's other stories, whatever it reads as: another topic, a fragment, another "
        "language.",
    ),
    ("torn", "Another concept is ahead of its own, but not so surely that the story would have to be fixed."),
    (
        "two bars",
        "What each sentence does: the left bar for its own concept, the right one for the concept that it reads as. "
        "▸ is the sentence that pulls hardest away: rewrite that one first.",
    ),
)
QUEUE: Sequence[Meaning] = (
    (
        "to fix",
        "More likely than not, the story belongs to another concept or is unlike its own. Rewrite it (e), or file it "
        "under the concept that it reads as; if it is right, accept it (a).",
    ),
    (
        "fixed, kept",
        "Of the stories that were to fix since the studio was opened: those that are no longer, and those that a "
        "writer accepts as they are.",
    ),
    (
        "broken files",
        "Files of which no vector can be made: empty, unreadable, the same text twice, or no story at all. The line "
        "says which, and what to do.",
    ),
    (
        "accepted",
        "A writer has said that the story is right as it is, so it is neither to fix nor a maybe until its text "
        "changes. The corpus keeps it in accepted.tsv. Open the story and press a to take that back.",
    ),
    ("maybe", f"Not misread, but with a chance of {MAYBE_FROM:.0%} or more that something is off. Look; often keep."),
)
CORPUS: Sequence[Meaning] = (
    ("! and a concept", "The story is misread: it reads as that concept."),
    ("~ stale", "Its numbers are of an older text: it waits for the model."),
    ("* computing", "It goes through the model just now."),
    ("x - =", "No vector can be made of the file: an error, an empty file, the same text twice."),
)
CONCEPT: Sequence[Meaning] = (
    (
        "its own share",
        "How surely each of its stories belongs to it; the likeliest to be off stands first. In a large concept, "
        "beside it, what 100 pairs gain without the story: above zero it harms.",
    ),
    (
        "two halves agree",
        "How alike the vectors are that two random halves of its stories give. Low: write more.",
    ),
    (
        "its own",
        "How much of it no mix of the closest concepts gives. Near zero: write what only this concept has.",
    ),
    ("camps", "Shown only where its stories surely fall into two. Keep one sense here, and move the other."),
)
NUMBERS: Sequence[Meaning] = (
    ("first PC", "How much of the difference between its stories lies along one axis."),
    ("nearest", "The concepts whose vectors are closest: 1 is the same direction, 0 unrelated, below 0 opposed."),
    ("R²", "How much of its vector a mix of all the other concepts' vectors reproduces."),
    ("spread", "How far its stories lie apart along its vector."),
    (
        "at random",
        "What first PC and R² come to when labels are dealt to the same stories at random: a low first PC or a high R² "
        "that chance gives as well is no evidence.",
    ),
    ("heads", "The attention heads that tell its stories from the others best, each with its selectivity."),
    ("neuron", "The single neuron of the model that writes most nearly this direction."),
)
DRAFT: Sequence[Meaning] = (
    (
        "if you save it",
        "What the verdict would be: the story as it was when you opened it, against the draft. Nothing is written "
        "until you save (^s).",
    ),
    ("pulls to …", "The sentences of the draft that pull hardest to the other concept. Rewrite these."),
    ("your draft of before", "The draft is kept when you leave with Esc, and when the link breaks. ^r drops it."),
)
COMPARE: Sequence[Meaning] = (
    (
        "beside it",
        "The story's near-copy if it has one, else the best story of its concept. To choose another, mark it (space) "
        "in a list.",
    ),
    ("the bars", "How much each sentence reads as the concept that is named above; C changes the concept."),
    ("the same", "Sentences and passages that both have. f leaves only what differs."),
)
ENGINE: Sequence[Meaning] = (
    (
        "paused",
        "Changed stories wait, and show as stale, until you retrain or resume. Live, every save is read at once.",
    ),
    ("revision", "One set of numbers. Each change to the corpus makes a new one."),
    ("texts run", "Stories that went through the model; the others came from the cache, by content."),
)


def meanings(view: View, thresholds: Thresholds) -> Sequence[Meaning]:
    """The words of a view, each with its meaning and what to do about it.

    Args:
        view: the view's id.
        thresholds: those of the corpus's settings.
    """
    alignment = (
        "w: alignment",
        "The classic scores: cosines with vectors made without the story, and how far it leans its concept's way, "
        "compared with the others. Some story is always the lowest; no story is flagged by them.",
    )
    match view:
        case "queue":
            return [*QUEUE, *STORY, alignment]
        case "corpus" | "find":
            return [*CORPUS, *STORY, alignment]
        case "triage":
            return [*_triage(thresholds), *_buckets(thresholds)]
        case "concept":
            return [*CONCEPT, *_triage(thresholds), *NUMBERS, alignment]
        case "compare":
            return COMPARE
        case "draft":
            return DRAFT
        case "engine":
            return ENGINE


def _triage(thresholds: Thresholds) -> Sequence[Meaning]:
    """What is said of concepts, with the limits in force."""
    return (
        (
            "its stories disagree",
            "They fall into two camps, or the concept reads no better than chance. Choose one sense, and rewrite or "
            "move the others; view 4 names the camps.",
        ),
        (
            "told like …",
            "Its stories cannot be told from the other concept's: maybe no better than by chance, and surely in fewer "
            f"than {100 * HARDLY_APART:.0f} of 100 pairs. Rewrite stories so that what differs between the two is on "
            "the page, or make one concept of them.",
        ),
        (
            "…, a relative",
            "It is told like another concept, and a writer expects that (K; relatives.tsv in the corpus): no alarm.",
        ),
        (
            "made of others",
            f"A mix of other concepts gives more than {thresholds.redundant_r2:.0%} of it, more than chance would, and "
            "what is its own hardly tells its stories. Write what only this concept has, or drop it.",
        ),
        (
            "no verdict yet",
            "Too few stories, or too few concepts, to tell: there is always a verdict from "
            f"{ENOUGH_STORIES} stories on, and none below {FEWEST_STORIES}. Write as many more as it says.",
        ),
        (
            "pairs right",
            "Of 100 pairs of one of its stories and another one, how many it reads in the right order, made without "
            "both; in brackets where the true number lies, 9 times in 10. Chance gives 50.",
        ),
        (
            "closest concept",
            "The other concept that it is hardest to tell from, and of 100 pairs of their stories how many are told "
            "apart.",
        ),
    )


def _buckets(thresholds: Thresholds) -> Sequence[Meaning]:
    """The classic buckets, with the limits in force."""
    return (
        ("w: buckets", "What follows are the classic buckets: by fixed limits that chance passes as well."),
        (
            "contaminated",
            f"Its vector nearly coincides with another concept's (nearest above {thresholds.contaminated_cosine:.2f}): "
            "the two are told the same way. Rewrite stories so that what differs between the two is on the page.",
        ),
        (
            "fragmented",
            f"Its stories disagree (first PC below {thresholds.fragmented_first_pc:.0%}): several different things are "
            "told under one name. Choose one sense, and rewrite or move the others. With five or more stories the "
            "share is low by nature: compare with the other concepts before you rewrite.",
        ),
        (
            "redundant",
            f"A mix of other concepts explains it (R² above {thresholds.redundant_r2:.0%}): it adds no vector of its "
            "own. Write what only this concept has, or drop it.",
        ),
        ("mixed", "Neither in unison nor at odds: for a handful of varied stories, the healthy state."),
        (
            "clean",
            f"One shared axis explains most of its stories (first PC above {thresholds.clean_first_pc:.0%}). 'Single "
            "neuron' means that one neuron of the model says nearly the same.",
        ),
        (
            "thin",
            f"Fewer than {thresholds.thin_below} stories: they look in unison whatever they say. Write more before you "
            "trust it.",
        ),
    )
