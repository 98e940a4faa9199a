"""Each parser of what strangers and administrators write, fuzzed with coverage for a bounded number of inputs.

`python tests/fuzz/fuzzed.py NAME SEEDS` goes on for as long as one likes.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import acs
import chains
import pki
from fuzz import lbseeds
from gsi.certificates import INHERIT_ALL, ProxyCertInfo
from testbed import voms

#: How many inputs; enough to get through every branch from the seeds on.
RUNS = 20_000
#: The same for those that do much for each.
FEWER = {"life of a job": 5_000, "jobs of a server": 5_000}
SEED = 1

SEEDS: dict[str, list[bytes]] = {
    "attribute certificate": [voms.extension([acs.ac(attributes=[acs.NICKNAME], targets=["a.example.org"])]).value],
    "LSC file": [acs.server().lsc.encode() + b"------ NEXT CHAIN ------\n# x\n" + acs.second().lsc.encode()],
    "FQAN": [b"/vo.example.org/group/Role=admin/Capability=NULL"],
    "pattern of FQANs": [b"/vo/*/Role=a*/Capability=NULL /vo/a/Role=admin"],
    "ProxyCertInfo": [ProxyCertInfo(1, INHERIT_ALL).to_extension().value],
    "draft ProxyCertInfo": [ProxyCertInfo(1, INHERIT_ALL).to_extension().value],
    "signing policy": [b"access_id_CA X509 '/CN=CA'\npos_rights globus CA:sign\n"
                       b"cond_subjects globus '\"/DC=org/*\"'\n"],
    "namespaces": [b'TO Issuer "/CN=CA" PERMIT Subject "/DC=org/.*"\n'],
    "grid-mapfile": [b'"/CN=Jo \\"JD\\" Doe" jdoe,grid01\n/vo/Role=a/* .pool\n# x\n/CN=M\\xC3\\xBC a\n'],
    "identity mapping": [b'"/CN=Jo Doe" "/CN=Jo"\n/CN=a /CN=b\n'],
    "list of names": [b'"/CN=Jo Doe"\n/vo/*\n# x\n'],
    "gACL": [(files("etc") / "glite_wms_wmproxy.gacl").read_bytes()],
    "certificate": [one.certificate.public_bytes(Encoding.DER) for one in (
        pki.user(), pki.proxy(), chains.legacy(pki.user()), chains.draft(pki.user(), path_length=1))],
    "policy of LB": [(files("etc") / "glite-lb-authz.conf").read_bytes()],
    **lbseeds.SEEDS,
}


Run = subprocess.CompletedProcess[str]
Runs = dict[str, Future[Run]]


@pytest.fixture(scope="module")
def fuzzing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """All runs of the tests that were chosen, as many at once as there are processors."""
    chosen = [str(item.callspec.params["name"]) for item in request.session.items
              if isinstance(item, pytest.Function) and item.module is request.module]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(fuzz, name, tmp_path_factory.mktemp("fuzz")) for name in chosen}


def fuzz(name: str, folder: Path) -> Run:
    seeds = folder / "seeds"
    seeds.mkdir()
    for number, octets in enumerate(SEEDS[name]):
        (seeds / str(number)).write_bytes(octets)
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, Path(__file__).with_name("fuzzed.py"), name, seeds, f"-runs={runs_of(name)}", f"-seed={SEED}",
         "-max_len=4096", "-timeout=0", f"-artifact_prefix={folder}/"],
        capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": f"{root}:{root / 'tests'}"})


def runs_of(name: str) -> int:
    return FEWER.get(name, RUNS)


@pytest.mark.parametrize("name", SEEDS)
def test_any_octets_give_a_result_or_an_error(fuzzing: Runs, name: str) -> None:
    told = fuzzing[name].result()
    assert told.returncode == 0, (told.stdout[-2000:], told.stderr[-5000:])  # libFuzzer tells the octets, too
    assert f"Done {runs_of(name)}" in told.stderr
