"""Settings: defaults, then a corpus's file, then flags; whoever wrote a wrong one is told where."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine import settings
from engine.errors import UsageError
from engine.settings import FILE_NAME, Settings
from engine.triage import Thresholds


def toml(folder: Path, text: str) -> Path:
    file = folder / FILE_NAME
    file.write_text(text, "utf-8")
    return file


def flags(*words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    settings.add_flags(parser)
    return settings.from_flags(parser.parse_args(words))


def test_no_file_and_no_flags_are_the_defaults(tmp_path: Path) -> None:
    assert settings.load(tmp_path, {}) == Settings()


def test_flags_override_the_file_which_overrides_defaults(tmp_path: Path) -> None:
    toml(tmp_path, 'max_length = 100\npooling = "mean"\n')
    loaded = settings.load(tmp_path, flags("--max-length", "7"))
    assert (loaded.max_length, loaded.pooling, loaded.thin_below) == (7, "mean", 3)


def test_only_flags_that_were_given_count() -> None:
    assert flags() == {}
    assert flags("--pool-from", "0", "--trust-remote-code") == {"pool_from": 0, "trust_remote_code": True}


def test_every_setting_has_a_flag_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    settings.add_flags(parser)
    parser.print_help()
    said = capsys.readouterr().out
    assert all("--" + name.replace("_", "-") in said for name in Settings.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("\n# hm\nmax_lenght = 3\n", 3, "max_lenght: no such setting"),
        ('model = "x"\nmax_length = "long"\n', 2, "max_length: expected `int`"),
        ("max_length = 0", 1, "max_length: expected `int` >= 3"),
        ("\n\nredundant_r2 = 1.5", 3, "redundant_r2: expected `float` <= 1"),
        ('method = "magic"', 1, "method: one of pooled, whitened, subspace is expected"),
        ("thin_below = 1.5", 1, "thin_below: expected `int`"),
        ("max_length = true", 1, "max_length: expected `int`"),
        ("[model]\nname = 1", 1, "model: expected `str`"),
        ('\n"max_length" = "x"', 2, "max_length: expected `int`"),
        ("max_length_ = 1\n max_length = 'x'", 1, "max_length_: no such setting"),
    ],
)
def test_wrong_key_or_value_is_named_with_its_file_and_line(tmp_path: Path, text: str, line: int, key: str) -> None:
    file = toml(tmp_path, text)
    with pytest.raises(UsageError) as failure:
        settings.load(tmp_path, {})
    assert str(failure.value).startswith(f"{file}:{line}: {key}")


def test_unknown_key_is_told_what_there_is(tmp_path: Path) -> None:
    toml(tmp_path, "lenght = 3")
    with pytest.raises(UsageError, match=r"there are: model, .*max_length"):
        settings.load(tmp_path, {})


@pytest.mark.parametrize("content", [b"max_length = ", b"= 3", b"caf\xe9 = 1", b"a = 1\na = 2"])
def test_what_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(UsageError, match=r"amygdala\.toml: not valid TOML"):
        settings.load(tmp_path, {})


@pytest.mark.parametrize("value", ["true", "false", '"yes"'])
def test_a_file_may_not_decide_to_run_code(tmp_path: Path, value: str) -> None:
    file = toml(tmp_path, f"\ntrust_remote_code = {value}\n")
    with pytest.raises(UsageError, match="trust_remote_code is a flag") as failure:
        settings.load(tmp_path, flags("--trust-remote-code"))
    assert f"{file}:2:" in str(failure.value)


@pytest.mark.parametrize(
    "words", [("--max-length", "0"), ("--pool-from", "-1"), ("--redundant-r2", "2"), ("--thin-below", "0")]
)
def test_flag_out_of_range_is_named(tmp_path: Path, words: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=words[0].strip("-").replace("-", "_")):
        settings.load(tmp_path, flags(*words))


@pytest.mark.parametrize("source", ["flag", "file"])
def test_threshold_that_is_no_number_is_refused(tmp_path: Path, source: str) -> None:
    if source == "file":
        toml(tmp_path, "redundant_r2 = nan")
    with pytest.raises(UsageError, match="redundant_r2"):
        settings.load(tmp_path, flags("--redundant-r2", "nan") if source == "flag" else {})


def test_files_model_folder_is_relative_to_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus" / "model").mkdir(parents=True)
    toml(tmp_path / "corpus", 'model = "./model"')
    monkeypatch.chdir(tmp_path)
    assert settings.load(Path("corpus"), {}).model == str(tmp_path / "corpus" / "model")


def test_flags_model_folder_is_relative_to_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "corpus" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert settings.load(tmp_path / "corpus", {"model": "model"}).model == str(tmp_path / "model")


def test_model_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert settings.load(tmp_path, {"model": "~/model"}).model == str(tmp_path / "model")


def test_model_of_a_user_there_is_not_is_named(tmp_path: Path) -> None:
    from engine.compute.model.folder import locate

    with pytest.raises(UsageError, match="~nosuchuser/model"):
        locate(settings.load(tmp_path, {"model": "~nosuchuser/model"}).model)


def test_embedded_is_the_packaged_model_whatever_folder_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "embedded").mkdir()
    monkeypatch.chdir(tmp_path)
    assert settings.load(tmp_path, {"model": "embedded"}).model == "embedded"


def test_hub_id_stays_as_it_is(tmp_path: Path) -> None:
    assert settings.load(tmp_path, {"model": "org/some-model"}).model == "org/some-model"


def test_differences_are_told_in_words() -> None:
    mine, theirs = Settings(max_length=3, pooling="mean"), Settings()
    assert settings.differences(mine, theirs) == {
        "max_length": ("3", "512"),
        "pooling": ("mean", "the default for the model"),
    }
    assert settings.differences(mine, mine) == {}


def test_thresholds_are_the_settings_of_that_name() -> None:
    assert Settings().thresholds == Thresholds()
    assert Settings(redundant_r2=0.5, thin_below=9).thresholds == Thresholds(redundant_r2=0.5, thin_below=9)


# The file that `engine init` writes


def uncommented(text: str) -> str:
    """The template with every commented setting in force."""
    keys = tuple(f"# {name} =" for name in Settings.__struct_fields__)
    return "\n".join(line.removeprefix("# ") if line.startswith(keys) else line for line in text.splitlines())


def test_fresh_template_changes_nothing(tmp_path: Path) -> None:
    toml(tmp_path, settings.template({}))
    assert settings.load(tmp_path, {}) == Settings()


def test_template_sets_what_was_given(tmp_path: Path) -> None:
    overrides: dict[str, Any] = {
        "model": 'a "quoted" \\ päth\n',
        "redundant_r2": 0.25,
        "max_length": 9,
        "pooling": "mean",
    }
    toml(tmp_path, settings.template(overrides))
    assert settings.load(tmp_path, {}) == Settings(**overrides)


def test_template_names_every_setting_but_the_one_no_file_decides() -> None:
    text = settings.template({})
    for name in Settings.__struct_fields__:
        assert (f"# {name} = " in text) is (name != "trust_remote_code")


def test_uncommenting_every_line_of_the_template_parses(tmp_path: Path) -> None:
    text = uncommented(settings.template({}))
    assert len(tomllib.loads(text)) == len(Settings.__struct_fields__) - 1
    toml(tmp_path, text)
    settings.load(tmp_path, {})


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'\xef\xbb\xbfmax_length = 64\r\ndtype = "fp32"\r\n')
    loaded = settings.load(tmp_path, {})
    assert (loaded.max_length, loaded.dtype) == (64, "fp32")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"model = " + b"[" * 20_000 + b"]" * 20_000, "too deep"),
        (b"max_length = " + b"9" * 6_000, "not valid TOML"),
        (b"pool_from = 99999999999999999999999", "toml:1: pool_from: expected"),
        (b'\nmodel = "' + b"a" * 5_000 + b'"', "toml:2: model: expected"),
        (b"# " + b"x" * (64 << 10), "more than 64 KiB"),
        (b'model = "\xe9"', "not valid TOML"),
    ],
)
def test_malformed_file_of_any_kind_is_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(UsageError, match=words):
        settings.load(tmp_path, {})


def test_a_corpus_may_not_choose_the_model_whose_code_is_run(tmp_path: Path) -> None:
    toml(tmp_path, 'model = "some/model"\n')
    with pytest.raises(UsageError, match="--model some/model"):
        settings.load(tmp_path, {"trust_remote_code": True})
    loaded = settings.load(tmp_path, {"trust_remote_code": True, "model": "some/model"})
    assert loaded.trust_remote_code
