"""Rights that follow from VO attributes, through real handshakes: of WMProxy, its sandboxes, LB and JP."""

from pathlib import Path

import pytest
import requests

import acs
import jpps.server
import lbbench
import pki
import tlsserver
from gsi.credential import Credential
from gsi.gacl import Credential as Named
from gsi.gacl import Entry, Gacl, Permission
from gsi.proxy import create_proxy
from httpg.client import session
from lb.client import LbClient
from lb.model import jobid as ids
from lb.storeclient import StoreConnection
from soap.client import Client
from soap.contract import load
from soap.faults import Fault, PosixFault, TypedFault
from unit.wms import wmproxy_support as support
from wms.jobdirectory import JobDirectory

ROLE = "/testvo/Role=operator"


@pytest.fixture(autouse=True)
def vomsdir(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of this test believe the VOMS server of testvo."""
    monkeypatch.setenv("X509_VOMS_DIR", str(acs.vomsdir()))


def shows(*fqans: str, user: Credential | None = None) -> Credential:
    """A proxy of a user whose VO says these attributes of him."""
    user = user or pki.other()
    return acs.proxy(acs.ac(holder=user.certificate, fqans=fqans), issuer=user)


def claims(*fqans: str, user: Credential | None = None) -> Credential:
    """The same, signed by the user himself."""
    user = user or pki.other()
    return acs.proxy(acs.ac(holder=user.certificate, fqans=fqans, key=user.key), issuer=user)


def refused(client: Client, operation: str, **arguments: object) -> Fault:
    with pytest.raises(Fault) as fault:
        client.call(operation, **arguments)
    return fault.value


@pytest.mark.parametrize("which", ["users_file", "gacl_file"])
def test_the_users_of_wmproxy(tmp_path: Path, which: str) -> None:
    listed = {
        "users_file": f"{ROLE}\n",
        "gacl_file": f"<gacl><entry><voms><fqan>{ROLE}</fqan></voms><allow><exec/></allow></entry></gacl>",
    }
    (tmp_path / which).write_text(listed[which])
    chosen = support.settings(tmp_path, **{which: tmp_path / which})
    with support.wmproxy_server(chosen):
        assert support.User(chosen, shows(ROLE, "/testvo")).call("getVersion").version
        for credential in (create_proxy(pki.other()), shows("/testvo"), claims(ROLE, "/testvo")):
            fault = refused(support.User(chosen, credential).main, "getVersion")
            assert isinstance(fault, TypedFault) and fault.name == "AuthorizationFault"
            assert fault.record.ErrorCode == "1207"
            assert fault.record.Description.startswith("Authorization error: user not authorized")
        (tmp_path / which).write_text(listed[which].replace("operator", "user"))
        refused(support.User(chosen, shows(ROLE)).main, "getVersion")
        assert support.User(chosen, shows("/testvo/Role=user")).call("getVersion").version


def test_the_access_list_of_a_job(tmp_path: Path) -> None:
    chosen = support.settings(tmp_path)
    jobid = "https://localhost:9000/AbCdEfGhIjKlMnOpQrStUv"
    directory = JobDirectory(chosen.common.sandbox_directory, jobid)
    with support.wmproxy_server(chosen):
        directory.create()
        (directory.output / "result").write_text("42")
        operators = Entry((Named.voms(ROLE),), frozenset({Permission.READ}))
        directory.write(directory.gacl, Gacl.of_owner(pki.USER_DN).add(operators).write())
        url = f"https://localhost:{chosen.wmproxy.port}/{directory.relative}/output/result"

        def by(credential: Credential) -> requests.Session:
            return session(credential, pki.ca_dir())

        assert by(pki.proxy()).get(url).text == by(shows("/testvo", ROLE)).get(url).text == "42"
        for credential in (create_proxy(pki.other()), shows("/testvo"), claims(ROLE)):
            assert by(credential).get(url).status_code == 403
        assert by(shows(ROLE)).put(url, data=b"43").status_code == 403
        assert by(pki.proxy()).put(url, data=b"43").status_code == 204
        # the list lets others read the files, it makes them no owners of the job
        fault = refused(support.User(chosen, shows(ROLE)).main, "jobPurge", jobId=jobid)
        assert "it is not your job" in str(fault)
        assert directory.exists


def test_readers_of_lb(tmp_path: Path) -> None:
    policy = tmp_path / "authz.conf"
    policy.write_text(
        f'resource "LB" {{ action "READ_ALL" {{ rule permit {{ fqan = "{ROLE}" }} }}'
        ' action "REGISTER_JOBS" { rule permit { subject = ".*" } } }'
    )
    chosen = lbbench.settings(tmp_path, f"sqlite:///{tmp_path / 'lb.db'}", policy=policy)
    jobid = ids.new(chosen.server)
    with lbbench.running(chosen):
        store = StoreConnection(chosen.server, pki.proxy(), pki.ca_dir())
        assert store.deliver(lbbench.registration(jobid)).ok
        store.close()

        def ask(credential: Credential) -> str:
            http = session(credential, pki.ca_dir())
            return str(LbClient(f"https://localhost:{chosen.ws_port}/", http).job_status(str(jobid)).state)

        assert ask(pki.proxy()) == ask(shows(ROLE)) == "SUBMITTED"
        for credential in (create_proxy(pki.other()), shows("/testvo"), claims(ROLE)):
            with pytest.raises(PosixFault, match="not owner"):
                ask(credential)
        # a mistake in the file takes nobody's rights and gives nobody any; it was not restarted
        policy.write_text('resource "LB" {')
        assert ask(shows(ROLE)) == "SUBMITTED"
        policy.write_text('resource "LB" { }')
        with pytest.raises(PosixFault, match="not owner"):
            ask(shows(ROLE))
        assert ask(pki.proxy()) == "SUBMITTED"


def test_trusted_peers_of_primary_storage(tmp_path: Path) -> None:
    cert, key = support.host_files(tmp_path)
    (tmp_path / "peers").write_text(f"{ROLE}\n")
    (tmp_path / "jpps").mkdir()
    chosen = jpps.server.Settings(
        tmp_path / "jpps", "https://localhost/jpps", f"sqlite:///{tmp_path / 'jpps.db'}", pki.ca_dir(), cert, key,
        peers=tmp_path / "peers", listen="127.0.0.1", port=0, workers=1,
    )
    jpps.server.prepare(chosen)
    with tlsserver.serving(jpps.server.server(chosen)) as running:
        url = f"https://localhost:{running.ports[0]}/"

        def by(credential: Credential) -> Client:
            return Client(load("JobProvenancePS"), url, session(credential, pki.ca_dir()))

        by(shows(ROLE)).call("RegisterJob", job="https://lb.example.org:9000/one", owner=pki.USER_DN)
        for credential in (create_proxy(pki.other()), shows("/testvo"), claims(ROLE)):
            fault = refused(by(credential), "RegisterJob", job="https://lb.example.org:9000/two", owner=pki.USER_DN)
            assert "you are not a trusted peer of the service" in str(fault)
        # a trusted peer registers jobs, he does not own them
        assert "you are not a job owner" in str(
            refused(by(shows(ROLE)), "GetJobFiles", jobid="https://lb.example.org:9000/one"))
