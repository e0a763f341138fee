"""Small corpora that a test may change, and what stands in them."""

from __future__ import annotations

from pathlib import Path

STORIES = {
    "stories/ashamed.txt": "She looked away.",
    "stories/curious.txt": "What was in the box?",
    "paired/power-cut/baseline.txt": "The lights went out.",
    "paired/power-cut/ashamed.txt": "He had not paid the bill.",
    "paired/power-cut/jealous.txt": "The fish had gone bad.",
    "paired/late-train/ashamed.txt": "All saw him run.",
}


def written(root: Path, stories: dict[str, str] | None = None) -> Path:
    """A corpus of these stories."""
    for path, text in (STORIES if stories is None else stories).items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, by path."""
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}
