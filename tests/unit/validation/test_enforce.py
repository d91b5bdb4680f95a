import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.contract import Contract, Field, Rule
from dativo_dagster.config.job import Validation
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.compile import compile_contract
from dativo_dagster.validation.enforce import Enforcer
from dativo_dagster.validation.quarantine import QUARANTINE_SCHEMA
from dativo_dagster.validation.typemap import arrow_schema
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.protocols import CORRUPT
from tests.fakes.types import arrays, types

MODES = ("strict", "warn", "quarantine")
CORRUPT_TYPE = pa.struct(
    [("record", pa.string()), ("reason", pa.string()), ("line", pa.int64()), ("offset", pa.int64())]
)
PEOPLE = Contract(
    name="people",
    fields=(
        Field(name="id", type=parse_type("int64"), required=True),
        Field(name="email", type=parse_type("string"), classification="pii"),
        Field(name="country", type=parse_type("string")),
    ),
    rules=(
        Rule(kind="required", column="id"),
        Rule(kind="unique", column="id"),
        Rule(kind="pattern", column="email", parameters={"regex": "@"}),
        Rule(kind="enum", column="country", parameters={"values": ["DE", "FR"]}),
    ),
)
BATCH = pa.record_batch(
    {
        "id": ["1", "x", None, "1", "5", "6"],
        "email": ["a@b", "a@b", "a@b", "a@b", "secret", None],
        "country": ["DE", "XX", "DE", "FR", "DE", "FR"],
    }
)


def enforcer(mode, contract=PEOPLE):
    return Enforcer(compile_contract(contract, Validation(mode=mode)), run_id="r1")


def check(mode, batch=BATCH, contract=PEOPLE, first_row=1):
    one = enforcer(mode, contract)
    return one.check(batch, source="people.csv", first_row=first_row), one.violations()


def counts(violations):
    return {v.rule: v.count for v in violations}


def corrupt(*rows):
    return pa.array(rows, CORRUPT_TYPE)


@pytest.mark.parametrize("mode", ["strict", "quarantine"])
def test_every_row_that_breaks_anything_is_set_aside(mode):
    verdict, violations = check(mode)
    assert verdict.good.column("id").to_pylist() == [1, 6]
    assert verdict.rejected["row"].to_pylist() == [2, 3, 4, 5]
    assert verdict.rejected["rule"].to_pylist() == ["id_type", "id_required", "id_unique", "email_pattern"]
    assert verdict.nulled == 0
    assert counts(violations) == {
        "id_type": 1,
        "id_required": 1,
        "id_unique": 1,
        "email_pattern": 1,
        "country_enum": 1,
    }


def test_warn_keeps_a_row_where_it_can_be_represented():
    verdict, violations = check("warn")
    assert verdict.good.column("id").to_pylist() == [1, None, 1, 5, 6]
    assert verdict.nulled == 1
    assert verdict.rejected["row"].to_pylist() == [2]
    assert verdict.rejected["rule"].to_pylist() == ["id_type"]
    assert counts(violations)["id_required"] == 1
    assert counts(violations)["id_unique"] == 1


def test_a_rejected_row_is_told_as_it_came_with_all_that_is_wrong():
    verdict, _ = check("quarantine")
    row = verdict.rejected.to_pylist()[0]
    assert json.loads(row["record"]) == {"id": "x", "email": "a@b", "country": "XX"}
    assert (row["rule"], row["column"], row["reason"]) == ("id_type", "id", "not an int64")
    assert row["violations"] == [
        {"rule": "id_type", "column": "id", "reason": "not an int64"},
        {
            "rule": "country_enum",
            "column": "country",
            "reason": "not one of the allowed values (values ['DE', 'FR'])",
        },
    ]
    assert (row["source"], row["row"], row["run_id"]) == ("people.csv", 2, "r1")
    assert (row["line"], row["offset"]) == (None, None)
    assert row["rejected_at"].tzinfo is not None


def test_the_sample_names_rows_and_values_and_masks_classified_ones():
    _, violations = check("quarantine", first_row=100)
    samples = {v.rule: v.sample for v in violations}
    assert samples["id_type"] == ("row 101 of people.csv: 'x' is not an int64",)
    assert samples["id_required"] == ("row 102 of people.csv: id is missing, and required",)
    assert samples["email_pattern"] == (
        "row 104 of people.csv: a masked value is not a match of the pattern (regex @)",
    )
    assert "secret" not in str(samples)


def test_the_sample_is_bounded():
    batch = pa.record_batch({"id": ["x" * 1000] * 500, "email": [None] * 500, "country": [None] * 500}).cast(
        pa.schema([(n, pa.string()) for n in ("id", "email", "country")])
    )
    _, (violation,) = check("quarantine", batch)
    assert violation.count == 500
    assert len(violation.sample) == 10
    assert max(map(len, violation.sample)) < 120


def test_uniqueness_holds_among_all_units_of_a_run():
    compiled = compile_contract(PEOPLE, Validation(mode="quarantine"))
    batch = pa.record_batch({"id": [1, 2], "email": ["@", "@"], "country": ["DE", "DE"]})
    first, second = (Enforcer(compiled, run_id="r") for _ in range(2))
    assert first.check(batch, source="a", first_row=1).rejected is None
    assert second.check(batch, source="b", first_row=1).rejected["rule"].to_pylist() == ["id_unique"] * 2


def test_a_row_that_is_rejected_anyway_keeps_no_other_row_out():
    batch = pa.record_batch({"id": [1, 1], "email": ["bad", "@"], "country": ["DE", "DE"]})
    verdict, _ = check("quarantine", batch)
    assert verdict.rejected["rule"].to_pylist() == ["email_pattern"]
    assert verdict.good.num_rows == 1


def test_a_column_that_is_missing_is_null_and_the_message_proposes_one():
    batch = pa.record_batch({"ID": [1], "email": ["@"], "country": ["DE"]})
    verdict, violations = check("quarantine", batch)
    assert verdict.good.num_rows == 0
    sample = {v.rule: v.sample for v in violations}["id_required"][0]
    assert "the source has no column 'id' (did you mean 'ID'?)" in sample
    batch = pa.record_batch({"id": [1], "email": ["@"]})
    assert check("strict", batch)[0].good.column("country").to_pylist() == [None]


def test_a_column_that_the_contract_does_not_have_fails_a_strict_run():
    batch = BATCH.append_column("emial", pa.nulls(6))
    with pytest.raises(ValidationError, match="UNKNOWN_COLUMNS") as caught:
        check("strict", batch)
    assert "'emial' (did you mean 'email'?)" in caught.value.message


@pytest.mark.parametrize("mode", ["warn", "quarantine"])
def test_a_column_that_the_contract_does_not_have_is_left_out_and_counted_otherwise(mode):
    verdict, violations = check(mode, BATCH.append_column("extra", pa.nulls(6)))
    assert verdict.good.schema.names == ["id", "email", "country"]
    assert {(v.rule, v.column): v.count for v in violations}["unknown_columns", "extra"] == 6
    assert "extra" in json.loads(verdict.rejected["record"][0].as_py())


def test_a_column_that_is_there_twice_is_refused():
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    with pytest.raises(ValidationError, match="DUPLICATE_COLUMN"):
        check("quarantine", batch)


@pytest.mark.parametrize("mode", MODES)
def test_a_corrupt_record_goes_to_the_quarantine_with_its_place(mode):
    batch = pa.record_batch(
        {
            "id": [1, None, 3],
            "email": ["@", None, "@"],
            "country": ["DE", None, "DE"],
            CORRUPT: corrupt(None, {"record": "a,b", "reason": "2 fields, not 3", "line": 7, "offset": 99}, None),
        }
    )
    verdict, violations = check(mode, batch, first_row=5)
    assert verdict.good.column("id").to_pylist() == [1, 3]
    (row,) = verdict.rejected.to_pylist()
    assert (row["record"], row["rule"], row["reason"]) == ("a,b", "record_corrupt", "2 fields, not 3")
    assert (row["row"], row["line"], row["offset"]) == (6, 7, 99)
    assert counts(violations) == {"record_corrupt": 1}
    assert violations[0].sample == ("row 6 of people.csv: 2 fields, not 3",)
    assert verdict.nulled == 0


def test_rows_keep_their_number_beside_a_corrupt_one():
    batch = pa.record_batch(
        {
            "id": ["1", None, "x"],
            "email": ["@", None, "@"],
            "country": ["DE", None, "DE"],
            CORRUPT: corrupt(None, {"record": "?", "reason": "?"}, None),
        }
    )
    verdict, _ = check("quarantine", batch)
    assert dict(zip(verdict.rejected["row"].to_pylist(), verdict.rejected["rule"].to_pylist(), strict=True)) == {
        2: "record_corrupt",
        3: "id_type",
    }


def test_a_batch_in_order_is_passed_on_untouched():
    batch = pa.record_batch({"id": [1, 2], "email": ["@", "@"], "country": ["DE", "DE"]})
    good = check("strict", batch)[0].good
    assert [c.buffers()[-1].address for c in good.columns] == [c.buffers()[-1].address for c in batch.columns]


@st.composite
def _batches(draw):
    """A contract of any types, and a batch of other types, of text, of junk, with corrupt records, sliced."""
    rows = draw(st.integers(0, 6))
    kinds = draw(st.lists(types, min_size=1, max_size=3))
    fields = [Field(name=f"c{i}", type=k, required=draw(st.booleans())) for i, k in enumerate(kinds)]
    rules = [
        Rule(kind="unique", column=f.name)
        for f in fields
        if not pa.types.is_nested(arrow_schema(Contract(name="x", fields=(f,)))[0].type) and draw(st.booleans())
    ]
    columns = {}
    for field in draw(st.permutations(fields)):
        junk = st.lists(st.none() | st.text("01ab-:T{ ", max_size=9), min_size=rows, max_size=rows)
        source = draw(st.sampled_from(["same", "other", "text", "missing", "dictionary"]))
        if source in {"text", "dictionary"}:
            text = pa.array(draw(junk), pa.string())
            columns[field.name] = text.dictionary_encode() if source == "dictionary" else text
        elif source != "missing":
            kind = field.type if source == "same" else draw(types)
            columns[field.name] = draw(arrays(kind, st.just(rows)))
    if not columns:
        columns["other"] = pa.nulls(rows)
    if draw(st.booleans()):
        broken = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
        columns[CORRUPT] = corrupt(*({"record": "r", "reason": "why"} if b else None for b in broken))
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    start = draw(st.integers(0, rows))
    return Contract(name="x", fields=tuple(fields), rules=tuple(rules)), batch.slice(start)


@given(_batches(), st.sampled_from(MODES))
def test_no_row_is_lost_and_good_rows_keep_the_contract(case, mode):
    contract, batch = case
    if mode == "strict" and "other" in batch.schema.names:
        return
    verdict, violations = check(mode, batch, contract)
    verdict.good.validate(full=True)
    assert verdict.good.schema.equals(arrow_schema(contract, all_nullable=mode == "warn"), check_metadata=True)
    rejected = verdict.rejected.num_rows if verdict.rejected else 0
    assert verdict.good.num_rows + rejected == batch.num_rows
    for field in verdict.good.schema:
        assert field.nullable or not verdict.good.column(field.name).null_count
    if verdict.rejected:
        verdict.rejected.validate(full=True)
        assert verdict.rejected.schema.equals(QUARANTINE_SCHEMA)
        assert len(set(verdict.rejected["row"].to_pylist())) == rejected
        assert violations
        assert all(v for v in verdict.rejected["violations"].to_pylist())
