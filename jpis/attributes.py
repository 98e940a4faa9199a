"""Attribute names: the well-known ones, and how the index tells names apart (jp.md 2.8, 3.3)."""

import hashlib
from functools import lru_cache

SYSTEM_NAMESPACE = "http://egee.cesnet.cz/en/Schema/JP/System"
LB_NAMESPACE = "http://egee.cesnet.cz/en/Schema/LB/Attributes"
LBTAG_NAMESPACE = "http://egee.cesnet.cz/en/WSDL/jp-lbtag"

OWNER = f"{SYSTEM_NAMESPACE}:owner"
REGTIME = f"{SYSTEM_NAMESPACE}:regtime"
#: Every job has it, configured or not: conditions on it are compared with the job's own id.
JOBID = f"{SYSTEM_NAMESPACE}:jobId"


@lru_cache(maxsize=4096)
def attribute_id(name: str) -> str:
    """Return the id of an attribute: MD5 in hex of its name, ASCII letters in lower case (jp.md 3.3).

    Two names with the same id are the same attribute: configured names compare without case.
    """
    return hashlib.md5(name.encode().lower(), usedforsecurity=False).hexdigest()


def key_of(text: str) -> str:
    """Return the key under which a job id or a DN is stored: its MD5 in hex (jp.md 3.3)."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


JOBID_ID = attribute_id(JOBID)
