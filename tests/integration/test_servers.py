"""The servers of the suite keep the promises that other tests build on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.store import GCSStore
from pyarrow import fs

pytestmark = pytest.mark.integration


def test_s3_refuses_a_write_with_the_read_only_key(s3, s3_prefix):
    s3.put(f"{s3_prefix}/a", b"1")
    reader = s3.client(read_only=True)
    assert reader.get_object(Bucket=s3.bucket, Key=f"{s3_prefix}/a")["Body"].read() == b"1"
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        reader.put_object(Bucket=s3.bucket, Key=f"{s3_prefix}/b", Body=b"2")


def test_s3_lets_one_of_many_racing_creators_win(s3, s3_prefix):
    def create(_: int) -> int:
        try:
            s3.client().put_object(Bucket=s3.bucket, Key=f"{s3_prefix}/race", Body=b"x", IfNoneMatch="*")
        except botocore.exceptions.ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(create, range(8)))
    assert answers[0] == 200
    assert set(answers[1:]) <= {409, 412}


def test_every_catalog_keeps_an_iceberg_table(iceberg_catalog):
    catalog, rows = iceberg_catalog.load(), pa.table({"id": [1, 2, 3]})
    catalog.create_namespace(iceberg_catalog.namespace)
    catalog.create_table(iceberg_catalog.table("t"), rows.schema).append(rows)
    assert iceberg_catalog.load().load_table(iceberg_catalog.table("t")).scan().to_arrow().num_rows == 3
    catalog.close()


@pytest.fixture
def gcs_store(gcs, gcs_prefix):
    return GCSStore(
        gcs.bucket,
        prefix=gcs_prefix,
        service_account_key=gcs.service_account_key,
        client_options={"allow_http": True},
    )


def test_gcs_shows_obstore_what_the_json_api_wrote(gcs, gcs_prefix, gcs_store):
    assert gcs.put(f"{gcs_prefix}/Ünïcode name.txt", b"hello").startswith("gs://lake/")
    assert bytes(gcs_store.get("Ünïcode name.txt").bytes()) == b"hello"
    assert gcs_store.head("Ünïcode name.txt")["size"] == 5
    assert [item["path"] for item in gcs_store.list().collect()] == ["Ünïcode name.txt"]


def test_gcs_refuses_to_create_an_object_twice_or_to_update_an_old_one(gcs_store):
    first = gcs_store.put("a", b"1", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        gcs_store.put("a", b"2", mode="create")
    gcs_store.put("a", b"3", mode=first)
    with pytest.raises(obstore.exceptions.PreconditionError):
        gcs_store.put("a", b"4", mode=first)
    assert bytes(gcs_store.get("a").bytes()) == b"3"


def test_gcs_takes_multipart_uploads_copies_and_deletes(gcs, gcs_prefix, gcs_store):
    body = bytes(range(256)) * 50_000
    gcs_store.put("big", body, use_multipart=True)
    gcs_store.copy("big", "copy")
    gcs_store.delete("big")
    assert gcs.keys(gcs_prefix) == [f"{gcs_prefix}/copy"]
    assert gcs.get(f"{gcs_prefix}/copy") == body


def test_pyarrow_streams_through_the_same_gcs_address(gcs, gcs_prefix):
    files = fs.GcsFileSystem(
        anonymous=True, endpoint_override=gcs.endpoint.removeprefix("http://"), scheme="http", project_id=gcs.project
    )
    path, rows = f"{gcs.bucket}/{gcs_prefix}/a.parquet", pa.table({"x": list(range(100_000))})
    pq.write_table(rows, path, filesystem=files)
    assert pq.read_table(path, filesystem=files).equals(rows)
