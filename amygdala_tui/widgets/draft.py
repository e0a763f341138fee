"""The Draft view: a story is written on in place, and is read by the engine as it is typed."""

from __future__ import annotations

import asyncio
from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static, TextArea

from amygdala_tui import drafts, styles
from amygdala_tui.asking import Asking
from amygdala_tui.drafts import KeptDraft
from amygdala_tui.keeper import Keeper
from amygdala_tui.mender import Mender
from amygdala_tui.moved import Standing, verdict
from amygdala_tui.words import STRENGTHS, counted
from engine.corpus import contents
from engine.corpus.entries import Refusal
from engine.corpus.mending import writing
from engine.corpus.mending.carrying_out import Clash
from engine.corpus.mending.tasks import Task
from engine.errors import AmygdalaError
from engine.plain import plain
from engine.results import Draft
from engine.threads import in_thread
from engine.wire.snapshot import StoryView

SCORED_AFTER_S = 0.15
"""Seconds without a key after which a draft is read."""
EXPLAINED_AFTER_S = 1.0
"""Likewise, after which its sentences are read one by one."""
MOST_PULLS = 2
"""Sentences that are named as pulling elsewhere."""


class DraftPane(Vertical):
    """A story's text, and how it would read.

    Args:
        asking: asks the engine.
        mender: reads and writes the file.
    """

    DEFAULT_CSS = """
    DraftPane #draft-head, DraftPane #draft-reads { height: auto; }
    DraftPane TextArea, DraftPane TextArea:focus { height: 1fr; border: none; padding: 0; max-width: 92; }
    DraftPane #draft-head { margin-bottom: 1; }
    """

    def __init__(self, asking: Asking, mender: Mender, *, id: str) -> None:
        super().__init__(id=id)
        self._asking = asking
        self._mender = mender
        self._story: StoryView | None = None
        """As it was when the draft was opened."""
        self._over: str | None = None
        """The content id of the text that stood in the file then."""
        self._saved = ""
        """That text."""
        self._keeper: Keeper[KeptDraft] | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="draft-head", markup=False)
        yield TextArea(id="draft-text", soft_wrap=True, show_line_numbers=False)
        yield Static(id="draft-reads", markup=False)

    @property
    def is_open(self) -> bool:
        """Whether a story is being written on."""
        return self._story is not None

    @property
    def is_changed(self) -> bool:
        """Whether the draft says something else than the file."""
        return not self.area.read_only and self.area.text.strip() != self._saved.strip()

    @property
    def area(self) -> TextArea:
        """Where the text is typed."""
        return self.query_one(TextArea)

    @property
    def text(self) -> str:
        """The draft, as a story's file has it."""
        return f"{self.area.text.strip()}\n"

    def open(self, story: StoryView) -> None:
        """Take a story up: its draft that was kept, else its text."""
        if self._story is None or self._story.path != story.path:
            self._story, self._over, self._saved = story, None, ""
            self.area.read_only = True
            self.area.load_text("")
            self._say_head("")
            self._say(Text())
            self.run_worker(partial(self._load, story), group="draft", exclusive=True)  # type: ignore[arg-type]  # as in `Studio.showing`

    async def _load(self, story: StoryView) -> None:
        corpus = self._mender.corpus
        try:
            content = await self._mender.in_turn(partial(writing.content_at, corpus, story.path))
            kept = await in_thread(drafts.load, corpus, story.path)
        except (OSError, AmygdalaError) as error:
            self._story = None
            self._say(Text(plain(str(error)), style=styles.BAD))
            return
        text = "" if content is None else contents.text_of(content)
        if isinstance(text, Refusal) and text.code != "empty":
            self._story = None
            self._say(Text(plain(text.message), style=styles.BAD))
            return
        self._saved = text if isinstance(text, str) else ""
        self._over = None if content is None else writing.content_id(content)
        self._keeper = Keeper(partial(drafts.keep, corpus), drafts.EVERY_S)
        is_from_before = kept is not None and kept.text.strip() != self._saved.strip()
        self.area.load_text(kept.text if kept is not None and is_from_before else self._saved)
        self.area.read_only = False
        if kept is not None and is_from_before:
            changed = "" if kept.over == self._over else ", and the file has changed since"
            self._over = kept.over
            self._say_head(f"your draft of before{changed}; ^r takes the file's text instead")
        self._read()

    def revert(self) -> None:
        """Take the file's text in place of the draft."""
        story = self._story
        if story is not None:
            self._story = None
            self.run_worker(self._forget(story), group="draft", exclusive=True)

    async def _forget(self, story: StoryView) -> None:
        await in_thread(drafts.drop, self._mender.corpus, story.path)
        self.open(story)

    async def close(self) -> None:
        """Keep the draft as it is now."""
        if self._keeper is not None:
            await self._keeper.close(within_s=EXPLAINED_AFTER_S)
            self._keeper = None
        self._story = None

    async def save(self, *, insist_over: str | None = None) -> Task | Clash | None:
        """Write the draft to the file; a clash where another text stands there by now.

        Args:
            insist_over: the content id of the text that is to be replaced, whatever the writer began with.
        """
        story = self._story
        if story is None or self.area.read_only:
            return None
        over = self._over if insist_over is None else insist_over
        done = await self._mender.save(story.path, self.text, over)
        if isinstance(done, Task):
            await self.close()
            await in_thread(drafts.drop, self._mender.corpus, story.path)
        return done

    def on_text_area_changed(self) -> None:
        if self._story is None or self.area.read_only:
            return
        if self._keeper is not None and self.area.text.strip() != self._saved.strip():
            self._keeper.keep(KeptDraft(path=self._story.path, text=self.area.text, over=self._over))
        self._read()

    def _read(self) -> None:
        if self._story is not None:
            self.run_worker(partial(self._ask, self._story), group="read", exclusive=True)  # type: ignore[arg-type]  # likewise

    async def _ask(self, story: StoryView) -> None:
        """Have the draft read once the keys rest; then, if it is flagged, its sentences."""
        await asyncio.sleep(SCORED_AFTER_S)
        text = self.text
        if not text.strip():
            self._say(Text("empty: it would be skipped", style=styles.DIM))
            return
        draft = await self._asking.read_by(story.path, text, ())
        self._say(reads(story, draft, text))
        await asyncio.sleep(EXPLAINED_AFTER_S - SCORED_AFTER_S)
        explained = await self._asking.explain(story.path, text)
        if explained is not None:
            self._say(reads(story, explained, text))

    def _say(self, words: Text) -> None:
        for pane in self.query("#draft-reads").results(Static):
            pane.update(words)

    def _say_head(self, words: str) -> None:
        story = self._story
        if story is not None:
            name = f"{plain(story.concept or 'baseline')} · {plain(story.scenario or 'stories')}"
            aside = f"  {words}" if words else ""
            self.query_one("#draft-head", Static).update(Text.assemble((name, styles.HEADING), (aside, styles.RIVAL)))


def reads(story: StoryView, draft: Draft | None, text: str) -> Text:
    """How a draft would read, beside how the story read when it was opened."""
    line = Text(counted(len(text.split()), "word", "words"), style=styles.DIM)
    if draft is None:
        return line.append(" · nobody reads it just now: the engine is away or busy")
    if draft.truncated:
        line.append(" · longer than max_length: its end is not read", style=styles.RIVAL)
    evidence = draft.evidence
    if evidence is None or story.concept is None:
        return line.append(" · the stories are not judged yet")
    now = Standing(evidence.misfit, 1 - evidence.misfiled, evidence.misread)
    text_now = verdict(Standing.of(story), now, story.concept)
    line = Text.assemble("if you save it: ", text_now or "", f"  {STRENGTHS[evidence.strength]}", "\n", line)
    if draft.effects and evidence.reads_as is not None:
        pulls = sorted(zip(draft.effects, draft.sentences, strict=True), key=lambda pair: -pair[0].pull)
        for effect, sentence in pulls[:MOST_PULLS]:
            if effect.pull > 0:
                words = " ".join(text[sentence.start : sentence.end].split())
                line.append(f"\npulls to {plain(evidence.reads_as)}: ", style=styles.RIVAL).append(plain(words)[:100])
    return line
