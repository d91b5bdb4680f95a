from __future__ import annotations

import pytest

from dativo_dagster.secrets.file import Config, Secrets
from dativo_ingest.exceptions import ConfigurationError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "acme").mkdir()
    return tmp_path / "acme"


def load(folder):
    return Secrets(Config(secrets_dir=folder.parent)).load(folder.name)


def test_the_ending_says_the_format(folder):
    (folder / "db.json").write_text('{"password": "x"}')
    (folder / "postgres.env").write_text("PGHOST=db\n")
    (folder / "stripe_api_key").write_text("sk_live\n")
    (folder / "Key.txt").write_text('{"kept": "as text"}')
    assert load(folder) == {
        "db": {"password": "x"},
        "postgres": {"PGHOST": "db"},
        "stripe_api_key": "sk_live",
        "key": '{"kept": "as text"}',
    }


def test_only_one_line_break_at_the_end_is_cut(folder):
    (folder / "a").write_bytes(b" x \r\n")
    (folder / "b").write_bytes(b"line\n\n")
    assert load(folder) == {"a": " x ", "b": "line\n"}


def test_mounted_folders_of_kubernetes_are_read_through_their_links(folder):
    (folder / "..2024_01_01").mkdir()
    (folder / "..2024_01_01" / "token").write_text("x")
    (folder / "..data").symlink_to("..2024_01_01")
    (folder / "token").symlink_to("..data/token")
    (folder / ".gitignore").write_text("*")
    (folder / ".env").write_text("A=1")
    assert load(folder) == {"token": "x", "env": {"A": "1"}}


@pytest.mark.parametrize("tenant", ["nobody", "..", "a/../acme", ""])
def test_a_tenant_without_a_folder_of_its_own_is_an_error(folder, tenant):
    with pytest.raises(ConfigurationError) as error:
        Secrets(Config(secrets_dir=folder.parent)).load(tenant)
    assert error.value.error_code == "SECRET_NOT_FOUND"


def test_a_file_that_is_not_text_is_an_error_that_names_it(folder):
    (folder / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"acme/key cannot be read: it is not UTF-8 text"):
        load(folder)
