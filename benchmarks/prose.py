"""What it costs to read texts without a model: `engine.prose`.

    python -m benchmarks.prose CORPUS

CPU seconds for the whole corpus from nothing, and CPU milliseconds for one edited story, where that can be done alone.
Reading the files is left out. CPU time, and not time by the clock, since other processes take the cores.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from benchmarks import flags
from engine.corpus import Layout, scan
from engine.prose.apart import Apart
from engine.prose.confounds import confounds
from engine.prose.copies import Copies
from engine.prose.giveaway import giveaways
from engine.prose.openings import shared_words
from engine.prose.sentences import sentences
from engine.prose.words import Told

P = ParamSpec("P")
T = TypeVar("T")
EDITS = 100
"""Stories that are judged again, each as if it had been edited."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print, line by line."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    corpus = scan(Layout.of(parser.parse_args(argv).corpus))
    stories = {story.path: Told(story.text, story.concept, story.scenario) for story in corpus.stories}
    texts = {path: story.text for path, story in stories.items()}
    concepts = {path: story.concept for path, story in stories.items() if story.concept is not None}
    edited = list(concepts)[:EDITS]
    print(f"{len(stories)} stories, {len(corpus.concepts)} concepts")

    seconds, spans = cpu(lambda: [sentences(text) for text in texts.values()])
    tell("sentences", f"{sum(map(len, spans))} sentences", seconds, [cpu(sentences, texts[path])[0] for path in edited])

    seconds, copies = cpu(Copies, stories)
    edits = [cpu(copies.near, texts[path], path)[0] for path in edited]
    tell("near-copies", f"{len(copies.pairs)} pairs from a share of {copies.threshold:.2f}", seconds, edits)

    seconds, apart = cpu(Apart, stories)
    edits = [cpu(apart.of_text, texts[path], concepts[path], path)[0] for path in edited]
    n_apart = sum(bool(judged.facts) for path in stories if (judged := apart.of(path)) is not None)
    tell("what sets apart", f"{n_apart} stories beyond {apart.threshold:.1f}", seconds, edits)

    seconds, said = cpu(lambda: [giveaways(texts[path], concept) for path, concept in concepts.items()])
    edits = [cpu(giveaways, texts[path], concepts[path])[0] for path in edited]
    tell("giveaways", f"{sum(map(bool, said))} stories", seconds, edits)

    seconds, shared = cpu(shared_words, stories)
    tell("openings", f"{len(shared)} beginnings and ends", seconds, [])

    seconds, measured = cpu(confounds, stories)
    function_words = [each.function_words for each in measured if each.function_words is not None]
    all_words = [each.bag_of_words for each in measured if each.bag_of_words is not None]
    means = [f"{statistics.mean(aurocs):.3f}" if aurocs else "unknown" for aurocs in (function_words, all_words)]
    tell("confounds", f"AUROC of function words {means[0]}, of all words {means[1]}", seconds, [])
    return 0


def cpu(work: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> tuple[float, T]:
    """Seconds of CPU time that a call took, and its result."""
    started = time.process_time()
    result = work(*arguments, **keywords)
    return time.process_time() - started, result


def tell(what: str, outcome: str, seconds: float, edits: Sequence[float]) -> None:
    """One line: the whole corpus, the median edit, and what came out."""
    edit = f"{1000 * statistics.median(edits):.2f} ms an edit" if edits else "not by edits"
    print(f"{what:16} {seconds:6.2f} s from nothing, {edit:16}  {outcome}")


if __name__ == "__main__":
    sys.exit(main())
