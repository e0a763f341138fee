"""What a writer's tools do to a corpus: new stories, moves, renames, deletions, each a task that can be undone.

The engine only reads corpora and never comes here.
"""
