"""A writer's own keys: none takes another action's place, and what is refused is said by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Static

from amygdala_tui.keymap import DEFAULT_KEYS, KEPT_KEYS, keymap_path, keys_in_force, load_keymap, settle
from tests.amygdala_tui.studying import corpus_of, studied
from tests.waiting import eventually_async


@pytest.fixture(autouse=True)
def _own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keymap_path().parent.mkdir(parents=True)


def test_no_default_key_is_that_of_two_actions_or_moves_in_lists() -> None:
    assert len(set(DEFAULT_KEYS.values())) == len(DEFAULT_KEYS)
    assert set(DEFAULT_KEYS.values()) & set(KEPT_KEYS) == {DEFAULT_KEYS["palette"]}


def test_a_file_that_cannot_be_read_is_named_and_changes_no_key() -> None:
    assert load_keymap() == ({}, "")
    keymap_path().write_bytes(b'\xef\xbb\xbf[keys]\r\nedit = "E"\r\n')
    assert load_keymap() == ({"edit": "E"}, "")
    deep = b"keys = " + b"[" * 20_000 + b"]" * 20_000
    for malformed in (b"\xff\xfe", deep, b"keys = " + b"9" * 6_000, b"keys = 3\n", b"[keys\n"):
        keymap_path().write_bytes(malformed)
        keys, trouble = load_keymap()
        assert keys == {}
        assert "keys.toml" in trouble


def test_a_clash_is_refused_by_name_and_the_usual_key_stays() -> None:
    keymap_path().write_text('[keys]\nedit = "n"\nretrain = "Z"\n')
    keys, trouble = load_keymap()
    assert keys == {"retrain": "Z"}
    assert "edit: n is the key of next-story, so it stays e" in trouble


def test_two_actions_that_ask_for_one_key_both_keep_theirs() -> None:
    keys, complaints = settle({"edit": "z", "accept": "z"})
    assert keys == {}
    assert complaints == ["edit: z is the key of accept, so it stays e", "accept: z is the key of edit, so it stays a"]


def test_two_actions_can_swap_their_keys() -> None:
    assert settle({"edit": "n", "next-story": "e"}) == ({"edit": "n", "next-story": "e"}, [])


def test_a_key_that_moves_in_lists_is_refused() -> None:
    assert settle({"edit": "j"}) == ({}, ["edit: j moves in lists, so it stays e"])
    assert settle({"find": "escape"}) == ({}, ["find: escape goes back, so it stays /"])


def test_an_action_that_there_is_not_is_told_from_a_key_that_is_none() -> None:
    complaints = settle({"foo": "x", "edit": 3, "accept": "", "retrain": "r,R"})[1]
    assert complaints[0] == "foo: there is no such action"
    assert complaints[1:] == [f'{name}: a key is a text like "e"' for name in ("edit", "accept", "retrain")]


def test_a_sign_is_a_key_too() -> None:
    assert settle({"edit": "/", "find": "%"})[0] == {"edit": "slash", "find": "percent_sign"}


KEYS = st.sampled_from([*DEFAULT_KEYS.values(), "z", "Z", "f2", "j", ""])


@given(st.dictionaries(st.sampled_from([*DEFAULT_KEYS, "foo"]), KEYS))
def test_whatever_is_asked_for_each_key_has_one_action_and_what_is_refused_is_named(
    asked_for: dict[str, str],
) -> None:
    own_keys, complaints = settle(asked_for)
    in_force = keys_in_force(own_keys)
    assert len(set(in_force.values())) == len(DEFAULT_KEYS)
    assert {complaint.split(":")[0] for complaint in complaints} == set(asked_for) - set(own_keys)


async def test_a_remapped_key_stays_at_its_place_in_the_footer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keymap_path().write_text('[keys]\nedit = "E"\nnext-story = "f2"\n')
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, _pilot):
        footer = app.studio.query_one("#keys", Static)
        await eventually_async(
            lambda: str(footer.content).startswith("E edit calm  a accept  f2 next  d draft  c compare")
        )
