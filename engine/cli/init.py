"""`engine init`: writes a settings file with every key explained."""

from __future__ import annotations

import argparse
import sys

from engine import settings
from engine.corpus import Layout
from engine.errors import AmygdalaError, UsageError


def init(arguments: argparse.Namespace) -> int:
    """Write `CORPUS/amygdala.toml`; settings passed as flags are set in it, the others are comments."""
    Layout.of(arguments.corpus)
    flag_values = settings.from_flags(arguments)
    if flag_values.pop("trust_remote_code", False):
        raise UsageError("--trust-remote-code is never written into a file: pass it to each command that needs it")
    settings.validate(flag_values)
    file = arguments.corpus / settings.FILE_NAME
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(settings.template(flag_values))
    except FileExistsError:
        raise UsageError(f"{file} is already there; edit it, or remove it first") from None
    except OSError as error:
        raise AmygdalaError(f"{file}: cannot be written: {error.strerror}") from error
    print(f"wrote {file}", file=sys.stderr)
    return 0
