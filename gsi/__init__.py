"""Who is calling: credentials, proxy certificates, chain verification, delegation, authorization."""
