"""C's ``int``, and whole numbers in text as its ``atoi`` reads them: the digits in front, 0 when there are none."""

import re
from typing import Final

INT_BITS: Final = 32
"""Size of C's ``int``, which all numbers of events and statuses have; what is larger is cut to it."""
INT_MIN: Final = -(1 << INT_BITS - 1)
INT_MAX: Final = (1 << INT_BITS - 1) - 1
LONG_BITS: Final = 64
"""Size of what ``atoi`` reads into; what is larger is the largest of them."""

_FORM: Final = re.compile(r"[ \t\n\v\f\r]*+([+-]?+)0*+([0-9]{0,20}+)")
"""20 digits are more than a long has, so the rest does not matter."""


def atoi(text: str) -> int:
    """The number that a text begins with, of 32 bits with sign."""
    match = _FORM.match(text)
    if match is None or not match[2]:
        return 0
    number = max(-(1 << LONG_BITS - 1), min(int(match[1] + match[2]), (1 << LONG_BITS - 1) - 1))
    return (number - INT_MIN) % (1 << INT_BITS) + INT_MIN
