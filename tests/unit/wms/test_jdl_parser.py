"""The language: what is read, how it is written back, where a mistake is."""

import classad2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wms.jdl import Jdl, JdlError, JdlKind, parse
from wms.jdl.nodes import string_text


@pytest.mark.parametrize(
    "text, value",
    [
        ("0x10", 16),
        ("010", 8),
        ("10K", 10240),
        ("2m", 2 << 20),
        ("1.5", 1.5),
        ("1.5K", 1536.0),
        ("1e20", 1e20),
        ("-3", -3),
        ("- -3", 3),
        ("TRUE", True),
        ("undefined", None),
        (r'"a\n\"b\\\t"', 'a\n"b\\\t'),
        (r'"\303\251\101"', "éA"),
        ('"// no comment # /* "', "// no comment # /* "),
        ('{ 1, "x", { true } }', [1, "x", [True]]),
        ("{}", []),
        ('strcat("a", "b")', "ab"),
        ("1 + 2 * 3", 7),
        ("other.Missing", None),
        ("isUndefined(Missing) ? 1 : 2", 1),
        ("Missing ?: 4", 4),
        ("Missing is undefined", True),
        ("{ 1, 2 }[1]", 2),
        ("{ 1, 1 + 1 }", [1, 2]),
        ("[ x = 5 ].x", 5),
    ],
)
def test_values_are_read_as_the_language_means_them(text: str, value: object) -> None:
    jdl = parse(f"a = {text}")
    assert jdl.get("A") == value
    assert parse(jdl.text()).get("a") == value


def test_brackets_comments_and_empty_statements_are_optional() -> None:
    text = '# a comment\n  // another\n;Executable = "/bin/ls"; /* over\nlines */ ; Arguments = "-l" // end\n'
    for form in (text, f"[\n{text}]", f"\n  [\n{text}\n]\n"):
        jdl = parse(form)
        assert (jdl.string("executable"), jdl.string("ARGUMENTS")) == ("/bin/ls", "-l")


@pytest.mark.parametrize(
    "text, line, column, attribute, words",
    [
        ('Executable = "/bin/ls"\nArguments = "x";', 2, 1, "Executable", "expected ';'"),
        ('Executable = "/bin/ls;\nArguments = "x";', 1, 14, "Executable", "not closed on its line"),
        ("a = 1;\nb = {1,\n 2,};", 3, 4, "b", "expected a value"),
        ("a = (1", 1, 7, "a", "expected ')', found the end of the text"),
        ('a = "x" "y"', 1, 9, "a", "an operator or ';'"),
        ("[a = 1] b = 2", 1, 9, "", "nothing after the closing"),
        ("[\n a = 1;\n", 3, 1, "", "']'"),
        ("a = 08", 1, 5, "a", "octal"),
        ("a = 10Kx", 1, 5, "a", "malformed number"),
        ("a = 1 # not here", 1, 7, "a", "line of its own"),
        ('a = 1;\nb = "open', 2, 5, "b", "never closed"),
        ("a = 1; /* open", 1, 8, "a", "never closed"),
        ("error = 1", 1, 1, "", "reserved"),
        ("a = ;", 1, 5, "a", "a value"),
        ("a = x ? 1;", 1, 10, "a", "':'"),
        ("a = @", 1, 5, "a", "unexpected character"),
        ("a", 1, 2, "a", "'='"),
        ("a = [ b = 1; c = ]", 1, 18, "a.c", "a value"),
        ("a = " + "(" * 100, 1, 65, "a", "levels of nesting"),
        ("a = 1e999", 1, 5, "a", "too large"),
        ("a = " + "9" * 5000, 1, 5, "a", "too long"),
        ('a = "\0"', 1, 5, "a", "zero character"),
    ],
)
def test_a_mistake_is_reported_at_its_place(text: str, line: int, column: int, attribute: str, words: str) -> None:
    with pytest.raises(JdlError) as caught:
        parse(text)
    error = caught.value
    assert (error.kind, error.line, error.column, error.attribute) == (JdlKind.PARSE, line, column, attribute)
    assert words in str(error) and f"line {line}" in str(error)


@pytest.mark.parametrize(
    "text, line, attribute",
    [("a = 1;\nA = 2;", 2, "A"), ("u = [ x = 1;\n x = 2 ]", 2, "u.x"), ("l = { [ x = 1;\nx = 2 ] }", 2, "l.x")],
)
def test_an_attribute_set_twice_in_one_record_is_refused(text: str, line: int, attribute: str) -> None:
    with pytest.raises(JdlError) as caught:
        parse(text)
    assert (caught.value.kind, caught.value.line, caught.value.attribute) == (JdlKind.DUPLICATE, line, attribute)


def test_an_impossible_value_is_a_mismatch_at_its_line() -> None:
    jdl = parse('a = 1;\nb = "x" + 1;')
    with pytest.raises(JdlError, match="line 2, column 1, attribute b: the value cannot be computed"):
        jdl.get("b")
    with pytest.raises(JdlError, match="line 1, column 1, attribute a: a string is needed, not 1"):
        jdl.string("A")


def test_attributes_can_be_changed_and_written_for_any_library() -> None:
    jdl = parse('Arguments = "x"; Requirements = other.A > 3 && !(other.B =?= "q")')
    jdl.set("arguments", 'say "é"\n')
    jdl.set("Tags", {"a b": ["x", 1, True, None, 2.5]})
    jdl.set_expression("Rank", "-other.Time")
    jdl.remove("nothing")
    ad = classad2.ClassAd(jdl.text())
    assert ad["Arguments"] == 'say "é"\n'
    assert ad["Tags"]["a b"][:3] == ["x", 1, True]
    assert jdl.expression("Requirements") == 'other.A > 3 && !(other.B =?= "q")'
    assert list(jdl) == ["Arguments", "Requirements", "Tags", "Rank"]


def test_a_copy_does_not_share_anything() -> None:
    jdl = parse("t = [ x = 1 ]")
    other = jdl.copy()
    inner = other.get("t")
    assert isinstance(inner, Jdl)
    inner.set("x", 2)
    assert jdl.text() == "[ t = [ x = 1; ]; ]"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_text_survives_as_a_string(value: str) -> None:
    jdl = Jdl()
    jdl.set("a", value)
    assert parse(jdl.text()).string("a") == value
    assert classad2.ClassAd(jdl.text())["a"] == value
    assert "\n" not in string_text(value)


@given(st.text(st.sampled_from("[]{}();,=.?:\"'\\#/*-+!&|<>~ab01xK \n\t\0é"), max_size=60))
def test_any_bytes_are_read_or_refused_with_a_place(text: str) -> None:
    try:
        jdl = parse(text)
    except JdlError as error:
        assert error.line >= 1 and error.column >= 1
    else:
        assert parse(jdl.text()).text() == jdl.text()
        jdl.ad()


@pytest.mark.parametrize("chain", ["1" + " + 1" * 401, "a" + "[0]" * 401, "a" + ".a" * 401])
def test_more_operators_than_the_library_can_evaluate_are_refused(chain: str) -> None:
    with pytest.raises(JdlError, match="at most 400 operators in a row"):
        parse(f"x = {chain}")


def test_as_many_operators_as_are_allowed_can_be_evaluated() -> None:
    assert parse("x = 1" + " + 1" * 400).get("x") == 401
