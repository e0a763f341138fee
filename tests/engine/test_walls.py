"""Torch stays in its room: what a process imports is looked at in a fresh one."""

import pytest

from tests.engine.imports import HEAVY, loaded_after


@pytest.mark.parametrize(
    "module",
    [
        "engine.service.server", "engine.service.hosting.hosted", "engine.service.process.proxy",
        "engine.service.hosting.views",
        "engine.service.history.database", "engine.client", "engine.cli", "engine.cli.watch", "engine.cli.history",
        "engine.cli.log", "engine.cli.cache", "engine.cli.serve", "engine.cli.remote", "engine.cli.init",
        "engine.cli.export", "engine.cli.advise", "engine.cli.evidence_report", "engine.report.html",
        "engine.report.markdown",
        "engine.corpus", "engine.corpus.watch", "engine.wire.protocol", "engine.settings", "engine.triage",
        "engine.wire.jobs", "engine.prose.copies", "engine.prose.apart", "engine.prose.giveaway",
        "engine.prose.openings", "engine.prose.confounds",
        "engine.paths", "engine.wire.snapshot", "engine.wire.revisions",
    ],
)  # fmt: skip
def test_torch_is_not_imported_by(module: str) -> None:
    assert loaded_after(f"import {module}", *HEAVY) == []


@pytest.mark.parametrize("module", ["engine.client", "engine.service.server", "engine.cli"])
def test_nothing_that_draws_is_imported_by(module: str) -> None:
    assert loaded_after(f"import {module}", "textual", "rich", "watchfiles") == []


def test_torch_is_noticed_where_it_is_imported() -> None:
    assert loaded_after("import engine.compute.live.corpus", *HEAVY) == ["torch"]
