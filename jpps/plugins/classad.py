"""ClassAd texts, such as job descriptions (jp.md 2.7): namespace http://jdl."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import classad2

from jpps.attributes import JDL_NAMESPACE, text
from jpps.plugins.interface import FileValue, StoredFile, UnreadableFile

URI = "urn:org.glite.jp.primary:classad"
#: Operators in one text. The engine walks chains of them by recursion and ends the process in chains of 50,000.
MAX_OPERATORS = 20_000
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_OPERATOR = re.compile(r"[-+*/%<>!&|^~?.]")
_EPOCH = datetime.fromtimestamp(0, UTC)


class ClassAdPlugin:
    """Values of ClassAd attributes: the string they evaluate to, else the text of their expression."""

    name = "classad"
    types: Mapping[str, str] = {URI: "classad"}
    namespaces: Sequence[str] = (JDL_NAMESPACE,)

    def open(self, file: StoredFile) -> "ClassAdHandle":
        return ClassAdHandle(text(file.read()), file.modified)

    def open_text(self, text: str) -> "ClassAdHandle":
        return ClassAdHandle(text, _EPOCH)

    def committed(self, file: StoredFile) -> Sequence[tuple[str, str]]:
        return ()


class ClassAdHandle:
    """One parsed ClassAd."""

    def __init__(self, source: str, time: datetime) -> None:
        bare = source.strip()
        if len(_OPERATOR.findall(_STRING.sub("", bare))) > MAX_OPERATORS:
            raise UnreadableFile(f"more than {MAX_OPERATORS} operators in a ClassAd")
        try:
            self._ad = classad2.ClassAd(bare if bare.startswith("[") else f"[ {bare} ]")
        except classad2.ClassAdException as error:
            raise UnreadableFile("not a ClassAd") from error
        self._time = time

    def attr(self, name: str) -> Sequence[FileValue]:
        content = self.value(name.rpartition(":")[2])
        return [] if content is None else [FileValue(content, self._time)]

    def value(self, attribute: str) -> str | None:
        """Return the value of the attribute (any case) as text, None when it is missing or undefined."""
        try:
            evaluated = self._ad.eval(attribute)
        except KeyError:
            return None
        except classad2.ClassAdException:  # no value, but the expression is there
            evaluated = None
        if isinstance(evaluated, str):
            return evaluated
        # The old format has each attribute on one line, lists and nested ads too.
        alone = classad2.ClassAd({"x": self._ad.lookup(attribute)})
        expression = alone.printOld().partition(" = ")[2].strip()
        return None if expression.lower() == "undefined" else expression
