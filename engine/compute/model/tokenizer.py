"""Loading a model's tokenizer: from its own file where transformers would make the same of it, only more slowly.

transformers builds the tokenizers of many families anew: it reads the vocabulary of `tokenizer.json` into lists of
Python's and gives it to the family's own class, which adds its normaliser, pre-tokeniser and flags, whatever the file
says. With 262,144 entries that takes a second longer than reading the file as it stands, or two.

Whether the class leaves a file as it is, is asked of a miniature: the same file, of whose vocabulary only what may be a
special token is left, and no merges. If the class makes of it exactly what the file says, all but the vocabulary is
proven alike; and the classes of byte-pair encodings hand on the vocabulary and the merges as they are
(`test_tokenizer.py` asks each of them). In any other case transformers loads the tokenizer whole.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from engine.compute.model.folder import TOKENIZER_FILES

FILE = "tokenizer.json"
HANDED_ON = "BPE"
"""The kind of vocabulary that classes hand on as it is; those of others look into it."""
BRACKETS = {"<": ">", "[": "]"}
"""What special tokens begin and end with; a class may look for one that no file names."""
OWN_PATTERN = "fix_mistral_regex"
"""A setting by which transformers changes a tokenizer if its vocabulary is large, which no miniature shows."""

Raw = dict[str, msgspec.Raw]
"""A JSON object whose values are left as they stand."""


def load_tokenizer(folder: Path, *, trust_remote_code: bool) -> Any:
    """The tokenizer of a model's folder, as `AutoTokenizer` gives it; may raise anything if its files are damaged."""
    tokenizer = None if trust_remote_code else _of_file(folder)
    if tokenizer is None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=trust_remote_code)
    tokenizer.truncation_side = "right"  # a long story is read from its beginning, whatever its tokenizer prefers
    return tokenizer


def _of_file(folder: Path) -> Any | None:
    """The tokenizer that `tokenizer.json` describes; None where there is none that its class would leave as it is."""
    import tokenizers
    from transformers import AutoConfig, AutoTokenizer

    miniature = _miniature(folder)
    if miniature is None:
        return None
    try:
        with tempfile.TemporaryDirectory() as small:
            for file in {folder / "config.json", *(file for name in TOKENIZER_FILES for file in folder.glob(name))}:
                if file.is_file() and file.name != FILE:
                    (Path(small) / file.name).symlink_to(file.resolve())
            (Path(small) / FILE).write_bytes(miniature)
            config = AutoConfig.from_pretrained(str(folder))  # it has the model's name, by which a class may be chosen
            tokenizer = AutoTokenizer.from_pretrained(small, config=config)
        as_file_says = tokenizers.Tokenizer.from_str(miniature.decode())
        if tokenizer.backend_tokenizer.to_str() != as_file_says.to_str() or OWN_PATTERN in tokenizer.init_kwargs:
            return None
        whole = tokenizers.Tokenizer.from_file(str(folder / FILE))
    except Exception:  # a tokenizer that cannot be made in this way; what is wrong with it, the usual way will say
        return None
    whole.encode_special_tokens = tokenizer.backend_tokenizer.encode_special_tokens
    tokenizer._tokenizer = whole  # transformers takes a backend only to copy it, which takes as long as to read it
    tokenizer.name_or_path = str(folder)
    return tokenizer


def _miniature(folder: Path) -> bytes | None:
    """`tokenizer.json` without merges, and with only what may be special tokens of its vocabulary; None if it cannot be
    made so small."""
    try:
        described = msgspec.json.decode((folder / FILE).read_bytes(), type=Raw)
        model = msgspec.json.decode(described["model"], type=Raw)
        if msgspec.json.decode(model["type"]) != HANDED_ON:
            return None
        vocabulary = msgspec.json.decode(model["vocab"], type=dict[str, int])
        added = msgspec.json.decode(described.get("added_tokens", b"[]"), type=list[Added])
    except (OSError, msgspec.DecodeError, KeyError):
        return None
    special = {token.content for token in added} | {token for token in vocabulary if _may_be_special(token)}
    model["vocab"] = _raw({token: vocabulary[token] for token in vocabulary if token in special})
    model["merges"] = _raw([])
    described["model"] = _raw(model)
    return msgspec.json.encode(described)


class Added(msgspec.Struct):
    """A token that is found before all others. Its other fields are left as they stand."""

    content: str


def _may_be_special(token: str) -> bool:
    return token[:1] in BRACKETS and token[-1:] == BRACKETS[token[0]]


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
