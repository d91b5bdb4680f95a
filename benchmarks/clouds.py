"""The clouds that `functions.py` measures, on servers of this machine: each with two plugins and a bare function."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

COLUMNS = [{"name": "n", "type": "int64"}, {"name": "s", "type": "string"}]
CLASS = '''
import pyarrow as pa
from dativo_ingest import BaseReader


class Numbers(BaseReader):
    """Gives one batch again and again: what is measured is the way, not the making."""

    def extract(self, state_manager=None):
        rows = self.source_config.connection["rows"]
        size = min(rows, 100_000)
        batch = pa.record_batch({"n": range(size), "s": [f"text {n}" for n in range(size)]})
        for first in range(0, rows, size):
            yield batch.slice(0, min(size, rows - first))
'''
ASKED_BESIDE = (
    "google.auth.credentials.CredentialsWithRegionalAccessBoundary._is_regional_access_boundary_lookup_required"
)
"""Of Google's client: whether it asks a server of Google's beside the one it was told of; here it is not to."""
BARE = {"main.py": b"def handler(*_):\n    return {}\n"}


def timed(call: Callable[[], Any]) -> float:
    """Give the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A plugin in a place, and what it is opened with there and here, for a number of rows."""

    name: str
    launcher: Any
    plugin: Any
    there: Callable[[int], dict[str, Any]]
    here: Callable[[int], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A cloud with a function that answers at once.

    Attributes:
        first: Seconds until that one had been made and had answered.
        invoke: Calls it.
        deployed: Names the functions that there are, and when each was changed.
    """

    subjects: list[Subject]
    first: float
    invoke: Callable[[], Any]
    deployed: Callable[[], dict[str, str]]


def settings(source: dict[str, Any]) -> dict[str, Any]:
    """Give what a reader is opened with."""
    from dativo_dagster.storage.portable import portable

    stream = {"name": "rows", "columns": COLUMNS}
    source = {"type": "custom", **source}
    return {
        "source": source,
        "object_store": portable(source),
        "tenant": "bench",
        "job": "functions",
        "stream": stream,
        "base": "/",
    }


def numbers(rows: int) -> dict[str, Any]:
    """Open the class."""
    return settings({"connection": {"rows": rows}})


def csv(url: str, connection: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """Open the library on files of a store."""
    return lambda rows: settings({"files": [f"{url}/{rows}.csv"], "connection": connection})


def plugins(folder: Path) -> tuple[Any, Any]:
    """Give the class and the library."""
    from dativo_ingest.model import PluginRef
    from tests.native import native_library

    path = folder / "numbers.py"
    path.write_text(CLASS)
    library = PluginRef(path=str(native_library("csv_reader")), name="create_reader", kind="native")
    return PluginRef(path=str(path), name="Numbers"), library


@contextlib.contextmanager
def amazon(folder: Path, files: dict[int, bytes]) -> Iterator[Cloud]:
    """Serve AWS Lambda."""
    from dativo_dagster.launchers.aws_lambda import Config, Launcher
    from tests.servers import aws, docker, provided

    os.environ.update(AWS_ACCESS_KEY_ID=aws.KEY, AWS_SECRET_ACCESS_KEY=aws.KEY)
    with docker.engine() as engine:
        docker.make_base_images()
        provided.make_images(engine)
        with aws.serve(engine, "1024m") as server:
            s3, client = server.client("s3"), server.client("lambda")
            s3.create_bucket(Bucket="bench")
            for rows, text in files.items():
                s3.put_object(Bucket="bench", Key=f"{rows}.csv", Body=text)

            def place(runtime: str) -> Any:
                return Launcher(Config.model_validate({**server.place, "runtime": runtime}))

            def rows_at(endpoint: str) -> Callable[[int], dict[str, Any]]:
                reach = {"endpoint": endpoint, "region": server.region}
                return csv("s3://bench", {"s3": {**reach, "access_key_id": aws.KEY, "secret_access_key": aws.KEY}})

            def invoke() -> None:
                client.invoke(FunctionName="bare", LogType="Tail", Payload=b"{}")["Payload"].read()

            def deployed() -> dict[str, str]:
                return {each["FunctionName"]: each["LastModified"] for each in client.list_functions()["Functions"]}

            first = timed(lambda: make_bare_lambda(client, server.role(), invoke))
            a_class, library = plugins(folder)
            class_there = Subject(
                name="AWS Lambda, class, python3.11",
                launcher=place("python3.11"),
                plugin=a_class,
                there=numbers,
                here=numbers,
            )
            library_there = Subject(
                name="AWS Lambda, library, provided.al2023",
                launcher=place("provided.al2023"),
                plugin=library,
                there=rows_at(server.inner),
                here=rows_at(server.endpoint),
            )
            yield Cloud(subjects=[class_there, library_there], first=first, invoke=invoke, deployed=deployed)


def make_bare_lambda(client: Any, role: str, invoke: Callable[[], None]) -> None:
    """Make the peer, and call it once."""
    from dativo_dagster.functions.package import pack

    code = {"ZipFile": pack(BARE).data}
    given = {"Runtime": "python3.11", "Handler": "main.handler", "Role": role, "MemorySize": 1024, "Timeout": 60}
    client.create_function(FunctionName="bare", Code=code, **given)
    client.get_waiter("function_active_v2").wait(FunctionName="bare", WaiterConfig={"Delay": 1})
    invoke()


@contextlib.contextmanager
def google(folder: Path, files: dict[int, bytes]) -> Iterator[Cloud]:
    """Serve Cloud Functions."""
    from google.api_core.client_options import ClientOptions
    from google.cloud import functions_v2

    from dativo_dagster.launchers.gcp_functions import Config, Launcher
    from tests.servers import cloud_functions, gcs

    with contextlib.ExitStack() as given:
        given.enter_context(patch(ASKED_BESIDE, return_value=False))
        store, server = (given.enter_context(each.serve(folder)) for each in (gcs, cloud_functions))
        os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(server.key_file)
        for rows, text in files.items():
            store.put(f"{rows}.csv", text)
        reach = {"endpoint": store.endpoint, "anonymous": True}
        where = {"staging": f"gs://{store.bucket}/staging", "staging_options": reach}
        launcher = Launcher(Config.model_validate({**server.options, **where}))
        options = ClientOptions(api_endpoint=server.endpoint)
        admin = functions_v2.FunctionServiceClient(transport="rest", client_options=options)
        parent = f"projects/{server.project}/locations/{server.region}"

        def deployed() -> dict[str, str]:
            return {each.name: str(each.update_time) for each in admin.list_functions({"parent": parent})}

        bare = given.enter_context(contextlib.closing(Bare()))
        first = timed(lambda: bare.make(admin, parent))
        a_class, library = plugins(folder)
        files_at = csv(f"gs://{store.bucket}", {"gcs": store.connection})
        found = [
            Subject(name="Cloud Functions, class", launcher=launcher, plugin=a_class, there=numbers, here=numbers),
            Subject(name="Cloud Functions, library", launcher=launcher, plugin=library, there=files_at, here=files_at),
        ]
        yield Cloud(subjects=found, first=first, invoke=bare.invoke, deployed=deployed)


class Bare:
    """The peer at Google, called with a token that is fetched once and on one connection, as ours is."""

    def __init__(self) -> None:
        import requests

        self.session = requests.Session()

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    def make(self, admin: Any, parent: str) -> None:
        """Make it, and call it once."""
        import requests
        from google.auth.transport.requests import Request
        from google.oauth2.id_token import fetch_id_token_credentials

        from dativo_dagster.functions.package import pack

        upload = admin.generate_upload_url({"parent": parent})
        told = {"Content-Type": "application/zip"}
        requests.put(upload.upload_url, pack(BARE).data, headers=told, timeout=60).raise_for_status()
        built = {"runtime": "python312", "entry_point": "handler", "source": {"storage_source": upload.storage_source}}
        asked = {"parent": parent, "function_id": "bare", "function": {"build_config": built}}
        self.uri = admin.create_function(asked).result(timeout=60).service_config.uri
        identity: Any = fetch_id_token_credentials(self.uri)
        identity.refresh(Request())
        self.headers = {"Authorization": f"Bearer {identity.token}"}
        self.invoke()

    def invoke(self) -> None:
        """Call it."""
        self.session.post(self.uri, json={}, headers=self.headers, timeout=60).raise_for_status()
