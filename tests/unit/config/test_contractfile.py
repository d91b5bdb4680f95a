import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.contract import Rule
from dativo_dagster.config.contractfile import contract_schema, load_contract, parse_contract
from dativo_dagster.config.document import parse_document
from dativo_ingest.exceptions import ConfigurationError

FLAT = """\
name: orders
version: "2.0"
source_type: csv
object: orders
domain: sales
dataProduct: shop
description: {purpose: All orders., usage: Ask first.}
schema:
  - {name: id, type: integer, primary_key: true, unique: true}
  - {name: day, type: date, minimum: 2020-01-01}
  - {name: amount, type: "decimal(12,2)", minimum: 0, exclusive_maximum: 1000}
  - {name: country, enum: [DE, FR], min_length: 2, pattern: "^[A-Z]+$", classification: PII}
  - {name: at, type: timestamptz, timezone: Europe/Berlin}
team: {owner: a@b.c, roles: [{name: A, email: a@b.c, responsibility: all}]}
compliance: {classification: [Internal], regulations: [GDPR], retention_days: 30}
finops: {cost_center: "42"}
minimum_rows: 1
data_quality: {expectations: [{type: freshness, hours: 2}]}
"""

ODCS = """\
apiVersion: {version}
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553b
name: payments
version: 1.1.0
status: active
domain: seller
description: {{purpose: Views.}}
schema:
  - name: tbl
    physicalName: tbl_1
    properties:
      - {{name: id, logicalType: integer, physicalType: bigint, primaryKey: true, unique: true}}
      - {{name: amount, logicalType: number, physicalType: "DECIMAL(12,2)", logicalTypeOptions: {{minimum: 0}}}}
      - name: country
        logicalType: string
        physicalType: varchar(2)
        required: true
        classification: public
        logicalTypeOptions: {{minLength: 2, maxLength: 2, pattern: "^[A-Z]+$"}}
        quality:
          - {{type: library, {metric}: invalidValues, arguments: {{validValues: [DE, FR]}}, mustBe: 0}}
          - {{type: library, {metric}: nullValues, mustBeLessThan: 5, unit: percent}}
          - {{type: sql, query: select 1, mustBe: 1}}
      - {{name: seen, logicalType: date, physicalType: timestamp}}
      - name: address
        logicalType: object
        properties:
          - {{name: zip, logicalType: string, required: true}}
          - {{name: tags, logicalType: array, items: {{logicalType: integer, logicalTypeOptions: {{format: i8}}}}}}
    quality:
      - {{type: library, {metric}: rowCount, mustBeGreaterThan: 10}}
slaProperties:
  - {{property: retention, value: 3, unit: y}}
  - {{property: latency, value: 4, unit: d}}
"""


def parse(text, **more):
    document = parse_document(text, Path("c.yaml"))
    return parse_contract(document.data, document, **more)


def error(text, **more):
    with pytest.raises(ConfigurationError) as caught:
        parse(text, **more)
    return caught.value.message


def column(rest):
    return f"schema:\n  - {{name: a, {rest}}}\n"


def test_the_flat_form_says_columns_rules_and_governance():
    contract = parse(FLAT)
    assert [(f.name, str(f.type), f.required) for f in contract.fields] == [
        ("id", "int64", True),
        ("day", "date", False),
        ("amount", "decimal(12,2)", False),
        ("country", "string", False),
        ("at", "timestamptz", False),
    ]
    assert contract.rules == (
        Rule(kind="required", column="id"),
        Rule(kind="unique", column="id"),
        Rule(kind="range", column="day", parameters={"minimum": "2020-01-01"}),
        Rule(kind="range", column="amount", parameters={"minimum": 0, "exclusive_maximum": 1000}),
        Rule(kind="enum", column="country", parameters={"values": ["DE", "FR"]}),
        Rule(kind="length", column="country", parameters={"minimum": 2}),
        Rule(kind="pattern", column="country", parameters={"regex": "^[A-Z]+$"}),
    )
    assert contract.primary_key == ("id",)
    assert contract.fields[-1].timezone == "Europe/Berlin"
    assert contract.fields[3].classification == "PII"
    assert (contract.name, contract.version, contract.owner) == ("orders", "2.0", "a@b.c")
    assert (contract.domain, contract.data_product, contract.object) == ("sales", "shop", "orders")
    assert contract.description == "All orders.\nAsk first."
    assert (contract.classification, contract.regulations, contract.retention_days) == (("Internal",), ("GDPR",), 30)
    assert contract.finops == {"cost_center": "42"}
    assert contract.minimum_rows == 1


def test_a_promise_that_nothing_checks_is_listed():
    assert parse(FLAT).unsupported == ("data_quality.expectations[0]: {'type': 'freshness', 'hours': 2}",)


def test_the_shortest_contract_is_a_list_of_columns():
    contract = parse("schema: [{name: a}]", name="people")
    assert (contract.name, str(contract.fields[0].type), contract.rules) == ("people", "string", ())


def test_the_nested_form_moves_governance_where_the_flat_one_has_it():
    contract = parse("""\
asset:
  name: customers
  version: "1.0"
  source_type: stripe
  object: customers
  schema: [{name: id, type: string, required: true}]
  target: {file_format: parquet, mode: strict}
  compliance: {regulations: [GDPR], retention_days: 1}
  governance: {owner: x@y.z, tags: [a], classification: PII, retention_days: 30}
""")
    assert (contract.owner, contract.tags, contract.classification) == ("x@y.z", ("a",), ("PII",))
    assert (contract.regulations, contract.retention_days) == (("GDPR",), 30)


@pytest.mark.parametrize(("version", "metric"), [("v3.0.2", "rule"), ("v3.1.0", "metric")])
def test_true_odcs_is_read(version, metric):
    contract = parse(ODCS.format(version=version, metric=metric))
    assert [(f.name, str(f.type), f.required) for f in contract.fields] == [
        ("id", "int64", True),
        ("amount", "decimal(12,2)", False),
        ("country", "string", True),
        ("seen", "timestamp", False),
        ("address", "struct<zip: string, tags: list<int8>>", False),
    ]
    assert {r.id: dict(r.parameters) for r in contract.rules} == {
        "id_required": {},
        "id_unique": {},
        "amount_range": {"minimum": 0},
        "country_required": {},
        "country_length": {"minimum": 2, "maximum": 2},
        "country_pattern": {"regex": "^[A-Z]+$"},
        "country_enum": {"values": ["DE", "FR"]},
    }
    assert contract.unsupported == (
        "schema[0].properties[2].quality[1]: library: nullValues mustBeLessThan 5",
        "schema[0].properties[2].quality[2]: sql: select 1 mustBe 1",
        "schema[0].properties[4].properties[0].required: only the type of a nested value is checked",
        "schema[0].properties[4].properties[1].items.logicalTypeOptions: only the type of a nested value is checked",
        "slaProperties[1]: latency 4 d",
    )
    assert (contract.object, contract.minimum_rows, contract.retention_days) == ("tbl_1", 11, 1095)
    assert contract.standard == f"ODCS {version}"


@pytest.mark.parametrize(
    ("team", "owner"),
    [
        ("[{username: a@b.c, role: Developer}, {username: d@e.f, role: Data Owner}]", "d@e.f"),
        ("{name: payments team, members: [{username: a@b.c, role: owner}]}", "a@b.c"),
        ("{name: payments team}", "payments team"),
        ("[{username: a@b.c, role: Owner, dateOut: 2020-01-01}]", None),
    ],
)
def test_the_owner_of_an_odcs_contract_is_in_its_team(team, owner):
    assert parse(ODCS.format(version="v3.1.0", metric="metric") + f"team: {team}\n").owner == owner


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("logicalType: integer", "int64"),
        ("logicalType: integer, logicalTypeOptions: {format: u16}", "uint16"),
        ("logicalType: integer, physicalType: smallint", "int16"),
        ("logicalType: number", "double"),
        ("logicalType: number, physicalType: 'numeric(10, 4)'", "decimal(10,4)"),
        ("logicalType: number, physicalType: float4", "float32"),
        ("logicalType: string, physicalType: uuid", "uuid"),
        ("logicalType: string, physicalType: 'character varying(20)'", "string"),
        ("logicalType: string, logicalTypeOptions: {format: uuid}", "uuid"),
        ("logicalType: string, physicalType: geography", "string"),
        ("logicalType: boolean, physicalType: tinyint(1)", "boolean"),
        ("logicalType: timestamp", "timestamp"),
        ("logicalType: timestamp, logicalTypeOptions: {timezone: true}", "timestamptz"),
        ("logicalType: timestamp, physicalType: timestamp(9) with time zone", "timestamptz[ns]"),
        ("logicalType: timestamp, physicalType: 'timestamp(3) without time zone'", "timestamp"),
        ("logicalType: time", "time"),
        ("logicalType: object", "json"),
        ("logicalType: array, items: {logicalType: date}", "list<date>"),
        ("logicalType: map, map: {key: {logicalType: string}, value: {logicalType: integer}}", "map<string,int64>"),
        ("physicalType: jsonb", "json"),
    ],
)
def test_odcs_types_are_exact_where_the_physical_type_agrees(said, kind):
    text = f"{{apiVersion: v3.1.0, kind: DataContract, schema: [{{name: t, properties: [{{name: a, {said}}}]}}]}}"
    assert str(parse(text).fields[0].type) == kind


def test_an_odcs_file_with_several_objects_wants_a_name():
    text = (
        "{apiVersion: v3.1.0, schema: [{name: a, properties: [{name: x, logicalType: string}]}, "
        "{name: b, properties: [{name: y, logicalType: date}]}]}"
    )
    assert "known are: a, b" in error(text)
    assert "has no object 'c'" in error(text, object_name="c")
    assert parse(text, object_name="b").fields[0].name == "y"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "c.yaml:1:1: a contract is a mapping with a `schema`"),
        ("name: a", "'schema' is missing"),
        ("schema: []", "schema: "),
        (column("type: integr"), "c.yaml:2:21: schema[0].type: type 'integr': 'integr' is no type; did you mean"),
        (column("requird: true"), "c.yaml:2:15: schema[0].requird: unknown key 'requird'; did you mean 'required'?"),
        (column("required: maybe"), "schema[0].required"),
        ("schema: [{name: a}]\nteem: {}\n", "c.yaml:2:1: teem: unknown key 'teem'; did you mean 'team'?"),
        ("schema: [{name: a}]\nteam: {ownr: x}\n", "did you mean 'owner'?"),
        ("schema: [{name: a}, {name: a}]", "schema[1].name: the column 'a' is there already"),
        (column("type: int64, pattern: x"), "int64 has no pattern; it is for string"),
        (column("type: int64, minimum: 5, maximum: 1"), "5 is more than maximum 1"),
        (column("type: date, timezone: UTC"), "it is for timestamptz, timestamp"),
        ("apiVersion: v2.2.2\nschema: [{name: t, properties: [{name: a}]}]", "only ODCS v3 is read"),
        (
            "apiVersion: v3.1.0\nschema: [{name: t, properties: [{name: a, logicalType: strin}]}]",
            "schema[0].properties[0]: logicalType 'strin' is not one of string",
        ),
        (
            "apiVersion: v3.1.0\nschema: [{name: t, properties: [{name: a, logicaltype: string}]}]",
            "unknown key 'logicaltype'; did you mean 'logicalType'?",
        ),
        (
            (
                "apiVersion: v3.1.0\nschema: [{name: t, properties: [{name: a, logicalType: string, "
                "logicalTypeOptions: {maxLenth: 2}}]}]"
            ),
            "unknown key 'maxLenth'; did you mean 'maxLength'?",
        ),
        ("apiVersion: v3.1.0\nschema: [{name: t, properties: []}]", "no `properties`, so no columns"),
    ],
)
def test_an_error_says_where_and_what(text, why):
    assert why in error(text)


def test_all_mistakes_are_told_at_once():
    assert len(error("schema:\n  - {name: a, type: x}\n  - {nam: b}\nteem: {}\n").splitlines()) == 4


def test_a_file_is_named_by_its_stem_and_keeps_its_path(tmp_path):
    path = tmp_path / "people.contract.yaml"
    path.write_text("schema: [{name: a}]")
    contract = load_contract(path)
    assert (contract.name, contract.path) == ("people", str(path))


def test_json_is_read_as_well(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"name": "x", "schema": [{"name": "a", "type": "int8"}]}))
    assert str(load_contract(path).fields[0].type) == "int8"


def test_the_editors_schema_takes_what_we_take_and_refuses_what_we_refuse():
    validator = jsonschema.Draft202012Validator(contract_schema())
    assert not list(validator.iter_errors(parse_document(FLAT, Path("c.yaml")).data))
    assert list(validator.iter_errors({"schema": [{"name": "a", "requird": True}]}))
    assert list(validator.iter_errors({"name": "a"}))


_scalars = st.none() | st.booleans() | st.integers() | st.text("ab", max_size=2) | st.sampled_from(["int64", "v3.1.0"])
_keys = st.sampled_from(
    ["schema", "name", "type", "asset", "properties", "quality", "team", "logicalType", "x", "enum"]
)
_trees = st.recursive(
    _scalars, lambda t: st.lists(t, max_size=3) | st.dictionaries(_keys, t, max_size=4), max_leaves=12
)


@given(_trees)
def test_anything_is_a_contract_or_a_clear_error(tree):
    document = parse_document(json.dumps(tree), Path("c.yaml"))
    try:
        parse_contract(document.data, document)
    except ConfigurationError as error:
        assert error.error_code == "BAD_CONTRACT"
