"""What can be said of texts by reading them: no model, no disk, texts in and plain values out."""
