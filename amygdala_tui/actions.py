"""What can be done: the one registry of ids, keys, labels and help. A writer can map an id to another key."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True)
class Action:
    """One thing a writer can do.

    `id` names it in the keymap and, with dashes as underscores, the method `action_<id>` that does it.
    """

    id: str
    key: str
    label: str
    help: str
    in_footer: bool = True

    @property
    def binding(self) -> Binding:
        """The Textual binding."""
        method = self.id.replace("-", "_")
        return Binding(self.key, method, self.label, id=self.id, tooltip=self.help, show=self.in_footer)


ACTIONS = (
    Action("edit", "e", "edit", "Open the story in your editor ($VISUAL, else $EDITOR); saving it recomputes."),
    Action(
        "accept",
        "a",
        "accept",
        "Accept the story as it is, with a reason if you like: it is not to be fixed until its text changes. "
        "Again: take that back.",
    ),
    Action("next-story", "n", "next", "Go to the next story in the queue."),
    Action("previous-story", "N", "previous", "Go to the previous story in the queue.", in_footer=False),
    Action("retrain", "r", "retrain", "Run stories through the model again: this concept, this story, or all."),
    Action(
        "cancel", "x", "cancel", "Drop the stories that wait for the model; they stay stale until you retrain.", False
    ),
    Action("filter", "slash", "filter", "Show only the files in the tree that contain what you type."),
    Action("group", "b", "by concept", "Show the tree by concept or by file.", in_footer=False),
    Action("live", "L", "live", "Follow every save at once, or pause: changed stories then wait for a retrain."),
    Action("show-story", "1", "Story", "The story's text, and how it reads.", in_footer=False),
    Action("show-triage", "2", "Triage", "Concepts in their buckets, with the numbers that put them there.", False),
    Action("show-queue", "3", "Queue", "Stories to fix, the worst first, with the reason.", in_footer=False),
    Action("show-concept", "4", "Concept", "One concept's numbers, neighbours and stories.", in_footer=False),
    Action("show-engine", "8", "Engine", "What the engine is doing; its errors; what each revision moved.", False),
    Action("classic", "w", "classic", "In Story: the classic scores too, by cosines and alignment.", in_footer=False),
    Action("sort", "s", "sort", "In Triage: sort by the next column.", in_footer=False),
    Action("start-engine", "S", "start", "Start or join the engine again after it was stopped.", in_footer=False),
    Action("show-tree", "t", "tree", "On a narrow screen: the tree instead of the view.", in_footer=False),
    Action(
        "show-inspector",
        "i",
        "inspector",
        "The selected concept's numbers: beside the view, or on a narrow screen instead of it.",
        in_footer=False,
    ),
    Action("help", "question_mark", "help", "The keys, and what the numbers here mean."),
    Action("leave", "q", "quit", "Leave the studio; the engine goes on."),
)
