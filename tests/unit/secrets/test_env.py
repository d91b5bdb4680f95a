from __future__ import annotations

from dativo_dagster.secrets.env import Config, Secrets


def load(monkeypatch, tenant="acme", config=None, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Secrets(config or Config()).load(tenant)


def test_a_tenants_secrets_are_found_by_lower_case_name(monkeypatch):
    found = load(monkeypatch, DATIVO_SECRET__ACME__STRIPE_KEY="sk", DATIVO_SECRET__OTHER__STRIPE_KEY="no")
    assert found == {"stripe_key": "sk"}


def test_a_tenant_that_is_no_variable_name_is_found_too(monkeypatch):
    assert load(monkeypatch, "acme-corp.eu", DATIVO_SECRET__ACME_CORP_EU__KEY="x") == {"key": "x"}


def test_the_suffix_says_the_format(monkeypatch):
    found = load(
        monkeypatch,
        DATIVO_SECRET__ACME__DB__JSON='{"password": "x"}',
        DATIVO_SECRET__ACME__PG__ENV="PGHOST=db",
        DATIVO_SECRET__ACME__NOTE__TEXT='{"not": "parsed"}',
        DATIVO_SECRET__ACME__ALSO__RAW="[1]",
        DATIVO_SECRET__ACME__GUESSED="[1]",
    )
    assert found == {
        "db": {"password": "x"},
        "pg": {"PGHOST": "db"},
        "note": '{"not": "parsed"}',
        "also": "[1]",
        "guessed": [1],
    }


def test_a_name_may_have_many_parts_and_be_called_like_a_format(monkeypatch):
    assert load(monkeypatch, DATIVO_SECRET__ACME__A__B__TEXT="x") == {"a__b": "x"}
    assert load(monkeypatch, "beta", DATIVO_SECRET__BETA__JSON="x") == {"json": "x"}


def test_shared_secrets_are_for_all_and_the_tenants_own_wins(monkeypatch):
    environment = {
        "DATIVO_SECRET__GLOBAL__A": "global",
        "DATIVO_SECRET__ALL__B": "all",
        "DATIVO_SECRET__GLOBAL__C": "global",
        "DATIVO_SECRET__ACME__C": "own",
    }
    assert load(monkeypatch, **environment) == {"a": "global", "b": "all", "c": "own"}
    assert load(monkeypatch, config=Config(allow_global_scope=False), **environment) == {"c": "own"}


def test_prefix_and_delimiter_can_be_chosen(monkeypatch):
    assert load(monkeypatch, config=Config(prefix="SEC", delimiter="."), **{"SEC.ACME.KEY.TEXT": "x"}) == {"key": "x"}


def test_no_variables_are_no_secrets(monkeypatch):
    assert load(monkeypatch) == {}
