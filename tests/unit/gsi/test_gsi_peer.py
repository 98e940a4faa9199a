"""What is known of a peer, and when it ends."""

from datetime import UTC, datetime, timedelta

from gsi.peer import Peer, ProxyKind, VoAttributes

NOON, HOUR = datetime(2026, 1, 1, 12, tzinfo=UTC), timedelta(hours=1)


def attributes(vo: str, not_after: datetime, *fqans: str) -> VoAttributes:
    return VoAttributes(vo, fqans, (), "/CN=server", not_after, "host:1")


def peer(*vos: VoAttributes) -> Peer:
    return Peer("/CN=a", "CN=a", ProxyKind.RFC3820, False, (), NOON + 3 * HOUR).with_attributes(vos)


def test_names_of_all_vos_each_once_in_their_order() -> None:
    assert peer(attributes("b", NOON, "/b/x", "/b"), attributes("a", NOON, "/a", "/b")).fqans == ("/b/x", "/b", "/a")
    assert peer().fqans == ()


def test_attributes_end_before_the_identity() -> None:
    first, second = attributes("a", NOON + HOUR, "/a"), attributes("b", NOON + 2 * HOUR, "/b")
    whole = peer(first, second)
    assert whole.ends == NOON + HOUR
    assert whole.at(NOON) is whole
    later = whole.at(NOON + HOUR)
    assert later is not None and (later.vos, later.fqans, later.dn) == ((second,), ("/b",), whole.dn)
    last = later.at(NOON + 2 * HOUR)
    assert last is not None and (last.vos, last.fqans, last.ends) == ((), (), whole.not_after)
    assert whole.at(NOON + 2 * HOUR) == last
    assert last.at(NOON + 3 * HOUR) is None and whole.at(NOON + 4 * HOUR) is None


def test_an_identity_may_end_before_its_attributes() -> None:
    whole = peer(attributes("a", NOON + 5 * HOUR, "/a"))
    assert whole.ends == whole.not_after
    assert whole.at(whole.not_after - HOUR) is whole
    assert whole.at(whole.not_after) is None
