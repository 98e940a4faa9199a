"""Computing elements out of GLUE 1.3 records (wms.md 3.3).

    GlueCE ── GlueForeignKey ──► GlueCluster ◄── GlueChunkKey ── GlueSubCluster (Host* attributes, run time)
       ▲  ▲                                                      GlueCESEBind (close storage elements)
       │  └── GlueCESEBindCEUniqueID
       └── GlueChunkKey ── GlueVOView: an element of its own for the access rules that it claims
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import classad2

from wms.infosys.ldif import Record
from wms.infosys.names import CeId, CeIdError
from wms.infosys.schema import AdValue, value_of

log = logging.getLogger(__name__)

#: `PurchasedBy` of an ad that came from GLUE 1.3 records (wms.md 3.1).
PURCHASER = "II_G13_purchaser"
ACCESS_RULE = "GlueCEAccessControlBaseRule"
STORAGE_GROUP = "GlueCESEBindGroupSEUniqueID"
#: Names that are looked up here, in the one spelling used here: a directory may write them as it likes.
_SPELLING = {
    name.lower(): name
    for name in (
        ACCESS_RULE, STORAGE_GROUP, "GlueCEInfoHostName", "GlueCEImplementationName", "GlueCEPolicyMaxTotalJobs",
        "GlueCEStateTotalJobs",
    )
}
Attributes: TypeAlias = dict[str, AdValue]


@dataclass(frozen=True, slots=True, eq=False)
class ComputingElement:
    """One entry that jobs are matched with.

    `entry` is its key, the CE id or `<ceid>/<VO view>`. The ad is shared by all who match: it must not be changed.
    What every match looks at is taken out of the ad once, since a look-up in the ad leaks (stack.md 4); `access`
    (the access rules), `storage` (ids of close storage elements) and `implementation` are in lower case, because
    comparisons in ClassAd ignore case. The numbers are None when they are not published.
    """

    entry: str
    ceid: str
    name: CeId
    host: str
    rules: tuple[str, ...]
    access: frozenset[str]
    storage: frozenset[str]
    implementation: str
    max_total_jobs: int | None
    total_jobs: int | None
    ad: classad2.ClassAd

    def number(self, attribute: str) -> int | None:
        """The attribute as a whole number, None when it is absent or undefined. Not for use in every match."""
        return _number(self.ad.get(attribute))


def compose(records: Iterable[Record]) -> list[ComputingElement]:
    """The computing elements of a directory. Records that do not fit together are left out, with a line in the log."""
    directory = _Directory(records)
    return [element for record in directory.ces for element in _elements(directory, record)]


class _Directory:
    """The records by kind, which is the first component of their name, and by what they point at."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.ces: list[Record] = []
        self.clusters: dict[str, Record] = {}
        self.subclusters: dict[str, Record] = {}
        self.views: dict[str, list[Record]] = defaultdict(list)
        self.binds: dict[str, list[Record]] = defaultdict(list)
        self.groups: dict[str, list[str]] = defaultdict(list)
        for record in records:
            self._file(record)

    def _file(self, record: Record) -> None:
        (kind, value), *above = record.rdns()
        parent = above[0][1] if above else ""
        match kind:
            case "glueceuniqueid":
                self.ces.append(record)
            case "glueclusteruniqueid":
                self.clusters[value] = record
            case "gluesubclusteruniqueid":
                self.subclusters.setdefault(_key(record, "GlueChunkKey", "GlueClusterUniqueID") or parent, record)
            case "gluevoviewlocalid":
                self.views[_key(record, "GlueChunkKey", "GlueCEUniqueID") or parent].append(record)
            case "gluecesebindseuniqueid":
                self.binds[_first(record, "GlueCESEBindCEUniqueID") or parent].append(record)
            case "gluecesebindgroupceuniqueid":
                self.groups[value] += record.values(STORAGE_GROUP)


def _elements(directory: _Directory, record: Record) -> Iterator[ComputingElement]:
    ceid = _first(record, "GlueCEUniqueID") or record.rdns()[0][1]
    try:
        name = CeId.parse(ceid)
    except CeIdError as error:
        log.warning("computing element left out: %s", error)
        return
    cluster_id = _key(record, "GlueForeignKey", "GlueClusterUniqueID") or _first(record, "GlueCEInfoHostName") or ""
    cluster, subcluster = directory.clusters.get(cluster_id), directory.subclusters.get(cluster_id)
    if cluster is None or subcluster is None:
        log.warning("%s left out: no cluster with a subcluster has the id %r", ceid, cluster_id)
        return
    # What the element says of itself wins over what its worker nodes have in common.
    attributes = _attributes(subcluster) | _attributes(record) | _derived(name, record, cluster)
    attributes |= _storage(directory, ceid)
    yield from _with_views(name, ceid, attributes, directory.views[ceid])


def _with_views(name: CeId, ceid: str, base: Attributes, views: list[Record]) -> Iterator[ComputingElement]:
    """One element per view that has access rules, and the bare one for the rules that no view has claimed."""
    claimed: set[str] = set()
    for view in views:
        rules = view.values(ACCESS_RULE)
        if not rules:
            continue
        claimed.update(rule.lower() for rule in rules)
        yield _element(f"{ceid}/{view.rdns()[0][1].removeprefix('/')}", name, ceid, base | _attributes(view))
    left = [rule for rule in _texts(base.get(ACCESS_RULE)) if rule.lower() not in claimed]
    if left or not claimed:
        yield _element(ceid, name, ceid, base | {ACCESS_RULE: left})


def _element(entry: str, name: CeId, ceid: str, attributes: Attributes) -> ComputingElement:
    ad = classad2.ClassAd()
    for attribute, value in attributes.items():
        ad[attribute] = value
    rules = tuple(_texts(attributes.get(ACCESS_RULE)))
    return ComputingElement(
        entry=entry,
        ceid=ceid,
        name=name,
        host=str(attributes["GlueCEInfoHostName"]),
        rules=rules,
        access=frozenset(rule.lower() for rule in rules),
        storage=frozenset(se.lower() for se in _texts(attributes.get(STORAGE_GROUP))),
        implementation=str(attributes.get("GlueCEImplementationName", "")).lower(),
        max_total_jobs=_number(attributes.get("GlueCEPolicyMaxTotalJobs")),
        total_jobs=_number(attributes.get("GlueCEStateTotalJobs")),
        ad=ad,
    )


def _number(value: object) -> int | None:
    """Undefined is a member of an integer enumeration, and no number."""
    return value if isinstance(value, int) and not isinstance(value, bool | classad2.Value) else None


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _attributes(record: Record) -> Attributes:
    """The record's attributes as ad values; only GLUE's own (wms.md 3.2)."""
    return {
        _SPELLING.get(name.lower(), name): value_of(name, texts)
        for name, texts in record.attributes.items()
        if name.lower().startswith("glue")
    }


def _derived(name: CeId, record: Record, cluster: Record) -> Attributes:
    site = _key(cluster, "GlueForeignKey", "GlueSiteUniqueID")
    return {
        "GlueCEUniqueID": str(name),
        "GlueCEInfoHostName": _first(record, "GlueCEInfoHostName") or name.host,
        "GlobusResourceContactString": name.contact,
        "LRMSType": _first(record, "GlueCEInfoLRMSType") or name.lrms,
        "QueueName": name.queue,
        "CEid": str(name),
        "GlueSiteUniqueID": site if site else classad2.Value.Undefined,
        "PurchasedBy": PURCHASER,
    }


def _storage(directory: _Directory, ceid: str) -> Attributes:
    """The close storage elements, each with `name` and `mount`, and the list of their ids."""
    close = []
    for bind in directory.binds[ceid]:
        ad = classad2.ClassAd()
        for attribute, value in _attributes(bind).items():
            ad[attribute] = value
        ad["name"] = bind.rdns()[0][1]
        ad["mount"] = _first(bind, "GlueCESEBindCEAccesspoint") or classad2.Value.Undefined
        close.append(ad)
    groups = directory.groups[ceid] or [bind.rdns()[0][1] for bind in directory.binds[ceid]]
    return {"CloseStorageElements": close, STORAGE_GROUP: groups}


def _first(record: Record, name: str) -> str | None:
    values = record.values(name)
    return values[0] if values else None


def _key(record: Record, attribute: str, wanted: str) -> str | None:
    """The value of `wanted` in a key attribute, whose values look like `GlueClusterUniqueID=ce.example.org`."""
    pairs = (value.partition("=") for value in record.values(attribute))
    return next((value for name, _, value in pairs if name.lower() == wanted.lower()), None)


