"""What writers do to the corpus of one example of the stateful test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.corpus import Corpus, Layout, scan, text_id
from tests.engine.service.house import CONCEPTS, TEXTS


class Writers:
    """A corpus on disk, and which texts it has had.

    Args:
        corpus: its folder.
        tag: what no other example's texts have.
    """

    def __init__(self, corpus: Path, tag: str) -> None:
        self.corpus = corpus
        self.tag = tag
        self.made = 0
        self.ever: dict[str, set[str]] = {}
        """Ids of the texts that a path has had."""
        self.in_window: set[str] = set()
        """Ids of texts that are or were on disk since all was done."""
        self.n_pending = 0

    # What is on disk

    def text(self, number: int) -> str:
        """One of the texts of this example, or a new one."""
        return f"{TEXTS[number]} {self.tag}" if number >= 0 else self.new_text()

    def new_text(self) -> str:
        self.made += 1
        return f"{TEXTS[self.made % len(TEXTS)]} Again, {self.made} times. {self.tag}"

    def file(self, path: str) -> Path:
        return self.corpus / path

    def write(self, path: str, text: str, how: str = "rename", name: str = "swp") -> None:
        """As an editor saves (a file of this name is renamed), or in place."""
        self.note(path, text_id(text.strip()))
        file = self.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        if how == "in place":
            file.write_text(text, "utf-8")
        else:
            temporary = file.with_name(f".{file.name}.{name}")
            temporary.write_text(text, "utf-8")
            temporary.replace(file)

    def note(self, path: str, written: str) -> None:
        self.ever.setdefault(path, set()).add(written)
        self.n_pending += 1
        self.in_window.add(written)

    def scan(self) -> Corpus:
        """From nothing."""
        return scan(Layout.of(self.corpus))

    def ids(self) -> dict[str, str]:
        """Path -> text id, on disk."""
        return {story.path: story.text_id for story in self.scan().stories} if self.corpus.exists() else {}

    # What writers do

    async def save(self, path: str, number: int, how: str) -> None:
        self.write(path, self.text(number), how)

    async def save_again(self, path: str, how: str) -> None:
        file = self.file(path)
        if not file.exists():
            return
        text = file.read_text("utf-8")
        if how == "touch":
            os.utime(file)
        elif how == "space":
            self.write(path, f"\n  {text.strip()} \n\n")
        else:
            self.write(path, text, how)

    async def rename(self, path: str, target: str) -> None:
        if self.file(path).exists() and path != target:
            self.note(target, self.ids()[path])
            self.file(target).parent.mkdir(parents=True, exist_ok=True)
            self.file(path).rename(self.file(target))

    async def delete(self, path: str) -> None:
        self.file(path).unlink(missing_ok=True)

    async def burst(self, number: int) -> None:
        """As a checkout: more files at once than are computed as an edit."""
        for at in range(number):
            self.write(f"paired/b{at}/{CONCEPTS[at % 3]}.txt", self.new_text(), "in place")

    async def undo_burst(self) -> None:
        for folder in self.corpus.glob("paired/b*"):
            if folder.name != "bus":
                shutil.rmtree(folder)
