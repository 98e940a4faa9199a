"""GET /.well-known/glite/peer: each service tells the caller who he is to it and what he may do, and nobody else."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import jpis.main
import jpps.server
import pki
import sql
from gsi.peer import Peer, ProxyKind, VoAttributes
from jpis import config, schema
from lb.server.node import Node
from lbbench import HOST_DN, settings
from shared import ROOT
from soap import whoami
from unit.wms import wmproxy_support
from wms.wmproxy.app import wmproxy_application

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
END = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
VO = VoAttributes("vo.example", ("/vo.example", "/vo.example/Role=prod"), (), "/CN=voms.example", END, "voms:15000")
USER = Peer(pki.USER_DN, "CN=Test User,DC=example,DC=org", ProxyKind.RFC3820, True, (), END, VO.fqans, (VO,),
            ("other.example: it has expired (check 4)",))
SERVER = Peer(HOST_DN, "CN=localhost,DC=example,DC=org", ProxyKind.NONE, False, (), END)


def jpps_application(root: Path) -> Application:
    cert, key = wmproxy_support.host_files(root)
    peers = root / "peers"
    peers.write_text(f"{HOST_DN}\n")
    chosen = jpps.server.Settings(root / "jpps", "https://localhost:8901/", f"sqlite:///{root / 'jpps.db'}",
                                  pki.ca_dir(), cert, key, peers=peers)
    chosen.root.mkdir()
    jpps.server.prepare(chosen)
    return jpps.server.protocol(chosen)._app


def jpis_application(root: Path) -> Application:
    cert, key = wmproxy_support.host_files(root)
    path = ROOT / "etc" / "glite-jpis-config.xml"
    options = jpis.main.Options(path, f"sqlite:///{root / 'jpis.db'}", 8902, "", "https://localhost:8902", cert, key,
                                pki.ca_dir(), None, None, False, 1)
    configuration = config.load(path)
    schema.prepare(sql.engine(options.database), configuration)
    return jpis.main._protocol(options, configuration, options.policy(HOST_DN))._app


def lb_node(root: Path) -> Node:
    node = Node(settings(root, f"sqlite:///{root / 'lb.db'}"))
    node.prepare()
    return node


#: Service: what makes its application, its name, the operations that tell user and server apart.
SERVICES: dict[str, tuple[Callable[[Path], Application], str, dict[str, tuple[str, str]]]] = {
    "JPPS": (jpps_application, "JobProvenancePS", {
        "RegisterJob": ("no", "yes"), "GetJobAttributes": ("depends on the job",) * 2, "RecordTag": (
            "depends on the job",) * 2}),
    "JPIS": (jpis_application, "JobProvenanceIS", {
        "UpdateJobs": ("no", "yes"), "QueryJobs": ("yes", "yes"), "AddFeed": ("no", "yes")}),
    "LB web service": (lambda root: lb_node(root)._web_service, "LB", {
        "JobStatus": ("depends on the job", "yes"), "GetVersion": ("yes", "yes"),
        "NotifDrop": ("not available yet",) * 2}),
    "LB query port": (lambda root: lb_node(root)._query_port, "LB", {"UserJobs": ("yes", "yes")}),
    "WMProxy": (lambda root: wmproxy_application(wmproxy_support.settings(root)), "WMProxy", {
        "jobRegister": ("yes", "yes"), "jobPurge": ("depends on the job",) * 2, "putProxy": ("yes", "yes"),
        "getJobStatus": ("not available yet",) * 2}),
}


def get(application: Application, peer: Peer | None, method: str = "GET", path: str = whoami.PATH
        ) -> tuple[str, Mapping[str, str], bytes]:
    """What the application answers to a peer."""
    started: list[Any] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost",
               "SERVER_PORT": "1", "wsgi.url_scheme": "https", "gsi.peer": peer}
    body = b"".join(application(environ, lambda *given: started.extend(given)))
    return started[0], dict(started[1]), body


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, tmp_path: Path
            ) -> tuple[Application, str, dict[str, tuple[str, str]]]:
    make, name, operations = SERVICES[request.param]
    return make(tmp_path), name, operations


def test_who_the_caller_is(service: tuple[Application, str, Any]) -> None:
    application, name, _ = service
    status, headers, body = get(application, USER)
    told = json.loads(body)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == ("200 OK", "application/json", "no-store")
    assert int(headers["Content-Length"]) == len(body)
    assert told["service"]["name"] == name and told["service"]["version"]
    assert {key: told[key] for key in told if key not in ("service", "ports")} == {
        "identity": pki.USER_DN, "rfc2253": "CN=Test User,DC=example,DC=org", "proxy_kind": "RFC 3820 proxy",
        "limited": True, "not_after": "2030-01-02T03:04:05Z", "fqans": ["/vo.example", "/vo.example/Role=prod"],
        "vos": [{"vo": "vo.example", "fqans": ["/vo.example", "/vo.example/Role=prod"], "issuer": "/CN=voms.example",
                 "server": "voms:15000", "not_after": "2030-01-02T03:04:05Z"}],
        "disbelieved": ["other.example: it has expired (check 4)"],
    }


def test_what_the_caller_may_do(service: tuple[Application, str, dict[str, tuple[str, str]]]) -> None:
    application, _, expected = service
    for number, peer in enumerate((USER, SERVER)):
        ports = json.loads(get(application, peer)[2])["ports"]
        answers = {name: answer for port in ports for name, answer in port["operations"].items()}
        assert {name: answers[name] for name in expected} == {name: pair[number] for name, pair in expected.items()}
        assert set(answers.values()) <= {"yes", "no", "depends on the job", "not available yet"}
        assert all(port["reasons"].keys() == port["operations"].keys() for port in ports)
        assert all(reason for port in ports for reason in port["reasons"].values())


def test_nobody_is_told_nothing(service: tuple[Application, str, Any]) -> None:
    status, _, body = get(service[0], None)
    assert status == "403 Forbidden" and b"present a certificate" in body and b"operations" not in body


def test_head_has_no_body(service: tuple[Application, str, Any]) -> None:
    status, headers, body = get(service[0], USER, "HEAD")
    assert (status, body) == ("200 OK", b"") and int(headers["Content-Length"]) > 100


def test_other_paths_are_as_they_were(service: tuple[Application, str, Any]) -> None:
    assert not get(service[0], USER, path=f"{whoami.PATH}/more")[0].startswith("200")


def test_all_ports_of_wmproxy_are_told_apart(tmp_path: Path) -> None:
    told = json.loads(get(SERVICES["WMProxy"][0](tmp_path), replace(USER, vos=(), fqans=()))[2])
    assert len({port["namespace"] for port in told["ports"]}) == len(told["ports"]) == 3
    assert told["vos"] == []


def test_who_is_not_among_the_users_of_wmproxy_may_nothing(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("/CN=Somebody Else\n")
    application = wmproxy_application(wmproxy_support.settings(tmp_path, users_file=users))
    for port in json.loads(get(application, USER)[2])["ports"]:
        assert set(port["operations"].values()) == {"no"}
