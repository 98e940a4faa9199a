"""What a GSI peer says between the TLS handshake and its first message.

Globus' GSSAPI, and with it gSOAP's CGSI plug-in, ends its own handshake with a flag: one byte, alone in a TLS record,
unless the client asked for compatibility with SSL (GSS_C_GLOBUS_SSL_COMPATIBLE). After that it is plain TLS.

    0    nothing follows
    D    the client wants to delegate: it waits for a DER certificate request, and answers with certificates in DER

No message of a protocol served here begins with such a record. A delegation of this kind is taken and dropped: no
service here has a use for it, they have GridSite's port (gsi.delegation). Its key is forgotten at once.
"""

from collections.abc import Callable

from asn1crypto import parser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gsi.proxy import certificate_request

NOTHING, DELEGATION = b"0", b"D"
#: Largest delegated certificate that is waited for, bytes.
_MAX_CERTIFICATE = 64 * 1024
_SEQUENCE, _INDEFINITE = b"\x30", b"\x80"


def take_delegation(send: Callable[[bytes], None], receive: Callable[[], bytes]) -> None:
    """Let the client delegate. receive: returns what has come, a TLS record at most, b"" at the end.

    Raises ConnectionError when that is no certificate.
    """
    send(certificate_request(ec.generate_private_key(ec.SECP256R1()), Encoding.DER))
    received = b""
    while not _is_whole(received):
        piece = receive()
        if not piece:
            raise ConnectionError("closed in the middle of a delegation")
        received += piece


def _is_whole(octets: bytes) -> bool:
    """Whether there is one DER element; what follows it in the same record is the chain above the certificate."""
    # An indefinite length is no DER, and its end would be looked for from the begin on with each record.
    if octets[:1] not in (b"", _SEQUENCE) or octets[1:2] == _INDEFINITE or len(octets) > _MAX_CERTIFICATE:
        raise ConnectionError("what was delegated is no certificate")
    try:
        parser.peek(octets)
    except ValueError:  # not all of it is there
        return False
    return True
