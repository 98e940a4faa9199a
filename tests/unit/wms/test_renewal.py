"""A renewed delegation reaches the jobs that were submitted with it: WMProxy, workload manager, element, wrapper."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import acs
import pki
import tlsserver
from gsi.credential import Credential
from gsi.delegation import Delegated, DelegationStore
from gsi.peer import Peer, ProxyKind
from gsi.proxy import create_proxy, sign_request
from gsi.rules import Rules
from gsi.trust import Trust
from soap.client import Client
from soap.contract import load
from testbed import voms
from unit.wms import wmproxy_support as support
from unit.wms.wmproxy_support import HELLO, User, World
from wms.ce.base import CeError, Report
from wms.jobdirectory import JobDirectory
from wms.manager.lifecycle import NewProxy
from wms.manager.proxies import has_new_proxy
from wms.manager.record import Stage
from wms.wmproxy.delegation import DELEGATION_2
from wms.wmproxy.errors import Code, OperationError
from wms.wmproxy.jobproxies import JobProxies
from wms.wmproxy.proxies import delegated

HOUR = timedelta(hours=1)
NAME = "mine"


class Site:
    """Delegations of one user and job directories, without a server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trust = Trust(acs.ca_dir(), Rules(), acs.vomsdir())
        self.store = DelegationStore(root / "proxycache", self.trust)
        self.jobs = JobProxies(self.store, root / "SandboxDir", self.trust)
        self.count = 0

    def put(self, lifetime: timedelta, issuer: Credential | None = None, **options: Any) -> Delegated:
        request = self.store.new_request(pki.USER_DN, NAME)
        proxy = sign_request(issuer or pki.user(), request, lifetime, **options)
        return self.store.put(pki.USER_DN, NAME, proxy)

    def job(self, delegated: Delegated) -> JobDirectory:
        """What registration leaves."""
        self.count += 1
        directory = JobDirectory(self.root / "SandboxDir", f"https://localhost:9000/Job{self.count}")
        directory.create()
        directory.write(directory.proxy, delegated.credential.to_pem())
        self.jobs.follow(directory, delegated)
        return directory


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def holds(directory: JobDirectory, delegated: Delegated) -> bool:
    return Credential.load(directory.proxy) == delegated.credential


# -- the rules --------------------------------------------------------------------------------------------------------


def test_every_job_of_the_delegation_gets_the_new_proxy(site: Site) -> None:
    old = site.put(HOUR)
    jobs = [site.job(old) for _ in range(3)]
    new = site.put(2 * HOUR)
    assert site.jobs.renew(new) == 3
    assert all(holds(job, new) for job in jobs)
    assert {stat.S_IMODE(job.proxy.stat().st_mode) for job in jobs} == {0o600}


def test_a_job_never_gets_a_proxy_that_ends_sooner(site: Site) -> None:
    old = site.put(2 * HOUR)
    job = site.job(old)
    assert site.jobs.renew(site.put(HOUR)) == 0
    assert holds(job, old)


def test_a_job_never_gets_a_proxy_of_another_user(site: Site) -> None:
    old = site.put(HOUR)
    job = site.job(old)
    foreign = Credential.from_pem(create_proxy(pki.other(), 5 * HOUR).to_pem())
    peer = site.trust.verify([foreign.certificate, *foreign.chain])
    assert site.jobs.renew(Delegated(foreign, old.path, peer)) == 0
    assert holds(job, old)


@pytest.mark.parametrize("limited", [True, False])
def test_a_job_never_gets_fuller_rights_nor_loses_some(site: Site, limited: bool) -> None:
    old = site.put(HOUR, limited=limited)
    job = site.job(old)
    assert site.jobs.renew(site.put(2 * HOUR, limited=not limited)) == 0
    assert holds(job, old)
    assert site.jobs.renew(site.put(2 * HOUR, limited=limited)) == 1


def test_the_kind_of_proxy_may_change(site: Site) -> None:
    job = site.job(site.put(HOUR))
    new = site.put(2 * HOUR, kind=ProxyKind.LEGACY)
    assert site.jobs.renew(new) == 1 and holds(job, new)


def voms_proxy(*fqans: str) -> Credential:
    """A proxy with these attributes, or none."""
    extensions = [voms.extension([acs.ac(fqans=fqans)])] if fqans else []
    return create_proxy(pki.user(), 10 * HOUR, extensions=extensions)


@pytest.mark.parametrize(("first", "second", "renewed"), [
    (["/testvo"], ["/testvo"], True), (["/testvo"], ["/testvo", "/testvo/prod"], True),
    (["/testvo"], [], False), ([], ["/testvo"], False),
    (["/testvo"], ["/testvo/prod", "/testvo"], False), (["/testvo"], ["/testvo/Role=admin"], False),
])
def test_a_job_stays_with_its_vo_group_and_role(
    site: Site, first: list[str], second: list[str], renewed: bool
) -> None:
    site.job(site.put(HOUR, voms_proxy(*first)))
    assert site.jobs.renew(site.put(2 * HOUR, voms_proxy(*second))) == renewed


def test_a_delegation_is_used_by_callers_with_its_first_fqan_only(site: Site) -> None:
    site.put(HOUR, voms_proxy("/testvo", "/testvo/prod"))

    def caller(*fqans: str, limited: bool = False) -> Peer:
        credential = create_proxy(voms_proxy(*fqans), HOUR, limited=limited)
        return site.trust.verify([credential.certificate, *credential.chain])

    assert delegated(site.store, caller("/testvo"), NAME, site.trust).peer.fqans[0] == "/testvo"
    for other in (caller(), caller("/testvo/Role=admin"), caller("/testvo/prod", "/testvo")):
        with pytest.raises(OperationError, match="does not match that of the delegated proxy") as caught:
            delegated(site.store, other, NAME, site.trust)
        assert caught.value.code is Code.PROXY_ERROR
    with pytest.raises(OperationError, match="limited proxy cannot use a full one"):
        delegated(site.store, caller("/testvo", limited=True), NAME, site.trust)


def test_a_proxy_that_is_renewed_in_another_way_is_left_alone(site: Site, tmp_path: Path) -> None:
    old = site.put(HOUR)
    job = site.job(old)
    elsewhere = tmp_path / "elsewhere"
    os.rename(job.proxy, elsewhere)
    job.proxy.symlink_to(elsewhere)
    assert site.jobs.renew(site.put(2 * HOUR)) == 0
    assert Credential.load(elsewhere) == old.credential and job.proxy.is_symlink()


def test_a_renewal_between_the_copy_and_the_note_is_not_lost(site: Site) -> None:
    old = site.put(HOUR)
    new = site.put(2 * HOUR)
    assert site.jobs.renew(new) == 0
    assert holds(site.job(old), new)


def test_jobs_of_a_destroyed_delegation_keep_what_they_have(site: Site) -> None:
    old = site.put(HOUR)
    job = site.job(old)
    site.store.destroy(pki.USER_DN, NAME)
    site.jobs.forget(old.path)
    assert site.jobs.renew(site.put(2 * HOUR)) == 0
    assert holds(job, old)


def test_a_sweep_finishes_an_interrupted_renewal_and_forgets_what_is_gone(site: Site) -> None:
    old = site.put(HOUR)
    kept, gone = site.job(old), site.job(old)
    gone.remove()
    new = site.put(2 * HOUR)  # and the service dies before it renews the jobs
    site.jobs.sweep(since=time.time() + 60)
    assert holds(kept, old), "a delegation that has not changed is not looked at"
    site.jobs.sweep()
    assert holds(kept, new) and site.jobs.renew(site.put(3 * HOUR)) == 1
    kept.remove()
    site.jobs.sweep()
    assert not [path for path in (site.root / "proxycache" / "jobs").rglob("*") if path.is_file()]


def test_a_job_directory_that_cannot_be_written_does_not_stop_the_others(site: Site) -> None:
    old = site.put(HOUR)
    first, second = site.job(old), site.job(old)
    first.proxy.write_text("no proxy")
    new = site.put(2 * HOUR)
    assert site.jobs.renew(new) == 1 and holds(second, new)


# -- through the WMProxy ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("wms")
    with support.lb_server(root / "lb") as lb:
        settings = support.settings(root / "proxy", lb, proxy_cache_period_s=0.1)
        with support.wmproxy_server(settings):
            yield World(settings)


def renew(user: User, name: str, lifetime: timedelta) -> None:
    """renewProxyReq and putProxy."""
    port = Client(load(DELEGATION_2), user.url, user.http)
    request = port.call("renewProxyReq", delegationID=name).renewProxyReqReturn
    port.call("putProxy", delegationID=name, proxy=sign_request(user.credential, request.encode(), lifetime).decode())


def test_renew_and_put_over_the_wire(world: World) -> None:
    user = world.user()
    user.delegate(NAME, HOUR)
    user.delegate("other", HOUR)
    registered, submitted = user.register(), user.submit()
    foreign = str(user.call("jobSubmit", jdl=HELLO, delegationId="other").jobIdStruct.id)
    before = {jobid: Credential.load(world.directory(jobid).proxy) for jobid in (registered, submitted, foreign)}
    renew(user, NAME, 3 * HOUR)
    stored = world.settings.common.proxy_cache.glob(f"%2F*/{NAME}/userproxy.pem")
    new = Credential.load(next(stored))
    for jobid in (registered, submitted):
        assert Credential.load(world.directory(jobid).proxy) == new != before[jobid]
    assert Credential.load(world.directory(foreign).proxy) == before[foreign]
    user.call("jobStart", jobId=registered)


def test_the_server_clears_away_expired_proxies_by_itself(world: World) -> None:
    user = world.user()
    user.delegate("old")
    cache = world.settings.common.proxy_cache
    home = next(cache.glob("%2F*/old"))
    request = cache / "cache" / home.parent.name / "old"
    assert request.is_dir()
    tlsserver.wait_for(lambda: not request.exists())  # no request is pending: the directory is empty
    assert home.is_dir()


# -- manager, element, wrapper ----------------------------------------------------------------------------------------

#: Runs until its proxy is another one.
WAITS = (
    'first=$(cksum < $X509_USER_PROXY); touch begun; '
    'while [ "$first" = "$(cksum < $X509_USER_PROXY)" ]; do sleep 0.05; done; exit 7'
)


def longer() -> bytes:
    return create_proxy(pki.user(), 20 * HOUR).to_pem()


def test_a_running_job_sees_the_new_proxy_and_its_wrapper_the_new_end(make: Any) -> None:
    grid = make()
    jobid = grid.submit(grid.shell(WAITS))
    directory = grid.directory(jobid)
    with grid.running():
        tlsserver.wait_for(lambda: list(grid.root.glob("state/**/work/begun")))
        directory.write(directory.proxy, longer())
        assert grid.wait(jobid)
    assert [event.get("exit_code") for event in grid.events(jobid) if event.name == "Done"] == [7, 7]


def test_a_job_with_a_renewed_proxy_outlives_the_first_one(make: Any) -> None:
    """The wrapper begins with a proxy that has ended by its clock: only the new end keeps the job alive."""
    grid = make()
    grid.submit(grid.shell(WAITS))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    attempt = job.record.attempt
    assert attempt is not None and job.record.stage is Stage.AT_CE
    adapter = lifecycle.elements.get(attempt.ceid)
    assert adapter is not None
    place = next(grid.root.glob(f"state/**/{attempt.lrms_id}"))
    description = (place / "job.json").read_text()
    ends = f"{Credential.load(place / 'user.proxy').not_after.timestamp()}"
    assert ends in description
    (place / "job.json").write_text(description.replace(ends, "1.0"))
    adapter.renew(attempt.lrms_id, pki.proxy_file(), time.time() + 86400)
    adapter.poll([])  # starts it
    tlsserver.wait_for(lambda: (place / "work" / "begun").exists())
    adapter.renew(attempt.lrms_id, write(grid.root / "new", longer()), time.time() + 86400)

    def report() -> Report:
        found: Report = adapter.poll([attempt.lrms_id])[attempt.lrms_id]
        return found

    tlsserver.wait_for(lambda: report().state.final)
    progress = report().progress
    assert progress is not None and (progress.exit_code, progress.failure) == (7, None)


def write(path: Path, octets: bytes) -> Path:
    path.write_bytes(octets)
    path.chmod(0o600)
    return path


@pytest.fixture
def at_ce(make: Any) -> Callable[[], Any]:
    """A job that an element has, step by step."""

    def made() -> Any:
        grid = make()
        jobid = grid.submit(grid.shell("exit 0"))
        lifecycle = grid.lifecycle()
        job = grid.accept(lifecycle)
        lifecycle.advance(job)
        assert job.record.stage is Stage.AT_CE and not has_new_proxy(job.record)
        return lifecycle, job, grid.directory(jobid)

    return made


def test_what_was_passed_on_is_remembered(at_ce: Callable[[], Any]) -> None:
    lifecycle, job, directory = at_ce()
    directory.write(directory.proxy, longer())
    assert has_new_proxy(job.record)
    job.inbox.append(NewProxy())
    lifecycle.advance(job)
    assert not has_new_proxy(job.record)
    assert [record.attempt.proxy_version for record in lifecycle.store.load()] == [job.record.attempt.proxy_version]


def test_an_element_that_does_not_take_it_is_asked_again(
    at_ce: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle, job, directory = at_ce()
    directory.write(directory.proxy, longer())

    def away(*arguments: object) -> None:
        raise CeError("not now", transient=True)

    with monkeypatch.context() as patched:
        patched.setattr("wms.ce.local.LocalElement.renew", away)
        job.inbox.append(NewProxy())
        lifecycle.advance(job)
    assert has_new_proxy(job.record)
    job.inbox.append(NewProxy())
    lifecycle.advance(job)
    assert not has_new_proxy(job.record)


@pytest.mark.parametrize("octets", [b"rubbish", b""])
def test_what_is_no_proxy_is_not_passed_on(at_ce: Callable[[], Any], octets: bytes) -> None:
    lifecycle, job, directory = at_ce()
    place = next(path for path in directory.root.parent.parent.glob("state/**/user.proxy"))
    before = place.read_bytes()
    directory.write(directory.proxy, octets)
    job.inbox.append(NewProxy())
    lifecycle.advance(job)
    assert place.read_bytes() == before
