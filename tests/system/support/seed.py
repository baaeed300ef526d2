"""Where a test that goes by chance begins."""

import os
import random

USUAL = 20261129


def chance_seed() -> int:
    """BL_SEED, another one each time with BL_LONG=1, else always the same: what chance finds says nothing of a change."""
    given = os.environ.get("BL_SEED")
    if given:
        return int(given)
    return random.SystemRandom().randrange(2**32) if os.environ.get("BL_LONG") else USUAL
