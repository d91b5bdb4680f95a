"""Servers that want TLS and a password, and a replica that lags behind."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from tests.fakes.postgres import Database, by, planned, rows_of
from tests.servers import postgres as postgres_server
from tests.waiting import until

pytestmark = pytest.mark.integration
RULES = """
hostssl all certified 127.0.0.1/32 cert
host all known 127.0.0.1/32 scram-sha-256
hostssl all hidden 127.0.0.1/32 trust
host all hidden 127.0.0.1/32 reject
"""
SETTINGS = "\nssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\nssl_ca_file = 'authority.pem'\n"


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate(folder, name, subject, extension=""):
    """Make a key and a certificate that the authority of the folder signs."""
    openssl(
        folder,
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        f"/CN={subject}",
        "-keyout",
        f"{name}.key",
        "-out",
        f"{name}.csr",
    )
    (folder / "extension").write_text(extension)
    authority = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"]
    openssl(
        folder,
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        f"{name}.csr",
        *authority,
        "-extfile",
        "extension",
        "-out",
        f"{name}.pem",
    )


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("authority", "stranger"):
        made = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        openssl(folder, "req", "-x509", "-days", "2", "-subj", f"/CN={name}", *made)
    certificate(folder, "server", "localhost", "subjectAltName = DNS:localhost")
    certificate(folder, "client", "certified")
    return folder


@pytest.fixture(scope="module")
def guarded(keys):
    def prepare(data):
        for file in ("server.pem", "server.key", "authority.pem"):
            (data / file).write_bytes((keys / file).read_bytes())
        (data / "server.key").chmod(0o600)
        rules = data / "pg_hba.conf"
        rules.write_text(RULES + rules.read_text())
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)

    with postgres_server.serve(prepare) as server:
        Database(server, "postgres").run(
            "CREATE ROLE certified LOGIN SUPERUSER",
            "CREATE ROLE hidden LOGIN SUPERUSER",
            "CREATE ROLE known LOGIN SUPERUSER PASSWORD 'it''s \\ right'",
            "CREATE TABLE t (id int8, at timestamptz)",
        )
        yield server


@pytest.fixture
def database(guarded):
    return Database(guarded, "postgres")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"user": "known", "password": r"it's \ right"}, None),
        ({"user": "known", "password": "hunter2"}, "AUTHENTICATION_FAILED"),
        ({"user": "known"}, "AUTHENTICATION_FAILED"),
        ({"user": "hidden", "tls": "disable"}, "AUTHENTICATION_FAILED"),
        ({"user": "hidden", "tls": "require"}, None),
        ({"tls": {"mode": "verify-ca", "ca": "authority.pem"}}, None),
        ({"tls": {"mode": "verify-ca", "ca": "stranger.pem"}}, "TLS_FAILED"),
        ({"tls": {"mode": "verify-full", "ca": "authority.pem"}}, "TLS_FAILED"),
        ({"host": "localhost", "tls": {"mode": "verify-full", "ca": "authority.pem"}}, None),
        ({"user": "certified", "tls": {"mode": "require", "certificate": "client.pem", "key": "client.key"}}, None),
        ({"user": "certified", "tls": "require"}, "AUTHENTICATION_FAILED"),
    ],
)
def test_the_line_is_as_safe_as_the_job_says(database, keys, monkeypatch, options, code):
    monkeypatch.chdir(keys)
    result = database.reader(**options).check()
    assert result.code == code, result.message
    assert "hunter2" not in result.message


def test_an_encrypted_line_is_encrypted(database):
    query = "SELECT ssl::int4 AS id FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    for mode, encrypted in (("require", 1), ("disable", 0)):
        reader = database.reader(query=query, tls=mode)
        assert rows_of(reader, planned(reader))[0] == [{"id": encrypted}]


@pytest.fixture(scope="module")
def replica(guarded):
    with postgres_server.serve(primary=guarded.port) as server:
        yield server


def arrived(replica, number):
    """Wait until the replica has a row."""
    until(lambda: replica.run(f"SELECT 1 FROM t WHERE id = {number}"), 60)


def test_of_several_servers_a_replica_is_chosen(guarded, replica, database):
    ports = {"host": ["127.0.0.1", "127.0.0.1"], "options": {"port": f"{guarded.port},{replica.port}"}}
    options = {**database.options, **ports, "read_replica": True}
    del options["port"]
    query = "SELECT pg_is_in_recovery()::int4 AS id"
    reader = Database(replica, "postgres").reader(**{"port": None, **options, "query": query})
    assert rows_of(reader, planned(reader))[0] == [{"id": 1}]


def test_a_replica_that_lags_behind_loses_no_row(replica, database):
    behind = replace(database, server=replica)
    rule = by("at", null_cursor="exclude")
    database.run("INSERT INTO t VALUES (1, now())")
    arrived(behind, 1)
    behind.run("SELECT pg_wal_replay_pause()")  # only asks for it
    until(lambda: behind.run("SELECT pg_get_wal_replay_pause_state()") == [("paused",)], 60)
    database.run("INSERT INTO t VALUES (2, now())")
    reader = behind.reader(incremental=rule)
    window = planned(reader)
    assert rows_of(reader, window)[0] == [{"id": 1}]
    behind.run("SELECT pg_wal_replay_resume()")
    database.run("INSERT INTO t VALUES (3, 'infinity')")
    arrived(behind, 3)
    reader = behind.reader(incremental=rule)
    assert rows_of(reader, planned(reader, window.after))[0] == [{"id": 2}]
