"""The plug-in for LB dumps."""

from collections.abc import Mapping, Sequence

from jpps.attributes import LB_JDL_NAMESPACE, LB_NAMESPACE, LBTAG_NAMESPACE, at, text
from jpps.plugins.classad import ClassAdHandle, ClassAdPlugin
from jpps.plugins.interface import FileValue, StoredFile, UnknownAttribute, UnreadableFile
from jpps.plugins.lb import attributes, dump
from jpps.plugins.lb.digest import digest
from lb.model.times import Timestamp

URI = "urn:org.glite.jp.primary:lb"
#: Attributes taken from the job description (jp.md 2.9.1), which the original answered under a wrong name.
_FROM_JDL = {"vo": "VirtualOrganisation", "enodes": "max_nodes_running", "eproc": "NodeNumber"}


class LbPlugin:
    """Values of a job's LB dump. With a ClassAd plug-in also those of its job description."""

    name = "lb"
    types: Mapping[str, str] = {URI: "lb"}
    namespaces: Sequence[str] = (LB_NAMESPACE, LB_JDL_NAMESPACE, LBTAG_NAMESPACE)

    def __init__(self, classad: ClassAdPlugin | None = None) -> None:
        self._classad = classad

    def open(self, file: StoredFile) -> "LbHandle":
        return LbHandle(file.read(), self._classad)

    def committed(self, file: StoredFile) -> Sequence[tuple[str, str]]:
        return [(text(name), text(value)) for name, value in dump.colon_tags(file.read())]


class LbHandle:
    """One dump."""

    def __init__(self, data: bytes, classad: ClassAdPlugin | None) -> None:
        self._digest = digest(dump.read(data))
        self._classad = classad
        self._descriptions: list[tuple[ClassAdHandle, Timestamp]] | None = None

    def attr(self, name: str) -> Sequence[FileValue]:
        space, _, local = name.rpartition(":")
        if space == LBTAG_NAMESPACE:
            return self._tags(local)
        if space == LB_JDL_NAMESPACE:
            return self._described(local)
        if local.lower() in _FROM_JDL:
            return self._described(_FROM_JDL[local.lower()])
        teller = attributes.find(local)
        if teller is None:
            raise UnknownAttribute(name)
        told = teller(self._digest)
        return [] if told is None else [_value(told.content, told.time)]

    def _tags(self, name: str) -> list[FileValue]:
        wanted = name.lower()
        tagged = ((dump.tag(event), event.timestamp) for event in self._digest.events)
        return [_value(pair[1], time) for pair, time in tagged if pair is not None and pair[0].lower() == wanted]

    def _described(self, name: str) -> list[FileValue]:
        if self._classad is None:
            raise UnknownAttribute(name)
        if self._descriptions is None:
            self._descriptions = self._open_descriptions(self._classad)
        said = ((ad.value(name), time) for ad, time in self._descriptions)
        return [_value(content, time) for content, time in said if content is not None]

    def _open_descriptions(self, classad: ClassAdPlugin) -> list[tuple[ClassAdHandle, Timestamp]]:
        opened = []
        for event in self._digest.registrations:
            try:
                if source := event.get("jdl"):
                    opened.append((classad.open_text(text(source)), event.timestamp))
            except UnreadableFile:  # any text is accepted as a job description; only some are ClassAds
                continue
        return opened


def _value(content: str, time: Timestamp) -> FileValue:
    return FileValue(text(content), at(time[0]))
