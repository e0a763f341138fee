"""What the command line prints of stories that are to be fixed."""

from __future__ import annotations

import msgspec
import pytest

from engine.cli import report
from engine.corpus import Accepted
from tests.engine.report.making import corpus, results


def test_accepted_stories_are_counted_and_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    of = corpus()
    judged = results(of, flagged=2)
    report.summary(judged, {}, of)
    assert "2 stories are misread, worst first:" in capsys.readouterr().out
    first, second = of.stories[:2]
    of = msgspec.structs.replace(of, accepted={first.path: Accepted(text_id=first.text_id, reason="")})
    report.summary(judged, {}, of)
    printed = capsys.readouterr().out
    assert "1 story is misread (1 accepted), worst first:" in printed
    assert first.path not in printed
    assert second.path in printed
    assert list(report.to_fix(judged, of)) == [second.path]
