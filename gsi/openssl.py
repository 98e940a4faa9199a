"""A setting of OpenSSL that pyOpenSSL has no call for: TLS 1.3 servers send no session tickets.

Nobody may resume a session here (a resumed one has no chain), yet OpenSSL sends two tickets after each handshake. That
costs time, and clients of Globus' GSSAPI that read record by record, such as gSOAP's CGSI plug-in, take a ticket for
the end of the answer. OpenSSL's configuration can say it, and is read once, when the library is loaded.
"""

import importlib
import importlib.util
import mmap
import os

_VARIABLE = "OPENSSL_CONF"
_BINDING = "cryptography.hazmat.bindings._rust"
_CONFIGURATION = b"""\
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
NumTickets = 0
"""


def load_without_tickets() -> None:
    """Load the OpenSSL that comes with cryptography with this configuration, which no child process inherits.

    Nothing is done when the site has a configuration of its own: it named one, or the library is the system's.
    """
    if _VARIABLE in os.environ or not _is_bundled():
        return
    descriptor = os.memfd_create("openssl.cnf", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, _CONFIGURATION)
        os.environ[_VARIABLE] = f"/proc/self/fd/{descriptor}"
        importlib.import_module(_BINDING)
    finally:
        os.environ.pop(_VARIABLE, None)
        os.close(descriptor)


def _is_bundled() -> bool:
    """Whether the binding has OpenSSL inside; otherwise it names the system's library, which reads a file of its own.
    """
    found = importlib.util.find_spec(_BINDING)
    if found is None or not found.origin:
        return False
    with open(found.origin, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
        return octets.find(b"libssl.so") < 0
