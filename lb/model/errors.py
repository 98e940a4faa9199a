"""The one root of what this package says of input that it cannot take.

A line, an id, a document, a record, a stored state: whatever comes from outside is understood, or refused with an error
of this kind and no other. Each reader has a class of its own. ``TypeError`` and plain ``ValueError`` tell a caller that
he uses the package wrongly.
"""

from errno import EINVAL


class ModelError(ValueError):
    """Input that means nothing here, or nothing that may be done. The text is for people.

    ``code``: what LB answers, a code of its own or an errno (lb.md 15); ``field``: what is at fault, by its name in the
    form that was read, empty for the whole; ``position``: index of the character, -1 where there is none.
    """

    def __init__(self, text: str, *, code: int = EINVAL, field: str = "", position: int = -1) -> None:
        super().__init__(text)
        self.code = code
        self.field = field
        self.position = position
