"""A tokenizer that is read from its own file is, to the last flag, the one that transformers would have built."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

from engine.compute.model.folder import locate
from engine.compute.model.tokenizer import _of_file, load_tokenizer
from tests import families
from tests.engine.compute.model.altered import change
from tests.places import GOLDEN, MODELS

TEXTS = [
    "She waited at the door until the light went out.", "  two spaces,  tabs\tand\nlines\r\n\r\n", "don't\u00a0stop",
    "I'm sure they'll say it's 1234567.", "雨が降る。 Дождь", "<s> [CLS] <mask> <extra> </s> <|end|>", "x",
    "naïve café \ufb01n \u216b \uff57ide",
]  # fmt: skip
COMMON = {
    "GPT2Tokenizer": "gpt2", "LlamaTokenizer": "llama", "GemmaTokenizer": "gemma3_text", "Qwen2Tokenizer": "qwen3",
    "GPTNeoXTokenizer": "gpt_neox", "CohereTokenizer": "cohere",
}  # fmt: skip
"""Classes of large models, each with a kind of model; their files must be taken as they are, which is what is fast."""
REBUILDING = ("GPT2Tokenizer", "LlamaTokenizer", "GemmaTokenizer", "Qwen2Tokenizer")
Change = Callable[[dict[str, Any]], object]
"""Changes a described `tokenizer.json`."""

OTHER_FILES: dict[str, Change] = {
    "a normaliser": lambda file: file.update(normalizer={"type": "Lowercase"}),
    "no normaliser": lambda file: file.update(normalizer=None),
    "a space in front": lambda file: file.update(
        pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    ),
    "merges that may be ignored": lambda file: file["model"].update(ignore_merges=True),
    "no fallback to bytes": lambda file: file["model"].update(byte_fallback=not file["model"]["byte_fallback"]),
    "another unknown token": lambda file: file["model"].update(unk_token="<pad>"),
    "a token beyond the vocabulary": lambda file: file["added_tokens"].append(added("<extra>", 512)),
    "a token that is not special": lambda file: file["added_tokens"].append(added("ing", 600, special=False)),
    "a special token with spaces": lambda file: file["added_tokens"].append(added("<mask>", 513, lstrip=True)),
    "truncation": lambda file: file.update(
        truncation={"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0}
    ),
    "no post-processor": lambda file: file.update(post_processor=None),
    "no special tokens": lambda file: file.update(added_tokens=[]),
}
OTHER_CONFIGS: dict[str, dict[str, Any]] = {
    "beginning": {"add_bos_token": True},
    "no beginning": {"add_bos_token": False},
    "end": {"add_bos_token": True, "add_eos_token": True},
    "a space in front": {"add_prefix_space": True},
    "a mask that no file has": {"mask_token": "<mask>"},
    "more special tokens": {"additional_special_tokens": ["<|end|>"]},
    "special tokens that are split": {"split_special_tokens": True},
    "tokens by id": {"added_tokens_decoder": {"520": {"content": "<extra>", "special": True}}},
    "another class": {"tokenizer_class": "GPTNeoXTokenizer", "add_prefix_space": False},
    "no class": {"tokenizer_class": None},
}


def added(content: str, token_id: int, **flags: bool) -> dict[str, Any]:
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": token_id, "content": content} | usual | flags


def byte_pair_classes() -> dict[str, str]:
    """The classes of transformers that make byte-pair encodings, each with a kind of model that has it."""
    kinds: dict[str, str] = {}
    for kind, name in TOKENIZER_MAPPING_NAMES.items():
        try:
            is_byte_pair = name is not None and tokenizer_class_from_name(name).model.__name__ == "BPE"  # type: ignore[union-attr]
        except (AttributeError, ImportError):  # of another kind, or of a package that is not installed
            continue
        if is_byte_pair and name != "MarkupLMTokenizer":  # which reads web pages
            kinds.setdefault(str(name), kind)
    return kinds


def write(folder: Path, name: str, kind: str) -> Path:
    """A folder with the tokenizer that a class makes of the golden vocabulary."""
    model = json.loads((GOLDEN / "models" / "llama" / "tokenizer.json").read_text("utf-8"))["model"]
    merges = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
    make: Any = tokenizer_class_from_name(name)
    make(vocab=model["vocab"], merges=merges).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    return folder


def assert_as_transformers_has_it(folder: Path) -> None:
    ours, theirs = both(folder)
    for keywords in ({}, {"truncation": True, "max_length": 7}):
        assert ours(TEXTS, **keywords)["input_ids"] == theirs(TEXTS, **keywords)["input_ids"]
    spans = {"return_offsets_mapping": True}
    assert ours(TEXTS, **spans)["offset_mapping"] == theirs(TEXTS, **spans)["offset_mapping"]


def both(folder: Path) -> tuple[Any, Any]:
    """Ours and transformers' tokenizer, which are the same in all that can be written down."""
    ours, theirs = load_tokenizer(folder, trust_remote_code=False), AutoTokenizer.from_pretrained(folder)
    assert type(ours) is type(theirs)
    assert ours.backend_tokenizer.to_str() == theirs.backend_tokenizer.to_str()
    assert ours.model_max_length == theirs.model_max_length
    assert ours.name_or_path == str(folder)
    theirs.truncation_side = "right"
    return ours, theirs


def test_every_byte_pair_class_has_its_tokenizer_whatever_it_is_read_from(tmp_path: Path) -> None:
    names = byte_pair_classes()
    for name, kind in names.items():
        both(write(tmp_path / name, name, kind))
    assert names.keys() >= COMMON.keys()


@pytest.mark.parametrize("name", COMMON)
def test_file_that_its_class_leaves_as_it_is_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, name, COMMON[name])
    assert _of_file(folder) is not None
    assert_as_transformers_has_it(folder)


@pytest.mark.parametrize("other", OTHER_FILES)
@pytest.mark.parametrize("name", [*REBUILDING, "TokenizersBackend"])
def test_file_that_its_class_would_change_is_changed(tmp_path: Path, name: str, other: str) -> None:
    made_by = "GPT2Tokenizer" if name == "TokenizersBackend" else name
    folder = write(tmp_path, made_by, "olmo" if name == "TokenizersBackend" else COMMON[name])
    change(folder / "tokenizer_config.json", tokenizer_class=name)
    described = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    OTHER_FILES[other](described)
    (folder / "tokenizer.json").write_text(json.dumps(described), "utf-8")
    assert_as_transformers_has_it(folder)
    if other in ("a normaliser", "merges that may be ignored"):
        assert (_of_file(folder) is None) is (name != "TokenizersBackend")


def test_class_that_is_chosen_by_a_models_name_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = Path("allenai") / "dolma2-tokenizer"
    folder = write(tmp_path / name, "GPT2Tokenizer", "gpt2")
    described = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    (folder / "tokenizer.json").write_text(json.dumps(described | {"normalizer": {"type": "Lowercase"}}), "utf-8")
    assert _of_file(folder) is None
    monkeypatch.chdir(tmp_path)
    assert type(load_tokenizer(name, trust_remote_code=False)).__name__ == "TokenizersBackend"
    assert_as_transformers_has_it(name)


@pytest.mark.parametrize("other", OTHER_CONFIGS)
@pytest.mark.parametrize("name", REBUILDING)
def test_what_a_configuration_asks_for_is_done(tmp_path: Path, name: str, other: str) -> None:
    folder = write(tmp_path, name, COMMON[name])
    change(folder / "tokenizer_config.json", **OTHER_CONFIGS[other])
    assert_as_transformers_has_it(folder)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_tokenizer_of_every_family_is_the_one_transformers_gives(tmp_path: Path, family: str) -> None:
    assert_as_transformers_has_it(families.make(family, tmp_path))


@pytest.mark.parametrize("name", [*MODELS, "embedded"])
def test_golden_tokenizer_is_the_one_transformers_gives(name: str) -> None:
    assert_as_transformers_has_it(locate(name) if name == "embedded" else GOLDEN / "models" / name)


@pytest.mark.parametrize("is_asked", [True, False])
def test_pattern_that_only_large_vocabularies_are_given_is_given(tmp_path: Path, is_asked: bool) -> None:
    folder = Path(shutil.copytree(GOLDEN / "models" / "llama", tmp_path / "mistral"))
    described = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    described["model"]["vocab"] |= {f"filler{i}": i for i in range(512, 100_100)}
    (folder / "tokenizer.json").write_text(json.dumps(described), "utf-8")
    change(folder / "config.json", model_type="mistral", transformers_version="4.50.0")
    if is_asked:
        change(folder / "tokenizer_config.json", fix_mistral_regex=True)
    assert_as_transformers_has_it(folder)
    assert (_of_file(folder) is None) is is_asked


@pytest.mark.parametrize("content", ["", "[]", "{", '{"model": {"type": "BPE", "vocab": [], "merges": []}}', "{}"])
def test_damaged_file_is_refused_as_transformers_refuses_it(tmp_path: Path, content: str) -> None:
    folder = write(tmp_path, "GemmaTokenizer", "gemma")
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(Exception) as theirs:  # whatever it is
        AutoTokenizer.from_pretrained(folder)
    with pytest.raises(type(theirs.value)):
        load_tokenizer(folder, trust_remote_code=False)
