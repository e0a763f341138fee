"""What the command line prints of stories that are to be fixed, and of concepts."""

from __future__ import annotations

import msgspec
import pytest

from engine.cli import report
from engine.corpus import Accepted
from engine.verdicts import ConceptVerdict, Finding
from tests.engine.report.making import corpus, results


def test_accepted_stories_are_counted_and_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    of = corpus()
    judged = results(of, flagged=2)
    report.summary(judged, {}, of, 0.9)
    assert "2 stories are misread, worst first:" in capsys.readouterr().out
    first, second = of.stories[:2]
    of = msgspec.structs.replace(of, accepted={first.path: Accepted(text_id=first.text_id, reason="")})
    report.summary(judged, {}, of, 0.9)
    printed = capsys.readouterr().out
    assert "1 story is misread (1 accepted), worst first:" in printed
    assert first.path not in printed
    assert second.path in printed
    assert list(report.to_fix(judged, of)) == [second.path]


def test_concepts_are_told_as_the_studio_tells_them(capsys: pytest.CaptureFixture[str]) -> None:
    report._concepts(
        {
            "calm": ConceptVerdict(finding=Finding.HEALTHY, reasons=[]),
            "joy": ConceptVerdict(finding=Finding.ALIKE, rival="calm", reasons=["51 of 100 pairs right"]),
            "awe": ConceptVerdict(finding=Finding.UNKNOWN, missing=2, reasons=[]),
        }
    )
    assert capsys.readouterr().out.splitlines() == [
        "",
        "3 concepts: 1 worth a look, 1 as chance would have it, 1 without a verdict yet",
        "  joy  told like calm: 51 of 100 pairs right",
        "  no verdict yet: awe (write 2 more)",
    ]


def test_where_nothing_was_judged_the_classic_buckets_are_named_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    of = corpus()
    report.summary(msgspec.structs.replace(results(of), evidence=[]), {}, of, 0.9)
    printed = capsys.readouterr().out
    assert "--quality-report judges them" in printed
    assert "Classic buckets" in printed
