"""Secrets reach the job that names them, and nothing that is shown."""

from __future__ import annotations

import json

CANARY = "canary-7f3a-hunter2"
SHOP = """
from dativo_ingest import BaseReader

class Shop(BaseReader):
    def extract(self, state_manager=None):
        raise ValueError(f"refused with {self.source_config.connection['api_key']}")
        yield
"""


def with_secret(desk, text):
    file = desk.job()
    file.write_text(file.read_text().replace('"data/people*.csv"', text))


def test_a_secret_is_what_a_variable_in_the_job_finds(desk, monkeypatch):
    with_secret(desk, '"data/${FILE_NAME}.csv"')
    assert desk("run", "people").code == 2
    monkeypatch.setenv("DATIVO_SECRET__ACME__FILE_NAME", "people")
    monkeypatch.setenv("FILE_NAME", "the secret goes before the variable of the process")
    assert desk("run", "people").code == 0


def test_the_log_names_the_secrets_of_a_job_and_says_nothing_where_there_are_none(desk, monkeypatch):
    desk.job()
    monkeypatch.setenv("DATIVO_SECRET__OTHER__FILE_NAME", "people")
    assert desk("run", "people").events[0]["event_type"] == "job_started"
    monkeypatch.setenv("DATIVO_SECRET__ACME__FILE_NAME", "people")
    loaded = desk("run", "people").event("secrets_loaded")
    assert (loaded["message"], loaded["names"]) == ("1 secret", ["file_name"])


def test_a_secret_of_another_tenant_is_not_found(desk, monkeypatch):
    with_secret(desk, '"data/${FILE_NAME}.csv"')
    monkeypatch.setenv("DATIVO_SECRET__OTHER__FILE_NAME", "people")
    answer = desk("run", "people")
    assert answer.code == 2
    assert "FILE_NAME is not set" in answer.err


def test_secrets_come_from_files_when_that_is_asked_for(desk):
    with_secret(desk, '"data/${FILE_NAME}.csv"')
    (desk.path / "vault" / "acme").mkdir(parents=True)
    (desk.path / "vault" / "acme" / "files.env").write_text("FILE_NAME=people\n")
    flags = ["--secret-manager", "filesystem"]
    assert desk("run", "people", *flags, "--secrets-dir", "vault").code == 0
    inline = json.dumps({"secrets_dir": "vault"})
    assert desk("run", "people", *flags, "--secret-manager-config", inline).code == 0
    missing = desk("run", "people", *flags, "--secrets-dir", "nowhere")
    assert missing.code == 2
    assert "there is no secret folder nowhere/acme" in missing.err


def test_an_unknown_manager_or_setting_is_told(desk):
    desk.job()
    assert (
        "no secret manager is called 'valt'; did you mean 'vault'?"
        in desk("run", "people", "--secret-manager", "valt").err
    )
    assert "unknown key 'prefx'" in desk("run", "people", "--secret-manager-config", '{"prefx": 1}').err


def test_no_secret_is_shown_anywhere(desk, monkeypatch):
    with_secret(desk, '"data/${API_KEY}.csv"')
    monkeypatch.setenv("DATIVO_SECRET__ACME__API_KEY", CANARY)
    for command in (["run", "people"], ["run", "people", "--json"], ["run", "people", "--debug"], ["check", "people"]):
        answer = desk(*command)
        assert answer.code == 2
        assert "***" in answer.out + answer.err
        assert CANARY not in answer.out + answer.err


def test_a_secret_from_a_plain_variable_is_not_shown_either(desk, monkeypatch):
    file = desk.job()
    options = 'connection: {access_key_id: a, secret_access_key: "${PLAIN}"}, files: ["data/${PLAIN}.csv"]'
    file.write_text(file.read_text().replace('files: ["data/people*.csv"]', options))
    monkeypatch.setenv("PLAIN", CANARY)
    for command in (["run", "people"], ["run", "people", "--json"], ["plan", "people", "--debug"], ["check", "people"]):
        answer = desk(*command)
        assert answer.code == 2
        assert "***" in answer.out + answer.err
        assert CANARY not in answer.out + answer.err


def test_redaction_hides_what_looks_like_a_secret_when_the_job_asks_for_it(desk):
    file = desk.job()
    file.write_text(file.read_text().replace("people*.csv", f"password={CANARY}.csv"))
    assert CANARY in desk("run", "people").err
    file.write_text(file.read_text() + "logging: {redaction: true}\n")
    answer = desk("run", "people")
    assert CANARY not in answer.out + answer.err
    assert "password=***" in answer.out


def test_what_one_job_of_a_folder_hides_is_hidden_beside_another(desk, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", CANARY)
    desk.job("z")
    file = desk.job("a")
    source = 'source: {connector: csv, files: ["data/a*.csv"], incremental: file_modified_time}'
    assert source in file.read_text()
    asked = 'source: {custom_reader: "shop.py:Shop", connection: {api_key: "${SHOP_KEY}"}}'
    file.write_text(file.read_text().replace(source, asked))
    (desk.path / "shop.py").write_text(SHOP)
    for command in ([], ["--json"], ["--debug"], ["--json", "--debug"]):
        answer = desk("run", "--job-dir", "jobs", *command)
        assert "refused with" in answer.out
        assert CANARY not in answer.out + answer.err
