"""UTF-8 whatever the locale says: file names are bytes that somebody wrote as UTF-8, and so are stories."""

from __future__ import annotations

import os
import sys


def insist_on_utf8() -> None:
    """Begin this process again in Python's UTF-8 mode, unless file names are UTF-8 already.

    In a locale of another encoding, for example `en_US.ISO-8859-1` on a cluster, `fröhlich.txt` would be another name
    here than for the engine, which runs in UTF-8. Call it first: what was done before is done again.
    """
    if sys.getfilesystemencoding().replace("-", "").lower() == "utf8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
