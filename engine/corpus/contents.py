"""The text that a file's bytes hold, or why they hold no story."""

from __future__ import annotations

import re
import unicodedata

from engine.corpus.entries import Refusal

SIGNATURES = {
    b"{\\rtf": "RTF", b"%PDF-": "PDF", b"%!PS": "PostScript", b"PK\x03\x04": "a zip archive or a word processor's",
    b"\xd0\xcf\x11\xe0": "an old word processor's", b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2", b"\xfd7zXZ": "compressed with xz", b"7z\xbc\xaf": "a 7z archive",
    b"Rar!\x1a": "a RAR archive",
    b"\x89PNG": "an image", b"\xff\xd8\xff": "an image", b"GIF8": "an image", b"SQLite format 3\0": "a database",
    b"\x7fELF": "a program", b"bplist00": "a property list",
}  # fmt: skip
"""How files of other kinds begin."""

POINTERS = re.compile(
    r"version https://(?P<lfs>git-lfs\.github\.com|hawser\.github\.com)/|/annex/objects/|\.git/annex/objects/"
)
PAGE = re.compile(r"<(?:!doctype\s|html[\s>]|\?xml\s|head>|body[\s>])", re.IGNORECASE)
CONFLICT = re.compile(r"^<{7,}(?: .*)?$|^={7,}$(?s:.*)^>{7,}(?: .*)?$", re.MULTILINE)
"""What a merge leaves for a person to decide. A line of `=` alone may as well be a heading's."""


def text_of(content: bytes) -> str | Refusal:
    """The stripped text with line breaks as `\\n`, or why there is no story."""
    if content.startswith(tuple(SIGNATURES)):
        kind = next(kind for beginning, kind in SIGNATURES.items() if content.startswith(beginning))
        return _no_story(f"this is {kind} under another name: save the story as plain text")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _not_utf8("UTF-16: save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if _is_utf16(content):
            return _not_utf8("UTF-16: save it as UTF-8")
        return _not_utf8(f"byte {content[error.start + _mark(content)]:#04x} at {error.start + _mark(content)}")
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return _refusal_of(text, content) or text


def _refusal_of(text: str, content: bytes) -> Refusal | None:
    if not text or all(unicodedata.category(char)[0] in "CZ" and char != "\0" for char in text):
        return Refusal("warning", "empty", "empty, so it is skipped")
    if "\0" in text:
        if not text.strip("\0"):
            return _no_story("nothing but zeros, as after a crash: restore the text from a backup")
        if _is_utf16(content):
            return _not_utf8("UTF-16: save it as UTF-8")
        return _no_story("zero bytes in the text, as after a crash or in a binary file: save the story as plain text")
    if pointer := POINTERS.match(text):
        command = "git lfs pull" if pointer["lfs"] else "git annex get"
        return _no_story(f"a pointer to a text that is not here: run {command}")
    if PAGE.match(text):
        return _no_story("a web page's source: save the story as plain text")
    if CONFLICT.search(text):
        return _no_story("conflict markers of a merge (<<<<<<<): decide on one text, and remove the markers")
    return None


def _is_utf16(content: bytes) -> bool:
    """Whether every other byte is zero, as in Latin text of two bytes a character."""
    fewer, more = sorted((content[::2].count(0), content[1::2].count(0)))
    return more > 0.4 * len(content) and fewer < 0.1 * len(content)


def _mark(content: bytes) -> int:
    """Bytes that a UTF-8 mark takes, which the decoder does not count."""
    return 3 if content.startswith(b"\xef\xbb\xbf") else 0


def _not_utf8(what: str) -> Refusal:
    return Refusal("error", "unreadable", f"not UTF-8: {what}")


def _no_story(what: str) -> Refusal:
    return Refusal("error", "not-text", f"not a story: {what}")
