"""What an entry of a folder is, by its name: a story's file, a copy of one, or something that is not read, and why."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import NamedTuple

from engine.corpus.model import BASELINE, Code, Severity
from engine.plain import JOINERS, can_be_shown

ENDING = ".txt"

DOCUMENTS = {".doc", ".docx", ".epub", ".htm", ".html", ".odt", ".pages", ".pdf", ".rtf"}
"""Endings of files whose text a word processor can save as plain text."""
PLAIN_TEXTS = {"", ".markdown", ".md", ".text"}
"""Endings of files that are plain text already, and only need another name."""


NAMES = 1 << 14
"""Names whose patterns are kept: the same concepts come back in every scenario."""


class Refusal(NamedTuple):
    """Why something is not read, with what to do about it."""

    severity: Severity
    code: Code
    message: str


def is_silent(name: str) -> bool:
    """Whether an entry is none of the writer's: hidden, an editor's backup, or vim's trial whether it may write."""
    return name.startswith(".") or name.endswith("~") or name[0] == name[-1] == "#" or name == "4913"


def concept_of(name: str) -> str | None:
    """The concept of a story's file in a scenario; None for the baseline."""
    stem = unicodedata.normalize("NFC", name.removesuffix(ENDING))
    return None if stem == BASELINE else stem


@functools.lru_cache(maxsize=NAMES)
def alike(name: str) -> str:
    """What all names have in common that a reader takes for one: case, blanks, Unicode's forms and joiners put aside.

    For example: `Joy`, `joy ` and the same in full-width letters.
    """
    letters = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join("".join(char for char in letters if char not in JOINERS).split())


# What is not read


def refusal_of_folder(folder: str, name: str) -> Refusal:
    """Why a folder in `stories` or in a scenario is not read."""
    if not can_be_shown(name):
        return Refusal("error", "bad-name", "its name has control characters, and folders are not read here")
    if folder == "stories":
        where = "paired/<scenario>/" if name.endswith(ENDING) else f"paired/<scenario>/{name}{ENDING}"
        return Refusal(
            "warning",
            "misplaced",
            f"a folder in stories/ is not read: a concept has one story here, stories/<concept>{ENDING}; "
            f"put several stories of a concept into scenarios, as {where}",
        )
    return Refusal(
        "warning",
        "misplaced",
        f"a folder in a scenario is not read: a concept has one story in each, {folder}/<concept>{ENDING}; "
        f"put others into scenarios of their own, as paired/<scenario>/<concept>{ENDING}",
    )


def refusal_of_scenario(name: str, names: Collection[str]) -> Refusal | None:
    """Why a folder in `paired` is not read; None for a scenario. `names` are all in `paired`."""
    return _refusal_of_copy(name, names)


def refusal_of_file(folder: str, name: str, names: Collection[str]) -> Refusal | None:
    """Why a file is not read, by its name and those of all in its folder; None for a story's."""
    if not can_be_shown(f"{folder}/{name}"):
        return Refusal("error", "bad-name", "its name has control characters, or blanks of an odd kind; rename it")
    if folder == "paired":
        return Refusal(
            "warning",
            "misplaced",
            "a file right in paired/ is not read: move it into its scenario, paired/<scenario>/<concept>.txt, "
            "or to stories/<concept>.txt",
        )
    return _refusal_of_ending(name) or _refusal_of_copy(name, names) or _refusal_of_stem(folder, name)


def _refusal_of_ending(name: str) -> Refusal | None:
    stem, dot, ending = name.rpartition(".")
    stem, ending = stem.strip(), (dot + ending).strip()
    if (not stem and ending != ENDING) or " " in ending:
        stem, ending = name, ""
    if ending.lower() == ENDING and not stem.lower().endswith(ENDING):
        if name.endswith(ENDING):
            return None
        advice = f"rename it to {stem.lower() if stem.isupper() and ending.isupper() else stem}{ENDING}"
    elif ending.lower() == ENDING:
        advice = f"rename it to {stem[: -len(ENDING)]}{ENDING}"
    elif ending.lower() in PLAIN_TEXTS:
        advice = f"if it is a story, rename it to {stem}{ENDING}"
    elif ending.lower() in DOCUMENTS:
        advice = f"if it is a story, save it as plain text, {stem}{ENDING}"
    else:
        advice = "if it is no story, keep it elsewhere"
    return Refusal("warning", "ending", f"only names that end in {ENDING} are read: {advice}")


def _refusal_of_stem(folder: str, name: str) -> Refusal | None:
    stem = name.removesuffix(ENDING)
    if alike(stem) == BASELINE and folder == "stories":
        return Refusal(
            "warning",
            "misplaced",
            f"a baseline belongs to a scenario: move it to paired/<scenario>/{BASELINE}{ENDING}",
        )
    if alike(stem) == BASELINE != stem:
        return Refusal(
            "warning", "bad-name", f"a scenario's baseline is spelt {BASELINE}{ENDING}: rename it, so that it is read"
        )
    if not stem.strip():
        return Refusal("warning", "bad-name", f"its name lacks the concept: rename it to <concept>{ENDING}")
    if stem != stem.strip():
        return Refusal(
            "warning",
            "bad-name",
            f"a blank at the end of a name makes another concept: rename it to {stem.strip()}{ENDING}",
        )
    return None


# Copies

COPY = (
    r"(?:cop(?:y|ie|ia)|c[oó]pia|k[oó]pi(?:e|a|o)?|kopya|копи[яю]|αντίγραφο|사본|복사본"
    r"|副本|複本|拷贝|複製|コピー)"
)
"""The word for a copy, in the languages in which file managers make them."""
CONFLICT = r"(?:conflict|conflit|konflikt|kolizj|конфликт|冲突|衝突|競合|충돌)"
NUMBER = r"(?:[ ]?[(（]?\d+[)）]?)?"
DATE = r"\d{4}-?\d\d-?\d\d"

SYNCHRONISED = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(.+)\.sync-conflict-\d{8}-\d{6}(?:-[a-z0-9]+)?",
        # "(conflicted copy 2026-01-05 101530)", "(Ann's conflicted copy)", "(Copie en conflit de Ann 2026-01-05)"
        rf"(.+?) ?[(（\[](?=[^()（）]*{CONFLICT})(?=[^()（）]*(?:{COPY}|{DATE}))[^()（）]*[)）\]]{NUMBER}",
        r"(.+?) ?\(SFConflict [^()]*\)",
        rf"(.+)_conflict-{DATE}-\d+",
        r"(.+)\.conflict\d*",
        r"(.+)-(?-i:(?:DESKTOP|LAPTOP)-[A-Z0-9]{7})",
        r"(.+)_(?-i:BACKUP|BASE|LOCAL|REMOTE)_\d+",
    )
]
"""Names that synchronisers (Syncthing, Nextcloud, Dropbox, Seafile, rclone, OneDrive) and git's merge tools give to the
text that lost. No writer gives a concept such a name."""

COPIED = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(.+?) ?[(（]\d+[)）]",
        rf"(.+?)[ _-]+{COPY}{NUMBER}",
        rf"(.+?) ?(?:の|的)?(?:副本|拷贝|コピー){NUMBER}",
        # "(copy)", "(another copy)", "(3rd copy)", "(weitere Kopie)"
        rf"(.+?) ?[(（](?:[^()（）]* )?{COPY}{NUMBER}[)）]",
        rf"{COPY}{NUMBER}(?: of| von| van| de| di| av| af| z)? (.+)",
        rf"(.+?) ?[(（\[]{CONFLICT}[^()（）]*[)）\]]",
    )
]
"""Names that browsers and file managers give to copies. A writer may give them to a concept, so they mean a copy only
where the original is there: `lonely (1).txt` beside `lonely.txt`."""


@functools.lru_cache(maxsize=NAMES)
def originals(name: str) -> tuple[str, ...]:
    """What a name may be a copy of, the nearest first: of `joy (1) - Copy.txt`, `joy (1).txt` and then `joy.txt`."""
    return tuple(_originals(name))


def _originals(name: str) -> Iterator[str]:
    ending = ENDING if name.endswith(ENDING) else ""
    source = _copied_from(name.removesuffix(ending), SYNCHRONISED + COPIED)
    while source is not None:
        yield source + ending
        source = _copied_from(source, SYNCHRONISED + COPIED)


def _copied_from(stem: str, patterns: list[re.Pattern[str]]) -> str | None:
    match = next(filter(None, (pattern.fullmatch(stem) for pattern in patterns)), None)
    return match[1] if match else None


def _refusal_of_copy(name: str, names: Collection[str]) -> Refusal | None:
    sources = originals(name)
    if not sources:
        return None
    if _copied_from(name.removesuffix(ENDING), SYNCHRONISED):
        return Refusal(
            "warning",
            "copy",
            f"looks like a copy that a synchroniser made of {sources[0]}, so it is not read: "
            f"keep the better text in {sources[0]} and delete this file",
        )
    source = next((source for source in sources if source in names), None)
    if source is None:
        return None
    return Refusal(
        "warning",
        "copy",
        f"looks like a copy of {source}, so it is not read: delete it, or rename it if it is a story of its own",
    )
