"""The configuration file (jp.md 3.2): what is accepted, and how mistakes are told."""


from pathlib import Path

import pytest

from jpis import attributes, config
from jpis.config import Condition, ConfigurationError, Feed
from shared import ROOT

LB = attributes.LB_NAMESPACE
NAMESPACE = "http://glite.org/wsdl/elements/jp"
FEED = (
    "<feeds><primaryServer>https://ps:8901</primaryServer><condition><attr>a:b</attr><op>GREATER</op>"
    "<value><string>0</string></value></condition><history>1</history><continuous>0</continuous></feeds>"
)


def document(content: str, root: str = f'<e:ServerConfiguration xmlns:e="{NAMESPACE}">') -> bytes:
    return f'<?xml version="1.0"?>\n{root}\n{content}\n</e:ServerConfiguration>'.encode()


def test_everything_in_one() -> None:
    parsed = config.parse(
        document(
            "<attrs><name> a:b </name><multival>NO</multival><queriable>NO</queriable></attrs>"
            "<attrs><name>a:c</name><queryable>NO</queryable></attrs><attrs><name>a:d</name></attrs>"
            "<indexedAttrs>A:B</indexedAttrs><plugins></plugins><plugins/>"
            "<feeds><primaryServer>http://ps:8901</primaryServer>"
            "<condition><attr>a:b</attr><op>WITHIN</op><origin>USER</origin><value><string>x y</string></value>"
            "<value2><blob>AAEC</blob></value2></condition>"
            "<condition><attr>a:c</attr><op>EXISTS</op></condition>"
            "<history>0</history><continuous>true</continuous><feedId>unused</feedId></feeds>"
        )
    )
    assert [(a.name, a.multival, a.queriable) for a in parsed.attributes] == [
        ("a:b", False, False), ("a:c", True, False), ("a:d", True, True)
    ]
    assert parsed.plugins == ()
    assert parsed.feeds == (
        Feed(
            "http://ps:8901",
            (Condition("a:b", "WITHIN", "USER", "x y", b"\0\1\2"), Condition("a:c", "EXISTS")), False, True,
        ),
    )
    assert parsed.is_indexed("a:b") and not parsed.is_indexed("a:c")
    assert parsed.is_indexed(attributes.JOBID)


def test_names_ignore_case() -> None:
    parsed = config.parse(document("<attrs><name>http://My/NS:S</name></attrs>"))
    found = parsed.find("HTTP://my/ns:s")
    assert found is not None and found.name == "http://My/NS:S"
    assert parsed.find("http://my/ns:t") is None


def test_without_plugins_and_feeds() -> None:
    """The original crashed without <plugins> (jp.md 3.2)."""
    parsed = config.parse(document("<attrs><name>a:b</name></attrs><indexedAttrs>a:b</indexedAttrs>"))
    assert parsed.feeds == () and parsed.plugins == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "at least one <attrs>"),
        ("<attrs>a:b</attrs>", "bare name, as before 2008"),
        ("<attrs><multival>NO</multival></attrs>", "exactly one <name>"),
        ("<attrs><name/></attrs>", "<name> is empty"),
        ("<attrs><name>a:b</name><multival>MAYBE</multival></attrs>", "'MAYBE', expected one of YES, NO"),
        ("<attrs><name>a:b</name></attrs><attrs><name>A:b</name></attrs>", "already there as a:b"),
        ("<attrs><name>a:b</name></attrs><indexedAttr>a:b</indexedAttr>", "did you mean indexedAttrs?"),
        ("<attrs><name>a:bcd</name></attrs><indexedAttrs>a:bce</indexedAttrs>", "did you mean a:bcd?"),
        (f"<attrs><name>{'n' * 256}</name></attrs>", "256 characters"),
        ("<attrs><name>a:b</name></attrs>" + FEED.replace("https://ps:8901", "ps"), "no URL"),
        ("<attrs><name>a:b</name></attrs>" + FEED.replace("GREATER", "MORE"), "'MORE', expected one of EQUAL"),
        ("<attrs><name>a:b</name></attrs>" + FEED.replace("GREATER", "WITHIN"), "needs a <value> and a <value2>"),
        ("<attrs><name>a:b</name></attrs>" + FEED.replace("<value><string>0</string></value>", ""), "needs a <value>"),
        ("<attrs><name>a:b</name></attrs>" + FEED.replace("<history>1", "<history>0"), "set history or continuous"),
        ("<attrs><name>a:b</name></attrs>" + FEED.replace("string>", "text>"), "unknown element <text>"),
        ("<attrs><name>a:b</name></attrs><feeds><primaryServer>https://x</primaryServer></feeds>", "<condition>"),
    ],
)
def test_mistakes_are_told_with_their_line(content: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config.parse(document(content))
    assert message in str(caught.value)
    assert "line " in str(caught.value)


def test_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        config.load(tmp_path / "missing.xml")
    file = tmp_path / "jpis.xml"
    file.write_bytes(b"<a><b></a>")
    with pytest.raises(ConfigurationError, match=r"jpis\.xml: is not well-formed"):
        config.load(file)
    file.write_bytes(b"<Configuration/>")
    with pytest.raises(ConfigurationError, match="expected <ServerConfiguration>"):
        config.load(file)
    file.write_bytes(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
    with pytest.raises(ConfigurationError, match="DOCTYPE"):
        config.load(file)


def test_the_default_configuration() -> None:
    parsed = config.load(ROOT / "etc" / "glite-jpis-config.xml")
    for name in ("status", "owner", "jobId", "destination", "doneCode", "exitCode", "stateEnterTime", "userTags"):
        assert parsed.find(f"{LB}:{name}"), name
    for name in (f"{LB}:owner", f"{LB}:status", f"{LB}:destination", attributes.JOBID):
        assert parsed.is_indexed(name), name
    everything = Condition(attributes.REGTIME, "GREATER", None, "0")
    assert parsed.feeds == (Feed("https://localhost:8901", (everything,), True, True),)
