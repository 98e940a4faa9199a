"""The errors of this package. One root, so that a caller can catch them all."""

import errno


class GsiError(Exception):
    """Anything that went wrong with credentials, verification, delegation or authorization."""


class CredentialError(GsiError):
    """A credential (certificate, key, proxy, CA directory) cannot be used; the message says what to do."""


class PassphraseNeeded(CredentialError):
    """The private key is encrypted and no pass phrase was given."""


class SigningPolicyError(CredentialError):
    """A file that says which names a CA may sign cannot be read; the message says where."""


class VerificationError(GsiError):
    """The certificates of a peer do not prove an identity.

    step: number of the check in gsi.verify that refused, 0 when OpenSSL did; reason: one sentence.
    """

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"{reason} (check {step})" if step else reason)
        self.step = step
        self.reason = reason


class AttributeCertificateError(GsiError):
    """An attribute certificate proves nothing, so that what it says of its holder counts for nothing.

    step: number of the check in gsi.voms.verification that refused; reason: one sentence.
    """

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"{reason} (check {step})")
        self.step = step
        self.reason = reason


class FqanError(GsiError):
    """A text is not the name of VO attributes, nor a pattern of such names."""


class RulesError(GsiError):
    """A file of rules or names (peers, grid-mapfile, access list, policy) cannot be used; the message says where."""


class DelegationError(GsiError):
    """A delegation operation was refused; the message is fit for the client's eyes."""


class NotAuthorized(GsiError):
    """The peer is known, but may not do this."""

    errno = errno.EPERM
