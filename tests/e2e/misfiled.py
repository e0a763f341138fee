"""A corpus of 8 concepts in 10 scenarios, ten of whose stories stand under a wrong name; and the right texts.

Made of phrases, so that each story is told apart plainly and the same ones are misread every time.
"""

from __future__ import annotations

from pathlib import Path

SCENARIOS = {
    "kitchen": "It was in the kitchen, after supper.",
    "harbour": "It was at the harbour, with the boats coming in.",
    "school": "It was at school, on the last day of term.",
    "station": "It was at the station, on the second platform.",
    "garden": "It was in the garden behind the house.",
    "office": "It was at the office, late in the week.",
    "market": "It was at the market, between two stalls.",
    "hospital": "It was in the hospital's long corridor.",
    "mountain": "It was on the mountain, above the last hut.",
    "library": "It was in the library, in the reading room.",
}
PHRASES = {
    "furious": """He slammed his fist on the wood and shouted at them to get out.
Her face was red with rage and she could not stop yelling.
He tore the letter to pieces and threw them at the man's head.
She swore at him, louder each time, and kicked the door.
How dare they, he roared, how dare they treat him like that!
Her hands shook with anger and she wanted to break something.
He hurled the plate against the wall and cursed them all.
She hated him for it, and she screamed it into his face.""",
    "joyful": """She laughed out loud and danced about with her arms in the air.
He was so happy that he sang, and everybody sang with him.
They hugged and jumped and cheered, it was the best day of all.
Her heart was light, and she smiled at every stranger.
He giggled with delight and spun the little girl round and round.
It was wonderful, wonderful, and she clapped her hands for joy.
He whistled a merry tune and skipped like a boy.
They beamed at each other, full of sunshine and cake and music.""",
    "terrified": """She froze, her heart pounding, too scared to breathe.
Something was coming for him in the dark and he could not run.
Her scream stuck in her throat as the steps came closer.
He trembled with fear and crawled under the table to hide.
Cold sweat ran down her back; it would kill her if it found her.
He stared at the dark doorway in horror and prayed.
She backed against the wall, her eyes wide with terror.
His knees gave way, and he whimpered, do not let it see me.""",
    "lonely": """Nobody had spoken to her for days, and nobody would today.
He sat by himself, as always, with an empty chair across from him.
She set one place, and listened to how quiet it was without anyone.
He had no one to tell it to, no friend, no neighbour, not a soul.
She watched the others go off together and stayed behind alone.
The telephone had not rung since spring; he looked at it all the same.
She talked to the radio, since there was no other voice.
He missed company so much that he read old birthday cards.""",
    "proud": """She held the medal up for all to see, her chin high.
He had built it with his own two hands, and he told everyone so.
That is my daughter, she said, first in her class, and pointed.
He polished the trophy and put it where every visitor must look.
She had done it, after years of work, and her name was on the plaque.
He straightened his back and let them admire his achievement.
She had won the prize and kept the certificate in a golden frame.
He boasted a little of his son's honours, his chest swelling.""",
    "disgusted": """The meat was grey and crawling with maggots, and she gagged.
He retched at the stench of rot and covered his nose.
There was slime on it, and hair, and her stomach turned.
He spat it out and wiped his tongue, it tasted of vomit.
The filth stuck to her fingers and she shuddered with revulsion.
He could not look at the pus without feeling sick.
It stank of sewage, and she held her breath so as not to throw up.
He pushed the mouldy, dripping thing away, repelled.""",
    "curious": """What was inside, she wondered, and put her ear to the box.
He asked how it worked, and why, and what that little wheel was for.
She peeked through the keyhole to find out what made the sound.
He turned it over and over, looking for the hidden catch.
There had to be an explanation, and she leafed on to discover it.
He followed the strange tracks to see where they would lead.
She took the clock apart to learn what made it tick.
He had a hundred questions about it, and each answer brought ten more.""",
    "grateful": """She thanked him again and again, with tears in her eyes.
He would never forget what they had done for him, he said.
She pressed the old woman's hands: you saved us, bless you.
He wrote a long letter of thanks to the stranger who had helped.
Without their kindness she would have had nothing, and she knew it.
He brought them flowers, and it was far too little for such help.
Thank you, she said, thank you, I owe you everything.
He was thankful for each of them, and for the bread they had shared.""",
}
MISFILED = {
    "paired/kitchen/joyful.txt": "furious",
    "paired/harbour/lonely.txt": "terrified",
    "paired/school/proud.txt": "disgusted",
    "paired/station/grateful.txt": "furious",
    "paired/garden/curious.txt": "lonely",
    "paired/office/furious.txt": "joyful",
    "paired/market/terrified.txt": "grateful",
    "paired/hospital/disgusted.txt": "curious",
    "paired/mountain/joyful.txt": "proud",
    "paired/library/lonely.txt": "disgusted",
}
"""Ten stories, each with the concept that its text is of."""
STEPS, OTHER_STEPS = (0, 1, 3, 4, 6), (0, 2, 4, 5, 7)
"""Which phrases a story has, from its scenario's number on; a misfiled one has others, so that no text stands twice."""


def right_text(path: str) -> str:
    """The text that belongs at a path."""
    _, scenario, name = path.split("/")
    return _text(name.removesuffix(".txt"), scenario, STEPS)


def write(corpus: Path) -> Path:
    """Write the corpus into a folder; returns that."""
    for scenario in SCENARIOS:
        for concept in PHRASES:
            path = f"paired/{scenario}/{concept}.txt"
            text = _text(MISFILED[path], scenario, OTHER_STEPS) if path in MISFILED else right_text(path)
            (corpus / path).parent.mkdir(parents=True, exist_ok=True)
            (corpus / path).write_text(text, "utf-8")
    (corpus / "stories").mkdir(exist_ok=True)
    return corpus


def _text(concept: str, scenario: str, steps: tuple[int, ...]) -> str:
    first = list(SCENARIOS).index(scenario)
    phrases = PHRASES[concept].split("\n")
    told = [phrases[(first + step) % len(phrases)] for step in steps]
    return " ".join([SCENARIOS[scenario], *told])
