"""TLS with a certificate that is checked: a server with the right one is read and written, any other is refused."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from history_samples import counts_of, store, suite
from private_server import PrivateServer, missing, private_server

from flakediag.errors import ExitCode, HistoryError
from flakediag.history import History

PASSWORD = "s3cr3t w0rd"


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """The certificate of a new authority."""
    certificate = folder / f"{name}.pem"
    made = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
    openssl("req", *made, "-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate))
    return certificate


def certificate(folder: Path, by: Path, host: str) -> tuple[Path, Path]:
    """A certificate for `host` and its key, signed by an authority."""
    key, request, signed, names = (folder / f"server.{end}" for end in ("key", "csr", "pem", "names"))
    names.write_text(f"subjectAltName=DNS:{host}\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-keyout", str(key), "-out", str(request))
    signs = ("-CA", str(by), "-CAkey", str(by.with_suffix(".key")), "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", str(request), *signs, "-extfile", str(names), "-out", str(signed))
    return signed, key


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `right.pem`, whose authority vouches for the server's certificate, and `wrong.pem`."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("right", "wrong"):
        authority(folder, name)
    certificate(folder, folder / "right.pem", "localhost")
    return folder


@pytest.fixture(scope="module")
def tls(certificates: Path) -> Iterator[PrivateServer]:
    """A server that lets in over TCP by TLS only, with the role `locked`, and a certificate for localhost."""
    if why := missing():
        pytest.skip(why)
    with private_server() as server:
        data = server.folder / "data"
        for source, name in (("server.pem", "server.crt"), ("server.key", "server.key")):
            shutil.copyfile(certificates / source, data / name)
            (data / name).chmod(0o600)
            if server.account is not None:
                shutil.chown(data / name, server.account)
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n")
        with psycopg.connect(server.address, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET ssl = on")
            conn.execute(f"CREATE ROLE locked LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        server.stop("fast")
        server.start()
        yield server


Place = Callable[..., str]


@pytest.fixture(params=["address", "environment", "service file"])
def place(request: pytest.FixtureRequest, tls: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Says where the server is and whom to trust, in each of the ways that a user has, and gives the address to use."""
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGSERVICE", "PGSERVICEFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)

    def said(mode: str, root: Path, host: str = "localhost") -> str:
        address = f"postgresql://locked@{host}:{tls.port}/flakediag"
        if request.param == "address":
            return f"{address}?sslmode={mode}&sslrootcert={root}"
        if request.param == "environment":
            monkeypatch.setenv("PGSSLMODE", mode)
            monkeypatch.setenv("PGSSLROOTCERT", str(root))
            return address
        services = tmp_path / "services"
        services.write_text(
            f"[tests]\nhost={host}\nport={tls.port}\nuser=locked\ndbname=flakediag\n"
            f"sslmode={mode}\nsslrootcert={root}\n"
        )
        monkeypatch.setenv("PGSERVICEFILE", str(services))
        monkeypatch.setenv("PGSERVICE", "tests")
        return "postgresql://"

    return said


def test_a_server_that_the_authority_vouches_for_is_trusted(
    place: Place, certificates: Path, tls: PrivateServer
) -> None:
    address = place("verify-full", certificates / "right.pem")
    store(address, suite("r"))
    assert counts_of(address).runs == 1
    with psycopg.connect(tls.address) as conn, History.open(address):
        # Every one there is: those from before may take a moment to go.
        (encrypted,) = conn.execute(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'locked'"
        ).fetchone() or (None,)
    assert encrypted is True


@pytest.mark.parametrize(
    ("root", "mode", "host", "hint"),
    [
        ("wrong.pem", "verify-full", "localhost", "PGSSLROOTCERT"),
        ("wrong.pem", "verify-ca", "localhost", "PGSSLROOTCERT"),
        ("nowhere.pem", "verify-full", "localhost", "PGSSLROOTCERT"),
        ("right.pem", "verify-full", "127.0.0.1", "name that is in its certificate"),
        ("right.pem", "disable", "localhost", "sslmode=require"),
    ],
)
@pytest.mark.parametrize("verb", ["read", "write"])
def test_any_other_is_refused_with_what_to_do(
    place: Place,
    certificates: Path,
    root: str,
    mode: str,
    host: str,
    hint: str,
    verb: str,
) -> None:
    address = place(mode, certificates / root, host)
    with pytest.raises(HistoryError) as caught:
        History.open(address, verb)  # type: ignore[arg-type]
    assert caught.value.exit_code == ExitCode.USAGE
    assert host in caught.value.message
    assert hint in str(caught.value.hint)
    assert "w0rd" not in f"{caught.value.message} {caught.value.hint}"


def test_verify_ca_asks_for_the_authority_alone(place: Place, certificates: Path) -> None:
    address = place("verify-ca", certificates / "right.pem", "127.0.0.1")
    History.open(address, "write").close()
