"""The Concept view: how one concept reads, and its stories ranked."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.widgets.lines import Line, LineList
from amygdala_tui.words import bar, counted, number, sparkline, state_sign
from engine.plain import plain
from engine.results import ConceptQuality
from engine.verdicts import ENOUGH_STORIES, Finding, pairs_right
from engine.wire.snapshot import ConceptView, StoryView

CHOOSE = "Choose a concept in Triage (2), or one of its stories."
BAR_WIDTH = 14
HEADS = 5


class ConceptStories(LineList):
    """A concept's stories, from the one that is likeliest to be off to the best."""

    _concept: str | None = None

    def show_concept(self, mirror: Mirror, concept: str | None) -> None:
        """Draw one concept's stories."""
        if concept != self._concept:  # the light begins at the first story again
            self._concept = concept
            self.set_reactive(LineList.cursor, 0)
        stories = mirror.stories_of(concept) if concept else []
        with_effect = len(stories) >= ENOUGH_STORIES
        draws = [partial(_draw_heading, concept or "", len(stories)), partial(_draw_legend, with_effect)]
        heading = [Line("", draw, is_heading=True) for draw in draws] if stories else []
        titles = mirror.titles
        lines = [
            Line(story.path, partial(_draw_story, story, titles.get(story.scenario or "", "stories"), with_effect))
            for story in stories
        ]
        self.show(heading + lines, empty=CHOOSE)


class ConceptPane(VerticalScroll, can_focus=True):
    """How one concept reads; if asked, the statistics too."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.with_classic = False

    def compose(self) -> ComposeResult:
        yield Static(id="concept-head", markup=False)

    def show(self, mirror: Mirror, concept: str | None) -> None:
        """Draw one concept."""
        view = mirror.concepts.get(concept or "")
        words = report(view, mirror.middle, concept, with_classic=self.with_classic)
        self.query_one("#concept-head", Static).update(words)


def report(view: ConceptView | None, middle: int | None, concept: str | None, *, with_classic: bool) -> Text:
    """What is said of a concept, as text; `with_classic`, its bucket and the numbers behind that too."""
    if view is None or view.quality is None or view.verdict is None or middle is None:
        if concept is None:
            return Text(CHOOSE, style=styles.DIM)
        return Text.assemble((plain(concept), styles.HEADING), f"\n{plain(view.reason) if view else 'no numbers yet'}")
    stories = counted(view.quality.n_positive_stories, "story", "stories")
    text = Text.assemble((plain(view.name), styles.HEADING), (f" · {stories}\n", styles.DIM)).append_text(
        evidence_said(view)
    )
    if not with_classic:
        return text.append("\n\nw shows the classic bucket, and the numbers behind it", style=styles.DIM)
    text.append(f"\n\nclassic bucket: {view.verdict.label}: {'; '.join(view.verdict.reasons)}")
    if not view.quality.settled:
        text.append("\nneurons and what chance gives are of a moment ago, and follow shortly", style=styles.RIVAL)
    return text.append_text(_statistics(view.quality, middle))


def _statistics(quality: ConceptQuality, middle: int) -> Text:
    """All numbers of a concept, as text of fixed layout."""
    text = Text("\n").append_text(_layers(quality, middle))
    text.append_text(_nearest(quality))
    combination = quality.linear_combination[middle]
    parts = "  ".join(f"{weight:+.2f} {plain(name)}" for name, weight in combination.top_contributors)
    text.append(f"\nR² {combination.r_squared:.2f} as a mix of  {parts or 'nothing else'}")
    neurons = quality.per_layer[middle].top5_neurons
    if neurons:
        text.append("\nneurons  " + "  ".join(f"{index} ({cosine:+.2f})" for index, cosine in neurons))
    if middle in quality.per_head:
        heads = quality.per_head[middle].top_heads[:HEADS]
        text.append("\nheads    " + "  ".join(f"{head} ({selectivity:.2f})" for head, _, selectivity in heads))
    return text


def evidence_said(view: ConceptView) -> Text:
    """How well a concept reads, in words: the verdict, the numbers behind it, and the stories to look at."""
    evidence, verdict = view.evidence, view.evidence_verdict
    if evidence is None or verdict is None:
        return Text("not judged yet", style=styles.DIM)
    text = Text(plain(verdict.label), style=styles.MISREAD if verdict.worth_a_look else styles.DIM)
    if verdict.label:
        text.append("".join(f"\n{reason}" for reason in verdict.reasons), style="")
    elif evidence.auroc is not None:
        text.append(f"reads {pairs_right(evidence.auroc)} against all other stories", style="")
    facts = []
    if evidence.rival is not None and evidence.rival_auroc is not None:
        facts.append(f"closest concept: {plain(evidence.rival)}, told from it {pairs_right(evidence.rival_auroc)}")
    if evidence.stability is not None:
        facts.append(f"two halves of its stories agree {evidence.stability:.0%}")
    if facts:
        text.append("\n" + " · ".join(facts), style=styles.DIM)
    if verdict.has_camps and evidence.camps is not None:
        names = _listed(scenario or "stories" for _, scenario in evidence.camps.smaller)
        text.append(f"\none camp: {names}\nthe other camp: the rest", style=styles.RIVAL)
    if verdict.finding is Finding.ALIKE and evidence.pulls:
        names = _listed(f"{concept} in {scenario or 'stories'}" for _, concept, scenario, _ in evidence.pulls)
        text.append(f"\nwhat draws the two together most: {names}", style=styles.RIVAL)
    if verdict.finding is Finding.MIX and evidence.own_share is not None:
        text.append(f"\n{evidence.own_share:.0%} of it is its own", style=styles.RIVAL)
        if evidence.without_own:
            names = _listed(scenario or "stories" for _, scenario in evidence.without_own)
            text.append(f"; least of that is in {names}: write there what only {view.name} has", style=styles.RIVAL)
    return text


def _listed(names: Iterable[str]) -> str:
    return ", ".join(plain(name) for name in names)


def _layers(quality: ConceptQuality, middle: int) -> Text:
    layers = sorted(quality.per_layer)
    text = Text("\nblock     " + "".join(f"{f'{layer}*' if layer == middle else layer!s:>8}" for layer in layers))
    first_pc = [quality.per_layer[layer].first_pc_variance_ratio for layer in layers]
    r_squared = [quality.linear_combination[layer].r_squared for layer in layers]
    spread = [quality.per_layer[layer].story_projection_std for layer in layers]
    for label, values in (("first PC", first_pc), ("R²", r_squared)):
        cells = "".join(f"{number(value):>8}" for value in values)
        text.append(f"\n{label:<10}{cells}  ").append(sparkline(values), style=styles.OWN)
    text.append("\nspread    " + "".join(f"{number(value):>8}" for value in spread))
    text.append("   * triage reads this block", style=styles.DIM)
    nulls = {"first PC": quality.first_pc_null, "R²": quality.r_squared_null}
    at_random = [f"{name} {null.low:.2f} to {null.high:.2f}" for name, null in nulls.items() if null is not None]
    return text.append(f"\nat random {'   '.join(at_random)}", style=styles.DIM)


def _nearest(quality: ConceptQuality) -> Text:
    text = Text("\n")
    width = max((len(name) for name, _ in quality.nearest_concepts), default=0)
    for place, (name, cosine) in enumerate(quality.nearest_concepts):
        text.append(f"\n{'nearest' if place == 0 else '':<9}{name:<{width}} {cosine:+.2f} ")
        text.append(bar(max(cosine, 0.0), BAR_WIDTH), style=styles.OWN)
    return text.append("\n")


def _draw_heading(concept: str, count: int, _width: int) -> Text:
    return Text(f" {plain(concept)} · {counted(count, 'story', 'stories')}", style=styles.HEADING)


def _draw_legend(with_effect: bool, _width: int) -> Text:
    return Text(
        f" its own share; {'what 100 pairs gain without it' if with_effect else 'the likeliest to be off first'}",
        style=styles.DIM,
    )


def _draw_story(view: StoryView, place: str, with_effect: bool, width: int) -> Text:
    """A story's line. What its concept would gain without it is mostly noise in a concept of few stories."""
    sign = state_sign(view)
    text = Text(f"  {f'{view.shares[0][1]:.0%}' if view.shares else '—':>5}")
    if with_effect:
        text.append(f" {number(None) if view.effect is None else f'{100 * view.effect:+.1f}':>6}", style=styles.DIM)
    name = text.append(f"  {plain(place)}")
    name.truncate(max(1, width - sign.cell_len - 1), overflow="ellipsis", pad=True)
    return Text.assemble(name, " ", sign)
