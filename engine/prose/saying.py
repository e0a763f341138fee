"""What sets a story's wording apart, in a writer's words. Plain values in, words out: no numbers are read here."""

from __future__ import annotations

from collections.abc import Iterable

FORMS = {"I": "me, my", "we": "us, our", "you": "your", "he": "him, his", "she": "her", "they": "them, their"}


def difference(feature: str, is_word: bool, amount: float, usual: tuple[float, float]) -> str:
    """One feature as counts, of the story and of the others; it is said of "it" and "they".

    Args:
        feature: a name of `surface`, or a common word.
        is_word: whether it is a common word.
        amount: how much of it the story has, as in `Fact`.
        usual: between what amounts most of the others lie.
    """
    count, usually = _counts(amount, usual)
    match feature, is_word:
        case "length", False:
            return f"has {count} words; they have {usually}"
        case "sentence length", False:
            return f"has {count} words a sentence; they have {usually}"
        case "speech", False:
            return f"is {count} % speech; they are {usually} %"
        case "?", False:
            return f"has {count} question {_plural(count, 'mark')}; they have {usually}"
        case "!", False:
            return f"has {count} exclamation {_plural(count, 'mark')}; they have {usually}"
        case "-ed", False:
            return f'has {count} words that end in "-ed"; they have {usually}'
        case word, _:
            forms = "" if is_word else f" ({FORMS[word]})"
            return f'says "{word}"{forms} {count} {_plural(count, "time")}; they say it {usually} times'


def narrator(person: str | None, usual: str, n_usual: int, n_others: int) -> str:
    """Another narrator than most of the others have.

    Args:
        person: who tells the story; None where nobody is named often enough.
        usual: who tells most of the others.
        n_usual: how many of them.
        n_others: all the others.
    """
    teller = "it has no narrator" if person is None else f'its narrator is "{person}"'
    return f'{teller}; that of {n_usual} of the other {n_others} is "{usual}"'


def giveaways(said: Iterable[str]) -> str:
    """A story that says its concept's name, in these words."""
    words = ", ".join(f'"{each}"' for each in said)
    return f"It gives itself away: it says {words}."


def _counts(amount: float, usual: tuple[float, float]) -> tuple[int, str]:
    """The amount, and what is usual as a range that does not hold it, however the numbers are rounded."""
    count, (low, high) = round(amount), (round(bound) for bound in usual)
    if amount > usual[1]:
        high = min(high, max(count - 1, 0))
        low = min(low, high)
    elif amount < usual[0]:
        low = max(low, count + 1)
        high = max(low, high)
    return count, f"{low}" if low == high else f"{low} to {high}"


def _plural(count: int, thing: str) -> str:
    return thing if count == 1 else f"{thing}s"
