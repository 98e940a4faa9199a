"""Who is calling: credentials, proxy certificates, chain verification, delegation, authorization."""

from gsi.openssl import load_without_tickets

load_without_tickets()  # before anything else here makes OpenSSL read its configuration
