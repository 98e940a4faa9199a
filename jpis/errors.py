"""What the index server refuses, and with which errno; jpis.service makes the faults of them."""

import errno


class IndexServerError(Exception):
    """Root of the room's errors: a text for the caller and the POSIX code of the fault (jp.md 1.7)."""

    code = errno.EIO


class InvalidRequest(IndexServerError):
    """The request contradicts the rules of jp.md 3.5 or 3.6; sending it again cannot help."""

    code = errno.EINVAL


class UnknownFeed(IndexServerError):
    """No feed has this id: the sender may forget it, the index server will ask for a new one."""

    code = errno.ENOENT


class FeedNotReady(IndexServerError):
    """A feed is being set up at this moment and the id may become known: send the same again."""

    code = errno.EAGAIN


class DamagedIndex(IndexServerError):
    """A stored value cannot be read back."""

    code = errno.EIO
