"""One corpus's live state: what a change to its stories does to every number about them."""
