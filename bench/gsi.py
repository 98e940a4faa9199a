"""What it costs to know who is calling, beside TLS itself.

    python -m bench.gsi

The chain is the usual one: an RFC 3820 proxy, a user, a CA, RSA-2048. Each line is the best of several rounds: that is
what the code costs, the rest is what else the machine does. The CA directory is as large as IGTF's: 100 CAs, 400 files.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gsi import certificates, verify
from gsi.context import ServerContexts
from gsi.credential import Credential
from gsi.proxy import create_proxy, new_key
from gsi.rules import Rules
from gsi.trust import Trust
from testbed import ca

CAS = 100
_ROUNDS = 7
#: What is promised.
POST_CHECK = "under 150 us"
LOOK = "about 1,000 us"


def best(work: Callable[[], object], times: int) -> float:
    """Microseconds of processor time that `work` takes, in the best of some rounds of `times` calls."""
    rounds = []
    for _ in range(_ROUNDS):
        begin = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - begin) / times * 1e6)
    return min(rounds)


def forget() -> None:
    """Make the checks meet every certificate for the first time."""
    certificates.facts.cache_clear()
    verify._check_end_entity.cache_clear()
    verify._slash.cache_clear()


def new_proxies(trust: Trust, user: Credential) -> float:
    """Microseconds of processor time for the check of a proxy that nobody has seen, in the best of some rounds."""
    key = new_key(2048)
    made = [create_proxy(user, key=key).certificate.public_bytes(Encoding.DER) for _ in range(100)]
    above = trust.verify([user.certificate]).chain
    rounds = []
    for _ in range(_ROUNDS):
        forget()
        chains = [[x509.load_der_x509_certificate(octets), *above] for octets in made]
        trust.peer(above)
        begin = time.process_time()
        for chain in chains:
            trust.peer(chain)
        rounds.append((time.process_time() - begin) / len(chains) * 1e6)
    return min(rounds)


def material(folder: Path) -> tuple[Trust, Credential, Credential]:
    """A CA directory, a host and a user."""
    authority = ca.new_authority()
    others = [ca.new_authority(f"/DC=org/DC=example/CN=CA {n}", key=ca.ec_key()) for n in range(CAS - 1)]
    directory = ca.write_ca_directory(folder, [authority, *others])
    for other in [authority, *others]:
        path = directory / f"{ca.subject_hash(other.certificate)}.namespaces"
        path.write_text(ca.namespaces(other, "/DC=org/DC=example/.*"))
    user = ca.issue_user(authority, "/DC=org/DC=example/CN=Test User")
    return Trust(directory, Rules()), ca.issue_host(authority, "localhost"), user


def main() -> None:
    """Print the times."""
    with tempfile.TemporaryDirectory() as folder:
        trust, host, user = material(Path(folder))
        proxy = create_proxy(user, key=new_key(2048))
        chain = trust.verify([proxy.certificate, *proxy.chain]).chain
        fresh = x509.load_der_x509_certificate
        der = [certificate.public_bytes(Encoding.DER) for certificate in chain]

        def first_time() -> None:
            forget()
            trust.peer([fresh(octets) for octets in der])

        def read_all() -> None:
            Trust(trust.ca_dir, Rules()).authorities()

        report("chain post-check, nothing known before", best(first_time, 200))
        report("chain post-check, a new proxy of a known user", new_proxies(trust, user), POST_CHECK)
        report("chain post-check, the proxy came before", best(lambda: trust.peer(chain), 1000), POST_CHECK)
        report("the same with signatures and CRLs (delegated proxies)", best(lambda: trust.verify(chain), 100))
        report(f"a look at {4 * CAS} files that have not changed", best(
            lambda: trust.authorities(look=True), 100), LOOK)
        report(f"reading {4 * CAS} files", best(read_all, 1))
        contexts = ServerContexts(host, trust)
        report("a TLS context after a change", best(contexts.reload, 3))


def report(what: str, took_us: float, promised: str = "") -> None:
    """Print one line."""
    promise = f"   promised: {promised}" if promised else ""
    print(f"  {what:55} {took_us:10,.1f} us{promise}")


if __name__ == "__main__":
    main()
