"""Stories that are kept from the vectors: the folder `held-out/` of a corpus, laid out as the corpus itself."""

from __future__ import annotations

import msgspec

from engine.corpus.layout import Layout
from engine.corpus.model import Corpus, Problem, Story
from engine.corpus.scan import scan

FOLDER = "held-out"
UNREAD = "this folder cannot be read"
EMPTY = (
    "holds neither stories/ nor paired/, so nothing is read here: "
    f"put stories into {FOLDER}/stories/<concept>.txt or {FOLDER}/paired/<scenario>/<concept>.txt"
)
TWICE = f"its text stands under another concept of {FOLDER}/ too, so it counts for both; keep it in one place"


def held_out(layout: Layout, corpus: Corpus) -> Corpus | None:
    """The stories of `held-out/` that no vector is made of, and the problems of that folder's files.

    A text that also stands in the corpus is left out and named: the vectors are made of it.

    Args:
        layout: the corpus's.
        corpus: the stories that the vectors are of.

    Returns:
        None where there is no such folder. Paths begin with `held-out/`.
    """
    if layout.root is None:
        return None
    folder = layout.root / FOLDER
    try:
        names = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return None
    except OSError as error:
        return _refused(
            Problem(path=FOLDER, severity="error", code="unreadable", message=f"{UNREAD}: {error.strerror}")
        )
    if names.isdisjoint({"stories", "paired"}):
        return _refused(Problem(path=f"{FOLDER}/", severity="warning", code="misplaced", message=EMPTY))
    read = scan(Layout(stories=folder / "stories", paired=folder / "paired", root=layout.root))
    stories = [msgspec.structs.replace(story, path=f"{FOLDER}/{story.path}") for story in read.stories]
    twins = {story.text_id: story.path for story in corpus.stories}
    problems = [
        *map(_placed, read.problems),
        *(_made_of(story, twins[story.text_id]) for story in stories if story.text_id in twins),
    ]
    return Corpus(
        stories=tuple(story for story in stories if story.text_id not in twins),
        problems=tuple(sorted(problems, key=lambda problem: (problem.path, problem.code))),
    )


def _refused(problem: Problem) -> Corpus:
    return Corpus(stories=(), problems=(problem,))


def _placed(problem: Problem) -> Problem:
    """A problem under its path in the corpus. What is wrong with a text under two concepts is another thing here."""
    message = TWICE if problem.code == "duplicate" else problem.message
    return msgspec.structs.replace(problem, path=f"{FOLDER}/{problem.path}", message=message)


def _made_of(story: Story, twin: str) -> Problem:
    return Problem(
        path=story.path,
        severity="warning",
        code="duplicate",
        message=f"left out, since the vectors are made of its text, which is also {twin}; keep it in one place",
    )
