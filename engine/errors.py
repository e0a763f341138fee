"""Errors written for people: what happened, to which file or flag, and what to do."""


class AmygdalaError(Exception):
    """Something failed that a person can act on; the message is shown as it is."""

    exit_code = 1


class UsageError(AmygdalaError):
    """A flag, a setting or an argument is wrong; nothing was started."""

    exit_code = 2
