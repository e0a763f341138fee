"""What can be done: the one registry of ids, keys, labels and help. A writer can map an id to another key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

View = Literal["queue", "triage", "corpus", "concept", "find", "compare", "draft", "engine"]
"""A view, by its id."""
LISTS: tuple[View, ...] = ("queue", "triage", "corpus", "concept", "find")
STORIES: tuple[View, ...] = ("queue", "corpus", "concept", "find")
ANYWHERE: tuple[View, ...] = (*LISTS, "compare", "draft", "engine")
NOT_TYPING: tuple[View, ...] = (*LISTS, "compare", "engine")
"""Views where a letter is a key."""


@dataclass(frozen=True)
class Action:
    """One thing a writer can do.

    `id` names it in the keymap and, with dashes as underscores, the method `action_<id>` that does it.
    """

    id: str
    key: str
    label: str
    help: str
    views: tuple[View, ...] = ANYWHERE
    """Where it can be done."""
    in_footer: tuple[View, ...] = ()
    """Where the footer names it."""
    needs_story: bool = False
    """Whether there must be a story for it to act on: the lit one."""
    takes_marked: bool = False
    """Whether it acts on the marked stories, where there are any."""

    @property
    def method(self) -> str:
        """The end of the name of the method that does it, with its arguments."""
        if self.id.startswith("show-"):
            return f"show('{self.id.removeprefix('show-')}')"
        return self.id.replace("-", "_")

    @property
    def binding(self) -> Binding:
        """The Textual binding."""
        return Binding(self.key, self.method, self.label, id=self.id, tooltip=self.help, show=False)


ACTIONS = (
    Action(
        "edit",
        "e",
        "edit",
        "Open the story in your editor ($VISUAL, else $EDITOR); saving it recomputes.",
        (*STORIES, "compare"),
        (*STORIES, "compare"),
        needs_story=True,
    ),
    Action(
        "accept",
        "a",
        "accept",
        "Accept the story as it is, with a reason if you like: it is not to be fixed until its text changes. "
        "Again: take that back.",
        STORIES,
        ("queue", "corpus"),
        needs_story=True,
        takes_marked=True,
    ),
    Action("next-story", "n", "next", "Go to the worst story to fix where you have not been.", LISTS, LISTS),
    Action(
        "draft",
        "d",
        "draft",
        "Write on the story here, read as you type; the draft is kept until you save it.",
        STORIES,
        ("queue",),
        needs_story=True,
    ),
    Action("save-draft", "ctrl+s", "save", "Save the draft to the story's file.", ("draft",), ("draft",)),
    Action(
        "revert",
        "ctrl+r",
        "take the file's text",
        "Take the file's text in place of the draft.",
        ("draft",),
        ("draft",),
    ),
    Action(
        "compare",
        "c",
        "compare",
        "Put the story beside another: its near-copy, else the best of its concept; with one marked, that. "
        "Again: go back.",
        (*STORIES, "compare"),
        STORIES,
        needs_story=True,
    ),
    Action("differences", "f", "differences only", "Fold the sentences that both have.", ("compare",), ("compare",)),
    Action("bars", "C", "other bars", "Draw the bars of the next concept.", ("compare",), ("compare",)),
    Action(
        "other-story", "o", "other story", "Where there is room for one: show the other.", ("compare",), ("compare",)
    ),
    Action("previous-story", "N", "back", "Go back to where n came from.", LISTS),
    Action(
        "undo",
        "u",
        "undo",
        "Take back the last change of the story, whoever made it; again: the one before.",
        LISTS,
        STORIES,
    ),
    Action("redo", "U", "redo", "Do again what was taken back last.", LISTS),
    Action(
        "move",
        "M",
        "move",
        "File the story under another concept; with marks, all that are marked.",
        STORIES,
        STORIES,
        needs_story=True,
        takes_marked=True,
    ),
    Action("new", "plus", "new", "Write a new story; its concept may be a new one.", LISTS, ("corpus",)),
    Action("rename", "R", "rename", "Rename the concept or the scenario that is lit.", LISTS, ("corpus",)),
    Action(
        "delete",
        "D",
        "delete",
        "Delete the story, or all that are marked; a copy goes into the trash.",
        STORIES,
        ("corpus",),
        needs_story=True,
        takes_marked=True,
    ),
    Action(
        "copy-path",
        "y",
        "copy path",
        "Copy the path of the story to your terminal's clipboard.",
        STORIES,
        needs_story=True,
    ),
    Action(
        "mark",
        "space",
        "mark",
        "Mark the story, or no longer: accept and retrain then act on all that are marked, and the verdict is of all.",
        STORIES,
        STORIES,
        needs_story=True,
    ),
    Action(
        "more",
        "m",
        "more",
        "Show what is folded, or hide it: in Queue the maybes, in Triage the concepts as chance would have them.",
        ("queue", "triage"),
        ("queue", "triage"),
    ),
    Action(
        "sort",
        "s",
        "sort",
        "Sort by the next column; in Queue by strength, concept or scenario.",
        ("queue", "triage"),
        ("triage",),
    ),
    Action(
        "only",
        "F",
        "only",
        "Show one concept only, that of the lit story; then its scenario; then all.",
        ("queue",),
    ),
    Action("group", "b", "by concept", "Show the tree by concept or by file.", ("corpus",), ("corpus",)),
    Action(
        "relatives",
        "K",
        "relatives",
        "Call the concept and the one that it is told like relatives; again: no longer. Relatives are no alarm.",
        ("triage", "concept"),
    ),
    Action("find", "slash", "find", "Find stories by words of their names and texts.", LISTS, LISTS),
    Action("about", "i", "about the concept", "Show how the concept of the story reads; again: the story.", STORIES),
    Action(
        "classic", "w", "classic", "Show the classic scores and buckets too: those of the script in use today.", LISTS
    ),
    Action(
        "retrain",
        "r",
        "retrain",
        "Run stories through the model again: this concept, this story, what is marked, or all.",
        in_footer=("engine",),
    ),
    Action(
        "cancel",
        "x",
        "cancel",
        "Drop the stories that wait for the model; they stay stale until you retrain.",
        in_footer=("engine",),
    ),
    Action(
        "live",
        "L",
        "pause",
        "Follow every save at once, or pause: changed stories then wait.",
        in_footer=("engine",),
    ),
    Action("start-engine", "S", "start", "Start or join the engine again after it was stopped.", in_footer=("engine",)),
    Action("show-queue", "1", "Queue", "Stories to fix, the worst first, with the reason."),
    Action("show-triage", "2", "Triage", "Concepts: those that are worth a look first."),
    Action("show-corpus", "3", "Corpus", "All files, as a tree."),
    Action("show-concept", "4", "Concept", "One concept: how it reads, and its stories."),
    Action("show-engine", "8", "Engine", "What the engine is doing; its errors; what each revision moved."),
    Action("tutorial", "T", "tutorial", "Read the tutorial; Esc goes back to the studio."),
    Action("help", "question_mark", "help", "The keys, and what the words here mean.", in_footer=NOT_TYPING),
    Action(
        "palette",
        "ctrl+p",
        "palette",
        "Every action by its name; stories and concepts by theirs.",
        in_footer=ANYWHERE,
    ),
    Action("leave", "q", "quit", "Leave the studio; the engine goes on.", in_footer=NOT_TYPING),
)
