"""`engine init`: a settings file with every key explained."""

from __future__ import annotations

import argparse
import sys

from engine import settings
from engine.corpus import Layout
from engine.errors import AmygdalaError, UsageError


def init(arguments: argparse.Namespace) -> int:
    """Write `CORPUS/amygdala.toml`; settings given as flags are set in it, the others stand there as comments."""
    Layout.of(arguments.corpus)
    given = settings.from_flags(arguments)
    if given.pop("trust_remote_code", False):
        raise UsageError("--trust-remote-code is never written into a file: pass it to each command that needs it")
    settings.validate(given)
    file = arguments.corpus / settings.FILE_NAME
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(settings.template(given))
    except FileExistsError:
        raise UsageError(f"{file} is already there; edit it, or remove it first") from None
    except OSError as error:
        raise AmygdalaError(f"{file}: cannot be written: {error.strerror}") from error
    print(f"wrote {file}", file=sys.stderr)
    return 0
