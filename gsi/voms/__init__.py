"""What a VO says of the caller: attribute certificates that a VOMS server signed and a proxy carries.

    trust.peer(chain).vos, .fqans       what counts (gsi.trust calls Verifier.attributes)
    trust.voms.examine(chain, proxies)  each attribute certificate with the verdict and its reason, for tools
    claims(chain)                       what they say, without any verification
"""

from gsi.voms.certificate import AttributeCertificate
from gsi.voms.verification import Finding, Verifier, claims

__all__ = ["AttributeCertificate", "Finding", "Verifier", "claims"]
