"""HTTP over GSI: the pre-forked TLS server that hands (request, peer) to an application, and the client session."""

import gsi  # noqa: F401  (it configures OpenSSL, which modules here load)
