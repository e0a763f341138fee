"""What the evidence says of a corpus, for a reader who has neither studio nor stories at hand."""
