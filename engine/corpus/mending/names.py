"""Names that a writer gives to concepts and scenarios. Pure functions."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection

from engine.corpus import entries
from engine.corpus.entries import ENDING, alike, is_silent, originals
from engine.corpus.model import BASELINE
from engine.plain import can_be_shown

MAX_BYTES = 255
"""Bytes that file systems take for one name."""


def tidied(name: str) -> str:
    """A name as it stands in a file's: without blanks at its ends, in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", name.strip())


def trouble_with_concept(name: str) -> str:
    """Why a concept cannot have a name (`tidied`), with what to do; empty if it can."""
    if alike(name) == BASELINE:
        return f"“{BASELINE}” is a scenario's neutral telling, not a concept: choose another name"
    if name.lower().endswith(ENDING):
        return f"leave “{ENDING}” away: it is added to the name"
    return _trouble(name, f"{name}{ENDING}") or _refusal("stories", name)


def trouble_with_scenario(name: str) -> str:
    """Why a scenario cannot have a name (`tidied`), with what to do; empty if it can."""
    refusal = entries.refusal_of_scenario(name, ())
    return _trouble(name, name) or ("" if refusal is None else _as_copy(name))


def trouble_with_neighbours(file: str, names: Collection[str]) -> str:
    """Why a file cannot come into a folder that has files with these names, with what to do; empty if it can.

    A file that looks like another's copy is not read, whichever of the two comes second.
    """
    form = unicodedata.normalize("NFC", file)
    if twin := next((name for name in names if unicodedata.normalize("NFC", name) == form), None):
        return f"{twin} stands there already"
    if source := next((source for source in originals(file) if source in names), None):
        return f"{file} would count as a copy of {source} and not be read: choose another name"
    if copy := next((name for name in names if file in originals(name)), None):
        return f"{copy}, which stands there, would count as a copy of {file} and not be read any more: rename it first"
    return ""


def _trouble(name: str, file: str) -> str:
    if not name:
        return "type a name"
    if "/" in name:
        return "a name has no slash: leave “/” away"
    if not can_be_shown(name):
        return "a name has no control characters, and no blanks but the usual one: type it anew"
    if is_silent(name) or is_silent(file):
        return "names that begin with “.”, or end with “~”, are for hidden files and backups: choose another one"
    n_bytes, at_most = len(os.fsencode(name)), MAX_BYTES - len(os.fsencode(file)) + len(os.fsencode(name))
    return (
        f"this has {n_bytes} bytes, and a file's name has room for {at_most}: shorten it" if n_bytes > at_most else ""
    )


def _refusal(folder: str, name: str) -> str:
    refusal = entries.refusal_of_file(folder, f"{name}{ENDING}", ())
    if refusal is None:
        return ""
    return _as_copy(name) if refusal.code == "copy" else refusal.message


def _as_copy(name: str) -> str:
    return f"“{name}” looks like a synchroniser's copy and would not be read: choose another name"
