"""A MariaDB server for the tests: Debian's binaries, a socket and a data directory of its own, no network."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

START_TIMEOUT_S = 120


def available() -> bool:
    """True when Debian's mariadb-server is installed."""
    return _program("mariadbd") is not None and _program("mariadb-install-db") is not None


class Server:
    """Start with `with Server() as server:`; `server.new_database()` gives the URL of a fresh, empty database."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="mdb-"))  # short: a socket path has at most 107 bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._command: list[str] = []

    @property
    def socket(self) -> Path:
        return self._root / "s"

    def __enter__(self) -> "Server":
        run_as = ["--user=mysql"] if os.getuid() == 0 else []
        data = self._root / "data"
        data.mkdir()
        if run_as:
            for path in (self._root, data):
                shutil.chown(path, "mysql")
        install = [_need("mariadb-install-db"), "--no-defaults", *run_as, f"--datadir={data}",
                   "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._command = [_need("mariadbd"), "--no-defaults", *run_as, f"--datadir={data}",
                         f"--socket={self.socket}", f"--pid-file={self._root / 'pid'}", "--skip-networking",
                         "--innodb-buffer-pool-size=64M", "--max-connections=400", "--character-set-server=utf8mb4"]
        self.start()
        return self

    def start(self) -> None:
        """Start the server, for the first time or after `kill`, and wait until it answers."""
        with (self._root / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        self._wait()

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __exit__(self, *_exc: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
        shutil.rmtree(self._root, ignore_errors=True)

    def new_database(self) -> str:
        name = f"t{secrets.token_hex(8)}"
        self._execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        return f"mysql://root@localhost/{name}?unix_socket={self.socket}"

    def drop(self, url: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {url.split('/')[3].split('?')[0]}")

    def _execute(self, statement: str) -> None:
        client = [_need("mariadb"), "--no-defaults", "-uroot", f"--socket={self.socket}", "-e", statement]
        subprocess.run(client, check=True, capture_output=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                self._execute("SELECT 1")
                return
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise RuntimeError("MariaDB does not start:\n" + (self._root / "log").read_text()[-2000:])


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")


def _need(name: str) -> str:
    found = _program(name)
    if found is None:
        raise RuntimeError(f"{name} is missing; install Debian's mariadb-server")
    return found
