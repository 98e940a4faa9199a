"""What the Primary Storage refuses, and why. Mapped to SOAP faults in jpps.service, to HTTP in jpps.transfer."""

import errno


class JppsError(Exception):
    """A request that cannot be done. `code`: POSIX errno; `reason`: the inner error of the fault chain (jp.md 1.7).

    `source`: what noticed, None for the operation itself.
    """

    code = errno.EIO
    source: str | None = None

    def __init__(self, description: str, reason: "JppsError | None" = None) -> None:
        super().__init__(description)
        self.description = description
        self.reason = reason


class NotFound(JppsError):
    """No such job, upload, feed or value."""

    code = errno.ENOENT


class Denied(JppsError):
    """The caller has no right to it."""

    code = errno.EPERM


class Exists(JppsError):
    """Registered or stored before: everything here is written once."""

    code = errno.EEXIST


class Invalid(JppsError):
    """The request itself makes no sense."""

    code = errno.EINVAL


class StoredAt(JppsError):
    """Inner error of `Exists` of a file: `description` is the URL at which the caller's own upload stands."""

    code = errno.EEXIST
    source = "destination"
