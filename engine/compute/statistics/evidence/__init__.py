"""Which story is off, how sure that is, and how good a concept is: a rule with a probability, in closed forms."""
