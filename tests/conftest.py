"""What all tests share: the golden data, directories of their own, and models loaded once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.places import GOLDEN, ROOT, STARTUP

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models; many processes

hypothesis.settings.register_profile("tests", deadline=None)  # how long an example takes is up to the machine
hypothesis.settings.load_profile("tests")

if TYPE_CHECKING:
    from engine.compute.model.loaded import LoadedModel
    from tests.engine.service.running import Engine


@pytest.fixture(scope="session", autouse=True)
def _own_places() -> Iterator[None]:
    """No test touches the user's engine, cache or log; child processes import the package from this checkout."""
    home = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMYGDALA_CACHE", str(home / "cache"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.setenv("XDG_RUNTIME_DIR", str(home))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(STARTUP), str(ROOT)]))
        patch.delenv("AMYGDALA_SOCKET", raising=False)
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        yield
    from engine import client
    from tests.engine.service import forkserver

    for process in client._started:
        process.terminate()
        process.wait(30)
    forkserver.end()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The golden folder."""
    return GOLDEN


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A copy of the golden corpus that a test may change."""
    return Path(shutil.copytree(GOLDEN / "corpus", tmp_path / "corpus"))


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory with a short path: a Unix socket's has at most about a hundred bytes."""
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty activation cache for this test alone."""
    monkeypatch.setenv("AMYGDALA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of the module's engine."""
    return tmp_path_factory.mktemp("module") / "cache"


@pytest.fixture(scope="module")
def engine(module_cache: Path) -> Iterator[Engine]:
    """One engine process for the module: its worker loads the model once, and each test opens a corpus of its own."""
    from tests.engine.service.running import serving

    with serving(module_cache) as running:
        yield running


@pytest.fixture(scope="session")
def load_model() -> Callable[[str], LoadedModel]:
    """Load a golden model, or `embedded`, on the CPU; each is loaded once for all tests, so leave it as it is."""
    loaded: dict[str, LoadedModel] = {}

    def load(name: str) -> LoadedModel:
        from engine.compute.model import checkpoint
        from engine.settings import Settings

        if name not in loaded:
            model = name if name == "embedded" else str(GOLDEN / "models" / name)
            loaded[name] = checkpoint.load(Settings(model=model, device="cpu"))
        return loaded[name]

    return load


@pytest.fixture(scope="session")
def unknowing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama in a folder of its own: it cannot take some texts (`tests.engine.compute.model.altered`)."""
    from tests.engine.compute.model.altered import unknowing

    folder = tmp_path_factory.mktemp("unknowing") / "llama"
    shutil.copytree(GOLDEN / "models" / "llama", folder)
    return unknowing(folder)


@pytest.fixture(scope="session")
def unknowing_llama(unknowing_folder: Path) -> LoadedModel:
    """That model."""
    from engine.compute.model import checkpoint
    from engine.settings import Settings

    return checkpoint.load(Settings(model=str(unknowing_folder), device="cpu"))


@pytest.fixture(scope="session")
def llama(load_model: Callable[[str], LoadedModel]) -> LoadedModel:
    """The tiny llama."""
    return load_model("llama")
