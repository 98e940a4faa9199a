"""From a text in the directory to a ClassAd value, by the GLUE 1.3 schema (wms.md 3.2).

A directory server says in its schema which attributes are numbers (integerMatch) and which hold several values. A file
has no schema, so the two sets stand here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import classad2

#: One value in an ad. Lists hold texts.
AdValue: TypeAlias = str | int | bool | classad2.Value | Sequence[str] | Sequence[classad2.ClassAd]

_NUMBERS = re.compile(
    r"""
      gluecestate(?!status$)\w+                    # counters and response times
    | gluecepolicy\w+
    | gluece(infototalcpus|infogatewayport)
    | gluecesebindweight
    | gluehost(mainmemory(ramsize|virtualsize|ramavailable|virtualavailable)|architecturesmpsize)
    | gluehost(processorclockspeed|benchmarksi00|benchmarksf00|networkadaptermtu|smpload\w+|processorload\w+)
    | gluesubcluster(logical|physical)cpus
    | glue(se|sa)(state(?!status$)\w+|total\w*size|used\w*size|free\w*size|reserved\w*size|size(total|free))
    | gluesaquota | gluesapolicy(maxfilesize|minfilesize|maxdata|maxnumfiles|maxpinduration|quota)
    | gluese(port|accessprotocolport|controlprotocolport|accessprotocolmaxstreams)
    | glueschemaversion(major|minor)
    """,
    re.VERBOSE,
)
_LISTS = frozenset(
    [
        "gluececapability", "glueceaccesscontrolbaserule", "glueforeignkey", "gluechunkkey", "glueclusterservice",
        "gluecesebindgroupseuniqueid", "gluehostapplicationsoftwareruntimeenvironment", "gluesecapability",
        "glueserviceaccesscontrolrule", "gluesacapability", "gluesaaccesscontrolbaserule", "gluesiteotherinfo",
        "glueseaccessprotocolcapability", "glueseaccessprotocolsupportedsecurity", "gluesitesponsor",
        "gluesecontrolprotocolcapability",
    ]
)
_BARE: dict[str, AdValue] = {"true": True, "false": False, "undefined": classad2.Value.Undefined}
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def is_list(name: str) -> bool:
    return name.lower() in _LISTS


def is_number(name: str) -> bool:
    return _NUMBERS.fullmatch(name.lower()) is not None


def value_of(name: str, texts: list[str]) -> AdValue:
    """The ad value of an attribute: the list for a many-valued one, otherwise a number, a bare word or a text.

    A number attribute whose text is no number becomes undefined: a requirement on it must not come out true.
    """
    if is_list(name):
        return list(texts)
    text = texts[0]
    if is_number(name):
        return int(text) if _INTEGER.fullmatch(text) else classad2.Value.Undefined
    return _BARE.get(text.lower(), text)
