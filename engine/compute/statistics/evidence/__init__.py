"""Which story is off, how sure that is, and how good a concept is: a rule with a probability, in closed forms.

    state = judge(stories)                                     # everything chosen from the corpus
    state.judgement.misfit, state.judgement.strengths
    edit = replaced(state, story, rows)                        # at once: the story and its scenario
    tuning = state.reading.tuning.carried(origins)             # then: all stories by what was chosen before,
    state = judge(after, None if tuning.is_outdated else tuning)   # or by what is chosen anew

`state.reading` is None where nothing can be told. A state holds the caller's rows and expects them not to change.
"""
