"""Whose fault a failure is: one text's, the model's, or the machine's."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from engine.errors import AmygdalaError
from engine.plain import escaped

MEMORY = re.compile(r"out of memory|(can't|cannot) allocate memory|not enough memory", re.IGNORECASE)
DEVICE = re.compile(r"AcceleratorError|CUDA|CUDNN|cuDNN|CUBLAS|CUSOLVER|NCCL|HIP error")
"""What errors of a GPU and of its libraries say of themselves; a name of a device, such as `cuda:0`, does not match."""
WORDS = 200
"""Characters of an error's message that are passed on."""


class UnreadableText(AmygdalaError):
    """One text that the model, or its tokenizer, cannot take; the others are as good as ever.

    Args:
        text: the text.
        reason: why, in words.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"the model cannot take the story {text[:40]!r}: {reason}")
        self.text = text
        self.reason = reason


def is_out_of_memory(error: Exception) -> bool:
    """A GPU raises an exception of its own for it; the CPU's allocator and other devices only say it in words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and MEMORY.search(str(error)) is not None


def is_of_one_text(error: Exception) -> bool:
    """Whether an error may come from one text of a batch.

    It may not if it is a fault of the machine (memory, a GPU, a disk), or in words for a person already.
    """
    if isinstance(error, AmygdalaError | OSError) or is_out_of_memory(error):
        return False
    return not (isinstance(error, RuntimeError) and DEVICE.search(f"{type(error).__name__} {error}"))


def in_words(error: Exception) -> str:
    """An error's kind and the first line of what it says, which may be taken from the text."""
    lines = str(error).strip().splitlines()
    return escaped(": ".join([type(error).__name__, *lines[:1]])[:WORDS])


def none_taken(model: str, reasons: Mapping[str, str]) -> AmygdalaError:
    """The error where a model takes no text at all: then the fault is its own.

    Args:
        model: its name.
        reasons: why it does not take a text, by text id.
    """
    reason = reasons[min(reasons)]
    if len(reasons) == 1:
        return AmygdalaError(f"{model} cannot take the only story: {reason}")
    return AmygdalaError(
        f"{model} cannot take any of {len(reasons)} stories, so the fault is its own or its tokenizer's: {reason}"
    )
