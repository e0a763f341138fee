"""Texts in, token ids out. A text of which no tokens can be made that the model knows is told apart from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.compute.model.unreadable import UnreadableText, in_words, is_of_one_text


@dataclass(frozen=True)
class Tokens:
    """The tokens of one text."""

    ids: list[int]
    """One or more."""
    truncated: bool
    """Whether the text has more of them."""


class TokenizerPanic(Exception):
    """A tokenizer written in Rust panicked. Its own exception is none that `except Exception` sees."""


def tokenize(tokenizer: Any, texts: Sequence[str], max_length: int, vocabulary: int) -> list[Tokens | UnreadableText]:
    """The tokens of each text, or why there are none. A text on which the tokenizer fails is found by halving.

    Args:
        tokenizer: the model's.
        texts: one or more.
        max_length: tokens of a text at most; the tokenizer cuts, and keeps its closing token.
        vocabulary: how many tokens the model has embeddings for. A GPU that is given another one fails for good.

    Raises:
        OSError, MemoryError: the machine failed, not a text.
    """
    try:
        sequences = encode(tokenizer, list(texts))["input_ids"]
        return [
            _tokens(tokenizer, text, ids, max_length, vocabulary) for text, ids in zip(texts, sequences, strict=True)
        ]
    except Exception as error:
        if not is_of_one_text(error):
            raise
        if len(texts) == 1:
            return [UnreadableText(texts[0], f"its tokenizer fails on it ({in_words(error)})")]
    middle = len(texts) // 2
    halves = texts[:middle], texts[middle:]
    return [tokens for half in halves for tokens in tokenize(tokenizer, half, max_length, vocabulary)]


def encode(tokenizer: Any, texts: str | list[str], **options: Any) -> Any:
    """What a tokenizer says of a text, or of several.

    Raises:
        TokenizerPanic: it panicked.
        Exception: it failed, each kind of tokenizer in its own way.
    """
    try:
        return tokenizer(texts, verbose=False, **options)
    except BaseException as error:
        if type(error).__module__ == "pyo3_runtime":
            raise TokenizerPanic(str(error)) from error
        raise


def _tokens(tokenizer: Any, text: str, ids: list[int], max_length: int, vocabulary: int) -> Tokens | UnreadableText:
    is_long = len(ids) > max_length
    if is_long:
        ids = encode(tokenizer, text, truncation=True, max_length=max_length)["input_ids"]
    if not ids:
        return UnreadableText(text, "its tokenizer makes no token of it")
    for token in (max(ids), min(ids)):
        if not 0 <= token < vocabulary:
            return UnreadableText(
                text, f"its tokenizer makes token {token} of it, and the model knows {vocabulary} tokens"
            )
    return Tokens(ids, is_long)
