"""What the number of a message says of it, to who puts it (roles.py) and to who judges what came (books.py)."""
import random

FILTER = "odd.> third"
KEYS = 10
DELAY = 3000                #  ms at most


def subject(number):
    return "odd.one" if number % 2 else "third" if number % 3 == 0 else "even"


def fits(number):
    """Whether FILTER lets its subject through."""
    return number % 2 == 1 or number % 3 == 0


def key(number):
    return random.Random(number).randrange(KEYS)


def delay(number):
    """A quarter has none."""
    dice = random.Random(number)
    return dice.choice((0, 1, 1, 1)) * dice.randint(0, DELAY)
