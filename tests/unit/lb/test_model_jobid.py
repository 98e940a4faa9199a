"""Job ids: form, default port, subjobs as the original makes them."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.model import jobid
from lb.model.jobid import JobId, JobIdError


@pytest.mark.parametrize(
    ("text", "host", "port", "unique", "info"),
    [
        ("https://lb.example.org:9000/abc-_1", "lb.example.org", 9000, "abc-_1", None),
        ("https://lb.example.org/abc", "lb.example.org", 9000, "abc", None),
        ("https://lb.example.org:0/abc", "lb.example.org", 9000, "abc", None),
        ("https://[2001:db8::1]:7000/abc", "[2001:db8::1]", 7000, "abc", None),
        ("https://[2001:db8::1]/abc", "[2001:db8::1]", 9000, "abc", None),
        ("https://h:1/CREAM-test-12?/a/b?c", "h", 1, "CREAM-test-12", "/a/b?c"),
        ("https://h/NOTIF:abc", "h", 9000, "NOTIF:abc", None),
        ("https://h:/a", "h", 9000, "a", None),
        ("https://2001:db8::1:9001/a", "2001:db8::1", 9001, "a", None),
        ("https://h/a/b:c?", "h", 9000, "a/b:c", ""),
        ("https://h/\u00a0\u2028\x1c", "h", 9000, "\u00a0\u2028\x1c", None),
        ("https://H:000123/1234.torque.example.org", "H", 123, "1234.torque.example.org", None),
    ],
)
def test_parse(text: str, host: str, port: int, unique: str, info: str | None) -> None:
    job = JobId.parse(text)
    assert (job.host, job.port, job.unique, job.info) == (host, port, unique, info)
    assert str(job) == f"https://{host}:{port}/{unique}"
    assert job.server == f"{host}:{port}"


@pytest.mark.parametrize("form", ["https://h/{}", "https://h:/{}", "https://h:0/{}", "https://h:9000/{}", "https://h/a?{}"])
def test_what_is_written_can_be_read(form: str) -> None:
    """The port that is added counts, too."""
    fixed = len(JobId.parse(form.format("x")).uri) - 1
    longest = JobId.parse(form.format("x" * (jobid.MAX_LENGTH - fixed)))
    assert JobId.parse(longest.uri) == longest
    assert len(longest.uri) == jobid.MAX_LENGTH
    with pytest.raises(JobIdError) as caught:
        JobId.parse(form.format("x" * (jobid.MAX_LENGTH - fixed + 1)))
    assert caught.value.position == jobid.MAX_LENGTH


def test_info_is_no_part_of_the_identity() -> None:
    assert JobId.parse("https://h/a?x") == JobId.parse("https://h:9000/a?y") == JobId.parse("https://h/a")
    assert JobId.parse("https://h/a?x?y").uri == "https://h:9000/a?x?y"
    assert JobId.parse("https://h/a?").uri == "https://h:9000/a?"
    assert JobId.parse("https://h/a").uri == str(JobId.parse("https://h/a?x")) == "https://h:9000/a"


def test_hosts_are_the_same_in_any_case_and_unique_parts_are_not() -> None:
    job = JobId.parse("https://LB.Example.org/aBc")
    same = JobId.parse("https://lb.example.ORG:9000/aBc")
    assert job == same
    assert hash(job) == hash(same)
    assert len({job, same}) == 1
    assert str(job) == "https://LB.Example.org:9000/aBc", "an id is written as it was read"
    others = ("https://lb.example.org/abc", "https://lb.example.org:9001/aBc", "https://lb2.example.org/aBc")
    assert all(job != JobId.parse(other) for other in others)
    assert job != str(job)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("http://h/a", 0),
        ("https://h", 9),
        ("https:///a", 8),
        ("https://[::1]x/a", 8),
        ("https://h:99999/a", 10),
        ("https://h:-1/a", 10),
        ("https://h:1 /a", 10),
        ("https://h h/a", 9),
        ("https://h/", 10),
        ("https://h/a b", 11),
        ("https://h/?x", 10),
        ("https://h/\ud800", 10),
        ("https://h/" + "a" * 5000, 4096),
    ],
)
def test_errors_tell_where(text: str, position: int) -> None:
    with pytest.raises(JobIdError) as caught:
        JobId.parse(text)
    assert (caught.value.code, caught.value.position) == (1409, position)


@pytest.mark.parametrize(
    "text",
    ["", "a", "http://h/a", "HTTPS://h/a", "https://h", "https://h/", "https:///a", "https://:9000/a", "https://h:x/a"]
    + ["https://h:70000/a", "https://h h/a", "https://h/a b", "https://h/a\n", "https://[a:b]c:80/d", "https://h/?x"]
    + ["https://[::1/a", "https://h/" + "a" * 5000],
)
def test_malformed(text: str) -> None:
    with pytest.raises(JobIdError) as caught:
        JobId.parse(text)
    assert caught.value.code == 1409
    assert isinstance(caught.value, ValueError)


@given(st.text())
def test_any_text_is_an_id_or_an_error(text: str) -> None:
    try:
        job = JobId.parse(text)
    except JobIdError:
        return
    assert JobId.parse(str(job)) == job


def test_new_ids_differ_and_have_22_characters() -> None:
    ids = {jobid.new("lb.example.org:9100") for _ in range(50)}
    assert len(ids) == 50
    for job in ids:
        assert job.server == "lb.example.org:9100"
        assert len(job.unique) == 22
        assert set(job.unique) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert jobid.new("lb.example.org").port == jobid.new("lb.example.org:0").port == 9000
    assert jobid.new_notification("h").is_notification


@pytest.mark.parametrize("server", ["https://h:9000", "", "h:", "h:x", "a b", "h:70000", "h/a", ":9000", "[]", "[::1"])
def test_new_needs_a_server(server: str) -> None:
    for make in (jobid.new, jobid.new_notification):
        with pytest.raises(JobIdError) as caught:
            make(server)
        assert caught.value.code == errno.EINVAL, "1409 is for ids that are read"


def test_servers() -> None:
    assert jobid.parse_server("h") == jobid.parse_server("h:0") == jobid.parse_server("h:9000") == ("h", 9000)
    assert jobid.parse_server("[::1]") == ("[::1]", 9000)
    assert jobid.parse_server("[::1]:9100") == ("[::1]", 9100)
    assert str(jobid.new("[::1]:9100")).startswith("https://[::1]:9100/")


def test_notification_ids() -> None:
    made = jobid.new_notification("h:9100")
    assert len(made.notification_key) == 22
    assert jobid.notification("h:9100", made.notification_key) == made == JobId.parse(str(made))
    assert str(jobid.notification("h", "abc")) == "https://h:9000/NOTIF:abc"
    for key in ("", "a b"):
        with pytest.raises(JobIdError):
            jobid.notification("h", key)
    with pytest.raises(JobIdError) as caught:
        _ = JobId("h", 9000, "abc").notification_key
    assert caught.value.code == errno.EINVAL


def test_subjobs_as_the_original_client_printed_them() -> None:
    """Capture 10-register-dag.out: no seed given, three subjobs."""
    parent = JobId.parse("https://localhost:9000/kIm2LJurmFpsRWU8pnqnTA")
    assert [str(job) for job in jobid.subjobs(parent, None, 3)] == [
        "https://localhost:9000/9DriCI2zQABjhHeuI_MKPg",
        "https://localhost:9000/eXENVPtG4P0Qa9V5llFG5w",
        "https://localhost:9000/LB0TyUTaxwWUOqtyu_oZDA",
    ]
    assert jobid.subjob(parent, "", 1) == jobid.subjob(parent, jobid.DEFAULT_SEED, 1) != jobid.subjob(parent, "s", 1)


def test_subjobs_need_a_number() -> None:
    parent = JobId("h", 9000, "a")
    for count in (0, -1):
        with pytest.raises(JobIdError) as caught:
            jobid.subjobs(parent, None, count)
        assert caught.value.code == errno.EINVAL
    with pytest.raises(JobIdError):
        jobid.subjob(parent, None, -1)


def test_sandbox_transfer_job() -> None:
    assert str(jobid.sandbox_transfer(JobId("h", 9000, "abc"))) == "https://h:9000/FT:abc"


def test_what_is_remembered_is_bounded() -> None:
    """Long ids are read each time: a stranger who sends many of them fills no memory."""
    before = jobid._remembered.cache_info().currsize
    JobId.parse("https://h/" + "b" * 1000)
    assert jobid._remembered.cache_info().currsize == before
    assert jobid.CACHED * jobid.CACHED_LENGTH * 2 * 4 <= 8 << 20, "key and parts, four octets a character"
