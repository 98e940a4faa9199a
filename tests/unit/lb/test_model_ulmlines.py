"""Notification and command lines, and what a logger puts in front of a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.model import ulm, ulmlines
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.ulm import UlmError
from lb.model.ulmlines import Command, Notification
from lb.model.vocabulary import LEVELS, SOURCES

NOTIFICATION = (
    'DATE=20260313114125.327248 HOST="lb.example.org" PROG=edg-wms LVL=SYSTEM DG.SOURCE="LBServer" DG.SRC_INSTANCE=""'
    ' DG.TYPE="notification" DG.NOTIFICATION.NOTIFID="https://lb.example.org:9000/NOTIF:abc"'
    ' DG.NOTIFICATION.OWNER="/CN=Jo \\"JD\\" Doe" DG.NOTIFICATION.DEST_HOST="ui.example.org"'
    ' DG.NOTIFICATION.DEST_PORT="3456" DG.NOTIFICATION.EXPIRES="1773405000"'
    ' DG.NOTIFICATION.JOBSTAT="&lt;jobStat&gt;Done&lt;reason&gt;a &amp;amp; b&lt;/reason&gt;&lt;/jobStat&gt;"'
    ' DG.NOTIFICATION.DEST_URL=""'
)
FLUSH = (
    'DATE=20260313114125.327248 HOST="ui.example.org" PROG=internal LVL=system DG.PRIORITY=1 DG.TYPE="command"'
    ' DG.COMMAND="flush" DG.TIMEOUT="120"'
)
EVENT = (
    'DATE=20260313114125.327248 HOST="ui.example.org" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=4 DG.SOURCE="LogMonitor"'
    ' DG.SRC_INSTANCE="" DG.EVNT="Purge" DG.JOBID="https://lb.example.org:9000/abc" DG.SEQCODE=""'
)


def test_a_notification() -> None:
    found = ulmlines.parse_notification(NOTIFICATION)
    assert found == Notification(
        timestamp=(1773402085, 327248), host="lb.example.org",
        notifid=JobId.parse("https://lb.example.org:9000/NOTIF:abc"), owner='/CN=Jo "JD" Doe',
        jobstat="<jobStat>Done<reason>a &amp; b</reason></jobStat>", expires=1773405000, dest_host="ui.example.org",
        dest_port=3456,
    )
    assert ulmlines.write_notification(found) == NOTIFICATION
    assert ulmlines.read(NOTIFICATION.encode() + b"\n") == found


def test_commands() -> None:
    found = ulmlines.parse_command(FLUSH)
    assert found == Command((1773402085, 327248), "ui.example.org", 120)
    assert ulmlines.write_command(found) == FLUSH
    one = FLUSH + ' DG.JOBID="https://lb.example.org:9000/abc"'
    assert ulmlines.parse_command(one).jobid == JobId("lb.example.org", 9000, "abc")
    assert ulmlines.write_command(ulmlines.parse_command(one)) == one
    assert ulmlines.read(one + "\n") == ulmlines.parse_command(one)


def test_what_a_logger_puts_in_front() -> None:
    for user in ("/CN=Jo Doe", '/CN=Jo "JD" \\ Doe'):
        event = ulmlines.read(ulmlines.logger_prefix(1234 * ulmlines.LLLID_FACTOR + 7, user) + EVENT)
        assert isinstance(event, Event)
        assert event.user == user
    assert ulmlines.logger_prefix(1) == 'DG.LLLID=1 DG.USER="anonymous" '
    assert isinstance(ulmlines.read(ulmlines.logger_prefix(1) + FLUSH), Command)


@pytest.mark.parametrize(
    ("line", "old", "new", "code", "field"),
    [
        (NOTIFICATION, ' DG.TYPE="notification"', "", 1402, "DG.EVNT"),
        (NOTIFICATION, "/NOTIF:abc", "/abc", 1403, "DG.NOTIFICATION.NOTIFID"),
        (NOTIFICATION, "https://lb.example.org:9000/NOTIF:abc", "", 1403, "DG.NOTIFICATION.NOTIFID"),
        (NOTIFICATION, "DATE=20260313114125.327248 ", "", 1403, "DATE"),
        (NOTIFICATION, "LBServer", "Nobody", 1403, "DG.SOURCE"),
        (NOTIFICATION, "LVL=", 'HOST="h" LVL=', 1404, "HOST"),
        (NOTIFICATION, "LVL=", "DG.DONE.REASON=x LVL=", 1405, "DG.DONE.REASON"),
        (NOTIFICATION, "LVL=", "DG.EVNT=Purge LVL=", 1404, "DG.EVNT"),
        (NOTIFICATION, "LVL=", "DG.EVNT=x LVL=", 1402, "DG.EVNT"),
        (NOTIFICATION, 'DEST_URL=""', 'DEST_URL="', 1401, ""),
        (FLUSH, ' DG.TYPE="command"', "", 1402, "DG.EVNT"),
        (FLUSH, '"flush"', '"dance"', 1402, "DG.COMMAND"),
        (FLUSH, '"120"', '"-1"', 1403, "DG.TIMEOUT"),
        (FLUSH, '"120"', '"2147483648"', 1403, "DG.TIMEOUT"),
        (FLUSH, ' DG.TIMEOUT="120"', "", 1403, "DG.TIMEOUT"),
        (FLUSH, "DATE=2", "DATE=x", 1403, "DATE"),
        (FLUSH, '"120"', '"120" DG.TIMEOUT="120"', 1404, "DG.TIMEOUT"),
        (FLUSH, '"120"', '"120" DG.JOBID="x"', 1403, "DG.JOBID"),
    ],
)
def test_refused(line: str, old: str, new: str, code: int, field: str) -> None:
    assert old in line
    with pytest.raises(UlmError) as caught:
        ulmlines.read(line.replace(old, new))
    assert (caught.value.code, caught.value.field) == (code, field)


def test_neither_is_the_other() -> None:
    for parse, line in ((ulmlines.parse_command, NOTIFICATION), (ulmlines.parse_notification, FLUSH)):
        with pytest.raises(UlmError) as caught:
            parse(line)
        assert (caught.value.code, caught.value.field) == (1402, "DG.TYPE")
        assert line[caught.value.position :].startswith("DG.TYPE")


def test_a_message_to_the_interlogger_itself_has_no_status() -> None:
    """A new address for what waits (lb.md 10.1)."""
    moved = ulmlines.parse_notification(
        NOTIFICATION[: NOTIFICATION.index(" DG.NOTIFICATION.OWNER")] + ' DG.NOTIFICATION.DEST_HOST="ui2.example.org"'
    )
    assert (moved.owner, moved.jobstat, moved.dest_host) == ("", "", "ui2.example.org")
    assert ulmlines.parse_notification(ulmlines.write_notification(moved)) == moved


@pytest.mark.parametrize("text", ["", "&amp;lt;", "&bogus;", "&#65;", "&", "a<b>\"c\"'d'&e;", "&amp;amp;amp;"])
def test_entities_are_written_once_more(text: str) -> None:
    assert ulmlines.unescape_once(ulmlines.escape(text)) == text


# ---- whatever they hold ---------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MOMENT = st.tuples(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
NOTIFICATIONS = st.builds(
    Notification, MOMENT, TEXT, st.from_regex(r"[\w:-]{1,20}", fullmatch=True).map(lambda key: _id(key)), TEXT, TEXT,
    st.integers(-(2**31), 2**31 - 1), TEXT, st.integers(0, 65535), TEXT, st.none() | st.sampled_from(LEVELS),
    st.sampled_from(SOURCES), TEXT,
)
JOBS = st.none() | st.builds(JobId, st.just("h"), st.integers(1, 65535), st.from_regex(r"\w{1,20}", fullmatch=True))
COMMANDS = st.builds(Command, MOMENT, TEXT, st.integers(0, ulmlines.MAX_TIMEOUT_S), JOBS)


def _id(key: str) -> JobId:
    return JobId("lb.example.org", 9000, f"NOTIF:{key}")


@given(NOTIFICATIONS)
def test_every_notification_survives_writing_and_reading(notification: Notification) -> None:
    line = ulmlines.write_notification(notification)
    assert ulmlines.parse_notification(line) == ulmlines.read(ulm.encode(line)) == notification


@given(COMMANDS)
def test_every_command_survives_writing_and_reading(command: Command) -> None:
    line = ulmlines.write_command(command)
    assert ulmlines.parse_command(line) == ulmlines.read(ulm.encode(line)) == command


def test_the_fields_of_a_notification_are_those_of_the_catalogue() -> None:
    written = [part.partition("=")[0] for part in NOTIFICATION.split(" ") if part.startswith("DG.NOTIFICATION.")]
    assert written == [field.ulm for field in EVENTS["Notification"].fields]
