"""The revisions of a corpus: numbered, recorded, compared."""
