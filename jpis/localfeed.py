"""Option -f: jobs from a text file instead of a feed, to try the index server without a Primary Storage (jp.md 3.8).

One job a line, values separated by `;`, in the order of the configured attributes without System:jobId and
System:owner. As in the original blanks before a value are cut, a value ends at its first blank, and empty fields do
not count: the next value takes their place.
"""

import logging
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import soap.contract
from jpis.attributes import JOBID_ID, OWNER, attribute_id
from jpis.config import Attribute, Configuration
from jpis.update import Updater

log = logging.getLogger(__name__)

#: Bytes of a line with its end, exclusive.
LINE_LIMIT = 1024
JOBS_PER_COMMIT = 100
#: What the original writes as storage of such jobs, and as server of their ids.
SOURCE = "localhost:8901"
SERVER = "https://localhost-test:0"


class LocalFeedError(ValueError):
    """The file cannot be loaded; the message names the line."""


def load(path: Path, configuration: Configuration, updater: Updater, owner: str) -> int:
    """Load the jobs of a file, a transaction each JOBS_PER_COMMIT; return how many. Raises LocalFeedError, OSError."""
    columns = [a for a in configuration.attributes if a.id not in (JOBID_ID, attribute_id(OWNER))]
    records = _records(path, columns, owner)
    loaded = 0
    while batch := list(islice(records, JOBS_PER_COMMIT)):
        updater.load(batch, SOURCE)
        loaded += len(batch)
    return loaded


def _records(path: Path, columns: list[Attribute], owner: str) -> Iterator[Any]:
    types = soap.contract.load("JobProvenanceIS").types
    now = datetime.now(UTC)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if len(line) >= LINE_LIMIT:
                raise LocalFeedError(f"line {number} has {len(line)} bytes, the limit is {LINE_LIMIT - 1}")
            try:
                values = [part.split()[0] for part in line.decode().split(";") if part.strip()]
            except UnicodeDecodeError as error:
                raise LocalFeedError(f"line {number} is not UTF-8") from error
            if len(values) > len(columns):
                raise LocalFeedError(f"line {number} has {len(values)} values for {len(columns)} attributes")
            if values:
                yield types.jobRecord(
                    jobid=f"{SERVER}/{secrets.token_urlsafe(16)}", owner=owner,
                    attributes=[
                        types.attrValue(a.name, types.stringOrBlob(string=v), now, "FILE")
                        for a, v in zip(columns, values, strict=False)
                    ],
                )
