"""The texts that are held to be searched."""

from __future__ import annotations

import os
from pathlib import Path

from amygdala_tui.texts import NO_ROOM, UNREADABLE, HeldTexts, read_texts

PATHS = ["stories/calm.txt", "stories/sad.txt"]


def corpus_of(folder: Path) -> Path:
    (folder / "stories").mkdir()
    (folder / PATHS[0]).write_text("\ufeffThe Café.\r\nIt rains.\n", "utf-8")
    (folder / PATHS[1]).write_text("A sad day.")
    return folder


def test_texts_are_held_as_the_engine_reads_them_with_their_folded_form(tmp_path: Path) -> None:
    held = read_texts(corpus_of(tmp_path), PATHS, HeldTexts())
    assert [text.text for text in held.texts.values()] == ["The Café.\nIt rains.", "A sad day."]
    assert held.texts[PATHS[0]].folded.text == "the cafe.\nit rains."
    assert held.told() == ""


def test_a_file_is_read_again_only_where_its_size_or_time_changed(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path)
    before = read_texts(corpus, PATHS, HeldTexts())
    (corpus / PATHS[1]).write_text("A glad day.")
    after = read_texts(corpus, PATHS, before)
    assert after.texts[PATHS[0]] is before.texts[PATHS[0]]
    assert after.texts[PATHS[1]].text == "A glad day."
    (corpus / PATHS[1]).write_text("A grey day.")
    os.utime(corpus / PATHS[1], ns=(0, 1))
    assert read_texts(corpus, PATHS, after).texts[PATHS[1]].text == "A grey day."
    assert list(read_texts(corpus, PATHS[:1], after).texts) == PATHS[:1]


def test_what_cannot_be_read_is_counted_and_said(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    corpus = corpus_of(tmp_path / "corpus")
    (tmp_path / "outside.txt").write_text("secret")
    (corpus / "stories" / "out.txt").symlink_to(tmp_path / "outside.txt")
    (corpus / "stories" / "in.txt").symlink_to(corpus / PATHS[1])
    (corpus / "stories" / "latin.txt").write_bytes(b"caf\xe9")
    (corpus / "stories" / "big.txt").write_bytes(b"a" * (1 << 21))
    (corpus / "stories" / "empty.txt").touch()
    os.mkfifo(corpus / "stories" / "pipe.txt")
    names = ("out", "in", "latin", "big", "empty", "pipe", "gone", "odd\0")
    held = read_texts(corpus, [f"stories/{name}.txt" for name in names], HeldTexts())
    assert {path: text.text for path, text in held.texts.items()} == {
        "stories/in.txt": "A sad day.",
        "stories/empty.txt": "",
    }
    assert set(held.missing.values()) == {UNREADABLE}
    assert held.told() == "6 texts are not searched: cannot be read"


def test_no_more_is_held_than_there_is_room_for_and_that_is_said(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path)
    whole = read_texts(corpus, PATHS, HeldTexts())
    room = whole.texts[PATHS[0]].n_bytes
    held = read_texts(corpus, PATHS, whole, most_bytes=room)
    assert list(held.texts) == PATHS[:1]
    assert held.missing == {PATHS[1]: NO_ROOM}
    assert held.told() == "1 text is not searched: there is room for no more"
