"""Names of VO attributes: parts, normal form, patterns of policies; any text gives a result or the package's error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi.errors import FqanError, GsiError
from gsi.fqan import MAX_LENGTH, Fqan, FqanPattern, matches, normal


@pytest.mark.parametrize(("text", "group", "role", "capability", "short"), [
    ("/vo", "/vo", None, None, "/vo"),
    ("/vo/Role=NULL/Capability=NULL", "/vo", None, None, "/vo"),
    ("/vo/Role=NULL", "/vo", None, None, "/vo"),
    ("/vo/Capability=NULL", "/vo", None, None, "/vo"),
    ("/vo.example.org/prod/Role=admin/Capability=NULL", "/vo.example.org/prod", "admin", None,
     "/vo.example.org/prod/Role=admin"),
    ("/vo/a/b-c/d_e", "/vo/a/b-c/d_e", None, None, "/vo/a/b-c/d_e"),
    ("/vo/Role=r/Capability=long job", "/vo", "r", "long job", "/vo/Role=r/Capability=long job"),
    ("/vo/Role=NULL/Capability=x", "/vo", None, "x", "/vo/Capability=x"),
])
def test_parts_and_normal_form(text: str, group: str, role: str | None, capability: str | None, short: str) -> None:
    fqan = Fqan.parse(text)
    assert (fqan.group, fqan.role, fqan.capability) == (group, role, capability)
    assert str(fqan) == normal(text) == normal(short) == short
    assert fqan.vo == group.split("/")[1]
    assert Fqan.parse(fqan.full) == fqan and "/Role=" in fqan.full and "/Capability=" in fqan.full


@pytest.mark.parametrize("text", [
    "", "/", "vo", "//vo", "/vo/", "/vo//a", "/vo/Role=", "/vo/Role=a/Role=b", "/vo/Capability=a/Role=b", "/Role=a",
    "/vo/Role=a/b", "/vo/role=a", "/vo/a=b", "/..", "/../etc", "/vo/..", "/vo\0", "/vo\n", "/vö", "/vo/Role=a b",
    "/vo/*", "/" + "a" * MAX_LENGTH, " /vo", "/vo ",
])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(FqanError):
        Fqan.parse(text)


ALL = ["/vo", "/vo/Role=admin", "/vo/a", "/vo/a/Role=admin", "/vo/a/b", "/vo2", "/vo2/Role=admin", "/other/vo/a"]


@pytest.mark.parametrize(("pattern", "admitted"), [
    ("/vo", ["/vo"]),
    ("/vo/Role=NULL/Capability=NULL", ["/vo"]),
    ("/vo/Role=NULL", ["/vo"]),
    ("/vo/Role=admin", ["/vo/Role=admin"]),
    ("/vo/Role=admin/*", ["/vo/Role=admin"]),
    ("/vo/Role=adm*", ["/vo/Role=admin"]),
    ("/vo/*", ["/vo", "/vo/Role=admin", "/vo/a", "/vo/a/Role=admin", "/vo/a/b"]),
    ("/vo/*/Capability=NULL", ["/vo", "/vo/Role=admin", "/vo/a", "/vo/a/Role=admin", "/vo/a/b"]),
    ("/vo/*/Role=NULL", ["/vo/a", "/vo/a/b"]),
    ("/vo/*/Role=NULL/Capability=NULL", ["/vo/a", "/vo/a/b"]),
    ("/vo/*/Role=admin", ["/vo/a/Role=admin"]),
    ("/vo/Role=*", ["/vo/Role=admin"]),
    ("/*/Role=admin", ["/vo/Role=admin", "/vo/a/Role=admin", "/vo2/Role=admin"]),
    ("/vo*", [name for name in ALL if name.startswith("/vo")]),
    ("*", ALL),
    ("/*", ALL),
    ("/*/a", ["/vo/a", "/other/vo/a"]),
    ("/vo/a/Role=other", []),
    ("/vo/Capability=x", []),
    ("/VO", []),
])
def test_patterns(pattern: str, admitted: list[str]) -> None:
    assert [name for name in ALL if matches(pattern, name)] == admitted
    assert [name for name in ALL if matches(pattern, Fqan.parse(name).full)] == admitted
    assert [name for name in ALL if FqanPattern(pattern).admits(Fqan.parse(name))] == admitted


def test_a_capability_has_to_be_named_or_left_open() -> None:
    name = "/vo/Role=a/Capability=x"
    assert [matches(pattern, name) for pattern in (
        name, "/vo/Role=a/*", "/vo/Role=a/Capability=*", "/vo/*", "/vo/Role=a", "/vo/Role=a/Capability=NULL",
        "/vo/*/Capability=NULL",
    )] == [True, True, True, True, False, False, False]


@pytest.mark.parametrize("text", ["", "vo", ".*", "/", "/vo/", "/vo/Role=", "/vo/?", "/v[o]", "/vo/Role=a/b", "a*",
                                  "/" + "*" * MAX_LENGTH])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(FqanError):
        FqanPattern(text)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """With backtracking this would not end."""
    assert not matches("/v" + "*a" * 100 + "*b", "/v" + "a" * 250)


@given(st.text(max_size=40) | st.from_regex(r"/vo(/[a-c]{1,2}){0,2}(/Role=[a-cN]{1,4})?(/Capability=NULL)?",
                                            fullmatch=True))
def test_any_text_is_a_name_or_an_error(text: str) -> None:
    try:
        fqan = Fqan.parse(text)
    except GsiError:
        return
    assert Fqan.parse(str(fqan)) == fqan == Fqan.parse(fqan.full)
    assert matches(text, text) and matches(fqan.group + "/*", text)


@given(st.text(alphabet="/vao*Role=.-", max_size=30), st.sampled_from(ALL))
def test_any_text_is_a_pattern_or_an_error(pattern: str, name: str) -> None:
    try:
        admitted = matches(pattern, name)
    except GsiError:
        return
    assert not admitted or "*" in pattern or normal(pattern) == name
