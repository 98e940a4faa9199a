"""What all daemons have in common on their command lines."""

import click
import pytest

import jpis.main
import jpps.importer.main
import jpps.main
import lb.logger.main
import lb.server.main
import wms.manager.main
import wms.wmproxy.main
from httpg.limits import Limits

SERVERS = {
    "glite-lb-bkserverd": lb.server.main.command, "glite-jp-primarystoraged": jpps.main.command,
    "glite-jp-indexd": jpis.main.command, "glite-wms-wmproxy": wms.wmproxy.main.command,
}
OTHERS = {
    "glite-jp-importer": jpps.importer.main.command, "glite-lb-interlogd": lb.logger.main.command,
    "glite-wms-workload-manager": wms.manager.main.command,
}


def option(command: click.Command, name: str) -> click.Option | None:
    found = [each for each in command.params if isinstance(each, click.Option) and name in each.opts]
    return found[0] if found else None


def test_every_daemon_has_the_same_status_port() -> None:
    found = [option(command, "--status-port") for command in (SERVERS | OTHERS).values()]
    assert len({each.help if each else None for each in found}) == 1 and all(found)
    assert all(each.default is None or not isinstance(each.default, tuple) for each in found if each)


def test_every_server_has_the_same_limits() -> None:
    found = [option(command, "--limit") for command in SERVERS.values()]
    assert len({each.help if each else None for each in found}) == 1 and all(found)
    assert not any(option(command, "--limit") for command in OTHERS.values())


@pytest.mark.parametrize("name", SERVERS)
def test_a_limit_that_is_none_is_refused_by_name(name: str) -> None:
    [given] = [each for each in SERVERS[name].params if each.name == "server_limits"]
    with click.Context(SERVERS[name]) as context:
        assert given.process_value(context, ("max_handshakes=9",)) == Limits(max_handshakes=9)
        with pytest.raises(click.BadParameter, match="did you mean max_handshakes"):
            given.process_value(context, ("max_handshake=9",))
