"""Which hosts a certificate names."""

from cryptography import x509

from gsi.certificates import extensions


def alternative_names(certificate: x509.Certificate) -> list[str]:
    """Its DNS names and IP addresses. Raises ValueError when the extensions cannot be read."""
    try:
        names = extensions(certificate).get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def covers(pattern: str, host: str) -> bool:
    """Whether an alternative name is that of the host: equal, or a `*` in place of the first label (RFC 6125)."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    return pattern == host or (pattern.startswith("*.") and "." in host and pattern[2:] == host.split(".", 1)[1])
