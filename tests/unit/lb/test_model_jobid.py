"""Job ids: form, default port, subjobs as the original makes them."""

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
    ],
)
def test_parse(text: str, host: str, port: int, unique: str, info: str | None) -> None:
    job = JobId.parse(text)
    assert (job.host, job.port, job.unique, job.info) == (host, port, unique, info)
    assert str(job) == f"https://{host}:{port}/{unique}"
    assert job.server == f"{host}:{port}"


def test_info_is_no_part_of_the_identity() -> None:
    assert JobId.parse("https://h/a?x") == JobId.parse("https://h:9000/a?y") == JobId.parse("https://h/a")


@pytest.mark.parametrize(
    "text",
    ["", "a", "http://h/a", "HTTPS://h/a", "https://h", "https://h/", "https:///a", "https://:9000/a", "https://h:x/a"]
    + ["https://h:70000/a", "https://h h/a", "https://h/a b", "https://h/a\n", "https://a:b:80/c", "https://h/?x"]
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


@pytest.mark.parametrize("server", ["https://h:9000", "", "h:", "h:x", "a b", "h:70000"])
def test_new_needs_a_server(server: str) -> None:
    with pytest.raises(JobIdError):
        jobid.new(server)


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
        with pytest.raises(JobIdError):
            jobid.subjobs(parent, None, count)
    with pytest.raises(JobIdError):
        jobid.subjob(parent, None, -1)


def test_sandbox_transfer_job() -> None:
    assert str(jobid.sandbox_transfer(JobId("h", 9000, "abc"))) == "https://h:9000/FT:abc"
