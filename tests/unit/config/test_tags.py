from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.tags import derive_tags
from dativo_dagster.config.types import Primitive

TEXT = Primitive("string")


def contract(**more):
    fields = (Field(name="id", type=TEXT), Field(name="email", type=TEXT, classification="PII"))
    return Contract(name="people", fields=fields, **more)


def test_a_bare_contract_names_its_asset_and_its_classified_columns_only():
    assert derive_tags(contract()) == {
        "asset.name": "people",
        "asset.version": "1.0.0",
        "classification.fields.email": "pii",
    }


def test_what_the_contract_says_becomes_text():
    said = contract(
        domain="crm",
        data_product="users",
        source_type="csv",
        object="people",
        owner="a@b.c",
        retention_days=30,
        regulations=("GDPR", "CCPA"),
        classification=("Confidential", "PII"),
        finops={"cost_center": "42", "business_tags": ["a", "b"], "project": "x", "environment": "prod"},
    )
    assert derive_tags(said) == {
        "asset.name": "people",
        "asset.version": "1.0.0",
        "asset.domain": "crm",
        "asset.data_product": "users",
        "asset.source_type": "csv",
        "asset.object": "people",
        "classification.default": "confidential",
        "classification.fields.email": "pii",
        "governance.owner": "a@b.c",
        "governance.domain": "crm",
        "governance.data_product": "users",
        "governance.retention_days": "30",
        "governance.regulations": "GDPR,CCPA",
        "finops.cost_center": "42",
        "finops.business_tags": "a,b",
        "finops.project": "x",
        "finops.environment": "prod",
    }


def test_later_levels_win():
    tags = derive_tags(
        contract(classification=("internal",), retention_days=30, finops={"project": "old", "cost_center": "1"}),
        source_tags={"id": "Public", "email": "public", "other": "Secret"},
        classification_overrides={"default": "Restricted", "id": "HIGH"},
        finops={"project": "new"},
        governance_overrides={"retention_days": 90},
    )
    assert tags["classification.default"] == "restricted"
    assert tags["classification.fields.id"] == "high"
    assert tags["classification.fields.email"] == "pii"
    assert tags["classification.fields.other"] == "secret"
    assert (tags["finops.project"], tags["finops.cost_center"]) == ("new", "1")
    assert tags["governance.retention_days"] == "90"


def test_an_empty_owner_of_the_job_removes_the_tag():
    assert "governance.owner" not in derive_tags(contract(owner="a@b.c"), governance_overrides={"owner": ""})


def test_a_column_without_a_class_gets_none():
    assert "classification.fields.id" not in derive_tags(contract())
