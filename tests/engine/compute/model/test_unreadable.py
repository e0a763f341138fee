"""A text that the model or its tokenizer cannot take is told apart from the others, which are read as ever."""

from __future__ import annotations

import dataclasses
import errno
import re
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.model.forward import Activation, Extractor
from engine.compute.model.loaded import LoadedModel
from engine.compute.model.unreadable import UnreadableText, in_words, is_of_one_text, none_taken
from engine.errors import AmygdalaError
from tests.engine.compute.live.lookup import lookup_model
from tests.engine.compute.model.altered import PANIC, UNKNOWN
from tests.engine.compute.model.extracting import extract

GOOD = ["Rain.", "She waited at the door until the light went out.", "A dog.", "He laughed, and sat down."]
MACHINE = [
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


def outcomes(extractor: Extractor, texts: Sequence[str]) -> list[Activation | UnreadableText]:
    read = [outcome for batch in extractor.run(texts) for outcome in batch]
    assert sorted(i for i, _ in read) == list(range(len(texts))), "each text has one outcome"
    return [outcome for _, outcome in sorted(read, key=lambda outcome: outcome[0])]


def reason(outcome: Activation | UnreadableText) -> str:
    assert isinstance(outcome, UnreadableText)
    return outcome.reason


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (f"{UNKNOWN} She laughed.", r"makes token \d+ of it, and the model knows \d+ tokens"),
        (PANIC, r"its tokenizer fails on it \(TokenizerPanic: Onig: .*retry-limit-in-match over\)"),
    ],
)
def test_a_text_that_the_tokenizer_spoils_is_told_and_the_others_are_read_as_without_it(
    unknowing_llama: LoadedModel, bad: str, words: str
) -> None:
    extractor = Extractor(unknowing_llama, [1, 2], pooling="mean")
    read = outcomes(extractor, [*GOOD[:2], bad, *GOOD[2:]])
    assert isinstance(read[2], UnreadableText)
    assert read[2].text == bad
    assert re.search(words, read[2].reason)
    for ours, expected in zip(read[:2] + read[3:], extract(extractor, GOOD), strict=True):
        assert isinstance(ours, Activation)
        torch.testing.assert_close(ours.x, expected.x, rtol=0, atol=0)


def test_the_tokenizer_goes_on_after_a_panic(unknowing_llama: LoadedModel) -> None:
    extractor = Extractor(unknowing_llama, [1], pooling="last")
    (before,) = extract(extractor, GOOD[:1])
    assert "TokenizerPanic" in reason(outcomes(extractor, [PANIC])[0])
    (after,) = extract(extractor, GOOD[:1])
    torch.testing.assert_close(before.x, after.x, rtol=0, atol=0)


def test_a_text_without_tokens_is_told(load_model: Any) -> None:
    empty, rain = outcomes(Extractor(load_model("gpt2"), [1], pooling="last"), ["", "Rain."])
    assert reason(empty) == "its tokenizer makes no token of it"
    assert isinstance(rain, Activation)


@pytest.mark.parametrize("text", [f"{UNKNOWN} Hm.", PANIC])
def test_a_draft_that_the_model_cannot_take_is_an_error_of_its_own(unknowing_llama: LoadedModel, text: str) -> None:
    with pytest.raises(UnreadableText, match=re.escape(f"the model cannot take the story '{text[:8]}")):
        Extractor(unknowing_llama, [1], pooling="last").trace(text)


# Any failure of the forward pass

NAN, OUT_OF_RANGE, WORD = "7", "99", "word"
"""Texts of the table below: a row that is not finite, one that is not there, one that its tokenizer fails on."""
ROWS = 9


def table() -> LoadedModel:
    """A model of nine texts, one of which is not finite; it does not tell how many tokens it knows."""
    rows = torch.arange(ROWS * 3.0).reshape(ROWS, 3)
    rows[int(NAN)] = torch.nan
    return lookup_model(rows, "spoilt")


class Narrow(Extractor):
    """Runs out of memory where a batch has more texts than `most`; counts the passes."""

    most = 1 << 30
    passes = 0

    def _forward(self, sequences: list[list[int]]) -> Any:
        self.passes += 1
        if len(sequences) > self.most:
            raise torch.OutOfMemoryError("too much")
        return super()._forward(sequences)


@given(
    texts=st.lists(st.sampled_from([*"012345678", NAN, OUT_OF_RANGE, WORD]), max_size=12),
    batch_size=st.integers(1, 12),
    most=st.integers(1, 12),
    keep_tokens=st.booleans(),
)
def test_each_text_has_the_outcome_that_it_has_by_itself(
    texts: list[str], batch_size: int, most: int, keep_tokens: bool
) -> None:
    model = table()
    extractor = Narrow(model, [0, 2], pooling="last", batch_size=batch_size, keep_tokens=keep_tokens)
    extractor.most = most
    for text, ours in zip(texts, outcomes(extractor, texts), strict=True):
        (alone,) = outcomes(Extractor(model, [0, 2], pooling="last"), [text])
        if text in (NAN, OUT_OF_RANGE, WORD):
            assert reason(ours) == reason(alone)
        else:
            assert isinstance(ours, Activation)
            assert isinstance(alone, Activation)
            torch.testing.assert_close(ours.x, alone.x, rtol=0, atol=0)


def test_reasons_say_what_happened() -> None:
    reasons = [reason(outcome) for outcome in outcomes(Extractor(table(), [1], pooling="last"), [NAN, "99", "word"])]
    assert reasons == [
        "its activations are not finite; try --dtype fp32",
        "the model fails on it (IndexError: index out of range in self)",
        "its tokenizer fails on it (ValueError: invalid literal for int() with base 10: 'word')",
    ]


def test_one_text_among_many_costs_few_passes_more() -> None:
    extractor = Narrow(table(), [1], pooling="last")
    outcomes(extractor, ["99", *["1"] * 63])
    assert extractor.passes <= 1 + 2 * 6, "each of the six halvings of 64 texts tries two halves"


@pytest.mark.parametrize("fault", MACHINE, ids=str)
def test_a_fault_of_the_machine_is_no_texts(
    llama: LoadedModel, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(_: object) -> None:
        raise fault

    extractor = Extractor(llama, [1], pooling="last")
    monkeypatch.setattr(extractor, "_forward", fail)
    with pytest.raises(type(fault), match=re.escape(str(fault))):
        outcomes(extractor, GOOD)


def test_a_fault_of_the_machine_in_the_tokenizer_is_no_texts(llama: LoadedModel) -> None:
    def full(*_: object, **__: object) -> None:
        raise MACHINE[0]

    with pytest.raises(OSError, match="No space left"):
        outcomes(Extractor(dataclasses.replace(llama, tokenizer=full), [1], pooling="last"), GOOD)


def test_a_device_that_is_named_in_an_error_is_not_blamed() -> None:
    assert is_of_one_text(RuntimeError("Expected all tensors on one device, found cuda:0 and cpu"))
    assert is_of_one_text(NotImplementedError("no such kernel"))
    assert not is_of_one_text(getattr(torch, "AcceleratorError", torch.OutOfMemoryError)("unspecified launch failure"))
    assert not is_of_one_text(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert not is_of_one_text(RuntimeError("MPS backend out of memory"))
    assert not is_of_one_text(MemoryError())
    assert not is_of_one_text(AmygdalaError("in words already"))


def test_what_an_error_says_of_a_text_is_safe_for_a_terminal_and_short() -> None:
    assert in_words(ValueError("\x1b[2Jgone\nmore")) == r"ValueError: \x1b[2Jgone"
    assert len(in_words(ValueError("x" * 10_000))) == 200
    assert in_words(KeyError()) == "KeyError"


def test_a_model_that_takes_nothing_is_named() -> None:
    assert str(none_taken("m", {"b": "two", "a": "one"})).startswith("m cannot take any of 2 stories")
    assert str(none_taken("m", {"b": "two", "a": "one"})).endswith("its own or its tokenizer's: one")
    assert str(none_taken("m", {"a": "one"})) == "m cannot take the only story: one"
