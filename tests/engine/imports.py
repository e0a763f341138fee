"""What a process imports, looked at in a fresh one."""

import subprocess
import sys

HEAVY = ("torch", "transformers")


def loaded_after(code: str, *names: str) -> list[str]:
    """Those of `names` that are in `sys.modules` once `code` has run in a new process."""
    check = f"import sys\n{code}\nprint([name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=120, check=True)
    loaded: list[str] = eval(done.stdout.splitlines()[-1])
    return loaded
