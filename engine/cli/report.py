"""What the command line prints for people: the preflight, progress with the time left, what the studio shows first."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.corpus import Corpus, left_out
from engine.evidence import DOTS, Evidence
from engine.results import Results
from engine.triage import Verdict, by_bucket, queue, why
from engine.verdicts import ConceptVerdict, Finding, concept_verdicts

diagnostics = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
output = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

PLAIN_EVERY = 5.0
"""Seconds between progress lines where there is no terminal."""
SHOWN_STORIES = 10


def preflight(corpus: Corpus, thin_below: int) -> None:
    """What the corpus has, before anything is computed: concepts, baselines, problems with their files."""
    counts = Counter(story.concept for story in corpus.stories if story.concept is not None)
    baselines = sum(story.is_baseline for story in corpus.stories)
    few = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()) if count < thin_below)
    diagnostics.print(
        f"{len(counts)} concepts, {sum(counts.values())} stories, {baselines} baselines"
        + (f"; fewer than {thin_below} stories: {few}" if few else "")
    )
    for problem in corpus.problems:
        diagnostics.print(str(problem))


def swept(layers: list[int], scores: Mapping[int, float]) -> None:
    """Which blocks will be read; where a sweep chose them, how well each did, and how to keep the choice."""
    chosen = ",".join(map(str, layers))
    if scores:
        layer_scores = ", ".join(
            f"{layer}{'*' if layer in layers else ''} {score:.3f}" for layer, score in scores.items()
        )
        diagnostics.print(f"held-out AUROC by block: {layer_scores}")
        diagnostics.print(f'chosen: {chosen} (to keep to them: target_layers = "{chosen}" in amygdala.toml)')
    else:
        diagnostics.print(f"blocks {chosen}")


def warn_of_stories(results: Results, corpus: Corpus) -> None:
    """Name the stories that were not used, or only in part."""
    for problem in left_out(corpus.stories, results.left_out):
        diagnostics.print(str(problem))
    truncated, without_subspace = set(results.truncated), set(results.without_subspace)
    for story in corpus.stories:
        if story.text_id in truncated:
            diagnostics.print(f"warning: {story.path}: only its first {results.max_tokens} tokens are read")
        if story.text_id in without_subspace:
            diagnostics.print(
                f"warning: {story.path}: as many tokens as the model has dimensions ({results.hidden_size}), so its "
                "subspace is everything and is left out; a --subspace-k below that keeps it"
            )


class ForwardProgress:
    """Shows the texts done, the rate and the time left: a bar on a terminal, a line every few seconds elsewhere."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=diagnostics,
            transient=True,
        )
        self._is_terminal = diagnostics.is_terminal
        self._task = self._bar.add_task("texts through the model", total=None, visible=False, rate="")
        self._started_at = self._printed_at = time.monotonic()

    def __enter__(self) -> ForwardProgress:
        if self._is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_terminal:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == 0:
            self._started_at = self._printed_at = now
        rate = done / (now - self._started_at) if done and now > self._started_at else 0.0
        if self._is_terminal:
            self._bar.update(self._task, completed=done, total=total, visible=True, rate=f"{rate:.0f}/s")
        elif now - self._printed_at >= PLAIN_EVERY:
            self._printed_at = now
            left = f", {(total - done) / rate:.0f} s left" if rate else ""
            print(f"{done}/{total} texts, {rate:.0f}/s{left}", file=sys.stderr, flush=True)


def summary(results: Results, buckets: Mapping[str, Verdict], corpus: Corpus, redundant_r2: float) -> None:
    """Print what the studio shows first: the stories to fix, the worst first, then the concepts worth a look.

    Args:
        results: of the corpus.
        buckets: the classic ones, by concept: told only where nothing was judged.
        corpus: of which they are.
        redundant_r2: the threshold of this name.
    """
    if results.evidence:
        _misread(results, corpus)
        _concepts(concept_verdicts(results, redundant_r2, corpus.relatives))
    else:
        output.print("No story and no concept was judged: --quality-report judges them.")
        _classic(results, buckets)
    for name, reason in results.without_vector.items():
        output.print(f"no vector for {name}: {reason}")


def _misread(results: Results, corpus: Corpus) -> None:
    misread = to_fix(results, corpus)
    n_accepted = sum(corpus.acceptance(story) is not None for story in corpus.stories)
    count = "1 story is" if len(misread) == 1 else f"{len(misread) or 'No'} {'stories are' if misread else 'story is'}"
    aside = f" ({n_accepted} accepted)" if n_accepted else ""
    output.print(f"{count} misread{aside}{', worst first:' if misread else '.'}")
    for path, story in list(misread.items())[:SHOWN_STORIES]:
        output.print(f"  {DOTS[story.strength]:<3} {story.strength:<10}  {path}: {why(story)}")
    if len(misread) > SHOWN_STORIES:
        output.print(f"  and {len(misread) - SHOWN_STORIES} more")


def _concepts(verdicts: Mapping[str, ConceptVerdict]) -> None:
    """The concepts worth a look, with the numbers that decided; of the others, how many there are of which kind."""
    off = {name: verdict for name, verdict in verdicts.items() if verdict.worth_a_look}
    unknown = {name: verdict for name, verdict in verdicts.items() if verdict.finding is Finding.UNKNOWN}
    rest = len(verdicts) - len(off) - len(unknown)
    counts = [f"{len(off)} worth a look", *[f"{rest} as chance would have it"] * bool(rest)]
    counts += [f"{len(unknown)} without a verdict yet"] * bool(unknown)
    output.print(f"\n{len(verdicts)} {'concept' if len(verdicts) == 1 else 'concepts'}: {', '.join(counts)}")
    width = max(map(len, off), default=0)
    for name, verdict in sorted(off.items(), key=lambda each: (list(Finding).index(each[1].finding), each[0])):
        output.print(f"  {name:<{width}}  {verdict.label}: {'; '.join(verdict.reasons)}")
    if unknown:
        few = (
            f"{name} (write {verdict.missing} more)" if verdict.missing else name for name, verdict in unknown.items()
        )
        output.print(f"  no verdict yet: {', '.join(few)}")


def _classic(results: Results, buckets: Mapping[str, Verdict]) -> None:
    counts = {quality.concept: quality.n_positive_stories for quality in results.concepts}
    label_width = max((len(verdict.label) for verdict in buckets.values()), default=0)
    name_width = max(map(len, buckets), default=0)
    output.print(f"Classic buckets at block {results.middle}, by fixed limits that chance passes as well:")
    for bucket, names in by_bucket(buckets.items()).items():
        for name in names:
            if bucket not in ("redundant", "thin"):
                label, reasons = buckets[name].label, "; ".join(buckets[name].reasons)
                stories = f"{counts[name]} {'story' if counts[name] == 1 else 'stories'}"
                output.print(f"  {label:<{label_width}}  {name:<{name_width}}  {stories:>11}  {reasons}")


def to_fix(results: Results, corpus: Corpus) -> dict[str, Evidence]:
    """The misread stories that no writer accepts as they are, by path, the worst first."""
    stories = {story.place: story for story in corpus.stories}
    return {
        stories[evidence.place].path: evidence
        for evidence in queue(results.evidence)
        if evidence.misread and corpus.acceptance(stories[evidence.place]) is None
    }
