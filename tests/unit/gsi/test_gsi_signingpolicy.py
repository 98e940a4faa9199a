"""The two languages in which it is said what a CA may sign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi import namespaces, signingpolicy
from gsi.errors import SigningPolicyError
from gsi.signingpolicy import Entry, permitted

CA = "/DC=org/DC=example/CN=Example CA"


def entries(found: tuple[Entry, ...], issuer: str = CA, *, owner: bool = True) -> tuple[Entry, ...]:
    return tuple(entry for entry in found if entry.concerns(issuer, owner))


def globus(subjects: str, *, rights: str = "pos_rights globus CA:sign", ca: str = f"'{CA}'") -> tuple[Entry, ...]:
    text = f"# a comment\n\n access_id_CA  X509  {ca}\n{rights}\r\n\tcond_subjects\tglobus {subjects} # more\n"
    return entries(signingpolicy.parse(text.encode()))


@pytest.mark.parametrize(("subjects", "subject", "verdict"), [
    ("""'"/DC=org/DC=example/*"'""", "/DC=org/DC=example/CN=Anna", True),
    ("""'"/DC=org/DC=example/*"'""", "/DC=org/DC=example", False),
    ("""'"/DC=org/DC=example/*"'""", "/DC=org/DC=example.com/CN=Anna", False),
    ("""'"/DC=org/DC=example/*"'""", "/O=x/DC=org/DC=example/CN=Anna", False),
    ("""'"/O=One/*" "/O=Two/*"'""", "/O=Two/CN=Anna", True),
    ("""'"/O=One/*"  /O=Two/*'""", "/O=Two/CN=Anna", True),
    ("'/O=One/*'", "/O=One/CN=Anna", True),
    ('"/O=One/*"', "/O=One/CN=Anna", True),
    ("/O=One/*", "/O=One/CN=Anna", True),
    ("""'"/O=One/CN=Ann?"'""", "/O=One/CN=Anna", True),
    ("""'"/O=One/CN=Ann?"'""", "/O=One/CN=Ann", False),
    ("""'"/O=O.e/*"'""", "/O=One/CN=Anna", False),
    ("""'"/O=One/*"'""", "/o=one/CN=Anna", False),
    ("""'"*"'""", "/O=Any/CN=Anna\nB", True),
    ("""'"/O=One/Email=*"'""", "/O=One/emailAddress=a@b.example", True),
    ("""'"/O=One/USERID=*"'""", "/O=One/UID=anna", True),
    ("''", "/O=One/CN=Anna", False),
])
def test_patterns_of_globus(subjects: str, subject: str, verdict: bool) -> None:
    assert permitted(globus(subjects), subject) is verdict


def test_without_the_right_to_sign_nothing_may_be_signed() -> None:
    assert not permitted(globus("""'"*"'""", rights="pos_rights globus CA:other"), "/O=One")
    assert not permitted(globus("""'"*"'""", rights=""), "/O=One")


def test_an_entry_is_for_the_ca_it_names() -> None:
    assert globus("""'"*"'""", ca="'/O=Another CA'") == ()
    assert globus("""'"*"'""", ca="'/DC=org/DC=example/CN=Example CA/emailAddress=x'") == ()
    two = signingpolicy.parse(
        b"access_id_CA X509 '/CN=a'\npos_rights globus CA:sign\ncond_subjects globus '\"/O=A/*\"'\n"
        b"access_id_CA X509 '/CN=b'\npos_rights globus CA:sign\ncond_subjects globus '\"/O=B/*\"'\n"
        b"access_id_CA nonX509 '/CN=c'\npos_rights globus CA:sign\ncond_subjects globus '\"*\"'\n")
    assert permitted(entries(two, "/CN=b"), "/O=B/CN=1") and not permitted(entries(two, "/CN=b"), "/O=A/CN=1")
    assert not entries(two, "/CN=c")


@pytest.mark.parametrize(("text", "says"), [
    (b"pos_rights globus CA:sign", "line 1"),
    (b"access_id_CA X509 '/CN=a'\nnonsense", "line 2"),
    (b"access_id_CA X509 '/CN=a'\ncond_time globus '\"9-17\"'", "cond_time"),
    (b"access_id_CA X509 '/CN=a'\nneg_rights globus CA:sign", "neg_rights"),
    (b"access_id_CA X509 '/CN=a", "line 1"),
    (b"x" * 300_000, "larger"),
])
def test_what_is_not_understood_is_an_error(text: bytes, says: str) -> None:
    with pytest.raises(SigningPolicyError, match=says):
        signingpolicy.parse(text)


@pytest.mark.parametrize(("text", "subject", "verdict"), [
    ('TO Issuer "{ca}" PERMIT Subject "/O=One/.*"', "/O=One/CN=Anna", True),
    ('TO Issuer "{ca}" \\\n   PERMIT Subject "/O=One/.*"\n', "/O=One/CN=Anna", True),
    ('to issuer "{ca}"\n\n permit subject "/O=One/.*";', "/O=One/CN=Anna", True),
    ('TO Issuer SELF PERMIT Subject "/O=One/.*"', "/O=One/CN=Anna", True),
    ('TO Issuer "{ca}" PERMIT Subject "/O=One/CN=A"', "/O=One/CN=Anna", False),
    ('TO Issuer "{ca}" PERMIT Subject "O=One/.*"', "/O=One/CN=Anna", False),
    ('TO Issuer "/O=Another" PERMIT Subject "/O=One/.*"', "/O=One/CN=Anna", False),
    ('TO Issuer "{ca}" PERMIT Subject ".*"\nTO Issuer SELF DENY Subject "/O=One/.*"', "/O=One/CN=Anna", False),
    ('TO Issuer SELF DENY Subject "/O=One/.*"\nTO Issuer "{ca}" PERMIT Subject ".*"', "/O=One/CN=Anna", False),
    ('TO Issuer SELF DENY Subject "/O=Two/.*"\nTO Issuer "{ca}" PERMIT Subject ".*"', "/O=One/CN=Anna", True),
    ('#NAMESPACES-VERSION: 1.0\n# TO Issuer SELF PERMIT Subject ".*"\n', "/O=One/CN=Anna", False),
    ('TO Issuer "{ca}" PERMIT Subject "/O=One/emailAddress=.*" # all', "/O=One/Email=a@b", True),
])
def test_namespaces(text: str, subject: str, verdict: bool) -> None:
    found = entries(namespaces.parse(text.replace("{ca}", CA).encode()))
    assert permitted(found, subject) is verdict


def test_self_is_the_owner_of_the_file() -> None:
    found = namespaces.parse(b'TO Issuer SELF PERMIT Subject ".*"')
    assert entries(found, owner=True) and not entries(found, owner=False)


@pytest.mark.parametrize("text", [
    b"TO", b"FROM Issuer SELF PERMIT Subject \".*\"", b"TO Issuer SELF ALLOW Subject \".*\"",
    b"TO Issuer ME PERMIT Subject \".*\"", b"TO Issuer SELF PERMIT Subject .*", b"TO Issuer SELF PERMIT Subject \"(\"",
    b"TO Issuer SELF PERMIT Subject \"" + b"a" * 3000 + b"\"", b"TO Issuer SELF PERMIT Subject \"a\nb\"",
    b'"TO" Issuer', b"\\ TO", b"TO Issuer SELF PERMIT Subject", b"x" * 300_000,
])
def test_namespaces_that_are_not_understood(text: bytes) -> None:
    with pytest.raises(SigningPolicyError):
        namespaces.parse(text)


_PIECES = st.lists(st.sampled_from([
    "access_id_CA", "X509", "pos_rights", "globus", "CA:sign", "cond_subjects", "'", '"', "/O=a*", "\n", " ", "#", "TO",
    "Issuer", "SELF", "PERMIT", "DENY", "Subject", "\\", "(", "[", "*", "é",
]) | st.text(max_size=3), max_size=40).map(lambda pieces: " ".join(pieces).encode())


@given(st.binary(max_size=200) | _PIECES)
def test_any_bytes_are_a_policy_or_our_error(octets: bytes) -> None:
    for parse in (signingpolicy.parse, namespaces.parse):
        try:
            found = parse(octets)
        except SigningPolicyError:
            continue
        assert permitted(found, "/O=One/CN=Anna") in (True, False)
