"""`engine advise`: which pooling, method and blocks read a corpus best, beside what the settings give."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine import paths, settings
from engine.cli.report import ForwardProgress, diagnostics, output, preflight
from engine.corpus import Corpus, Layout, left_out, scan
from engine.errors import AmygdalaError
from engine.results import middle_layer
from engine.settings import AUTO, Settings
from engine.wire.jobs import Placement

if TYPE_CHECKING:
    from engine.compute.live.advice import Advice, Way

SHOWN = 3
"""Ways that are listed."""


def advise(arguments: argparse.Namespace) -> int:
    """Measure, and say what reads best and what to write for it."""
    layout = Layout.of(arguments.corpus)
    chosen = settings.load(arguments.corpus, settings.from_flags(arguments))
    corpus = scan(layout)
    preflight(corpus, chosen.thin_below)
    if not corpus.concepts:
        raise AmygdalaError(f"{arguments.corpus}: no stories to measure anything by")
    advice, scenarios = _measured(corpus, chosen, arguments.sample)
    for problem in left_out(corpus.stories, advice.left_out):
        diagnostics.print(str(problem))
    cost = advice.cost
    diagnostics.print(
        f"{cost.texts_run} texts through the model, {cost.texts_cached} from the cache: {cost.seconds_forward:.1f} s; "
        f"statistics {cost.seconds_statistics:.1f} s"
    )
    if arguments.json:
        answer = msgspec.to_builtins(advice)
        answer["left_out"] = {
            story.path: advice.left_out[story.text_id] for story in corpus.stories if story.text_id in advice.left_out
        }
        answer["sampled"] = scenarios
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer)).decode() + "\n")
    else:
        for line in [*_table(advice, chosen, scenarios), "", *_words(advice, chosen, arguments.corpus)]:
            output.print(line)
    return 0


def _measured(corpus: Corpus, chosen: Settings, at_most: int | None) -> tuple[Advice, list[str] | None]:
    """The advice; and the scenarios that were read, where they are a sample."""
    # imported here, so that a wrong flag or folder is answered at once: torch takes seconds
    from engine.compute.activations.store import Store
    from engine.compute.live.advice import advise as measure
    from engine.compute.live.sampling import sampled
    from engine.compute.model.depth import outline_for

    placements = [Placement(*story.place) for story in corpus.stories]
    sample = placements if at_most is None else sampled(placements, at_most)
    texts = {story.text_id: story.text for story in corpus.stories}
    store = Store(paths.cache_dir())
    whole = msgspec.structs.replace(chosen, target_layers=AUTO)
    model = outline_for(whole, store.digest, store.sketches)
    with ForwardProgress() as progress:
        advice = measure(model, chosen, store, sample, texts, progress)
    for warning in model.warnings:
        diagnostics.print(f"warning: {warning}")
    scenarios = sorted({place.scenario for place in sample if place.scenario is not None})
    return advice, scenarios if len(sample) < len(placements) else None


def _table(advice: Advice, chosen: Settings, scenarios: list[str] | None) -> list[str]:
    """Every block under every pooling and method, with a star at the middle one of those that `auto` would take."""
    aurocs = {(_name(way), way.layers[0]): way.auroc for way in advice.by_block}
    names = list(dict.fromkeys(name for name, _ in aurocs))
    starred = {(_name(way), middle_layer(way.layers)) for way in advice.best}
    lines = [
        f"Held-out AUROC of {chosen.model} (0.5 is chance)",
        f"{advice.n_texts} texts, {advice.n_concepts} concepts; "
        f"{advice.n_groups} scenarios, or stories without one, each left out whole",
    ]
    if scenarios is not None:
        lines.append(f"A sample of the corpus: {', '.join(scenarios) or 'stories without a scenario'}")
    if advice.unmeasured:
        lines.append(f"Not measured, since all their stories are left out together: {', '.join(advice.unmeasured)}")
    lines += ["", "  ".join(["block", *names])]
    for block in sorted({block for _, block in aurocs}):
        cells = [
            f"{aurocs[name, block]:.3f}{'*' if (name, block) in starred else ' '}".rjust(len(name) + 1)
            for name in names
        ]
        lines.append(f"{block:>5} {' '.join(cells)}".rstrip())
    return lines


def _words(advice: Advice, chosen: Settings, corpus: Path) -> list[str]:
    """The best ways, what the settings give, and what to do about it."""
    current = "The default" if advice.is_default else "The settings in force"
    lines = [f"The best {min(SHOWN, len(advice.best))}, at their middle block, with 90 % intervals:"]
    lines += [f"  {rank}. {_described(way)}" for rank, way in enumerate(advice.best[:SHOWN], 1)]
    lines.append(f"{current}: {_described(advice.current)}")
    if chosen.method == "subspace":
        lines.append("The method subspace is not measured, as it costs too much; pooled stands in its place.")
    if not advice.is_better:
        verb = "reads" if advice.is_default else "read"
        return [*lines, f"{current} {verb} as well: nothing lies above the interval."]
    lines += ["", f"To read better, write into {corpus / settings.FILE_NAME}:"]
    lines += [f"  {key} = {msgspec.json.encode(value).decode()}" for key, value in advice.write.items()]
    if advice.write["method"] == "whitened":
        pooled = next(way for way in advice.best if way.method == "pooled")
        lines.append(f"Whitened vectors are for reading. To steer by, the best pooled ones: {_described(pooled)}")
    return lines


def _described(way: Way) -> str:
    blocks = f"block{'s' if len(way.layers) > 1 else ''} {','.join(map(str, way.layers))}"
    return f"{_name(way)}, {blocks}: {way.auroc:.3f} ({way.low:.3f} to {way.high:.3f})"


def _name(way: Way) -> str:
    return f"{way.pooling}{f' from token {way.pool_from}' if way.pool_from else ''}, {way.method}"
