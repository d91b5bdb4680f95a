"""Writes JSON or JSON Lines, plain or gzip, to a folder or to S3, with a manifest that names the files of each commit.

target:
  custom_writer: plugins/json_file_writer.py:JSONFileWriter
  path: out/users                     # or s3://bucket/folder, with connection: {s3: {endpoint: ...}}
  engine: {options: {format: jsonl, gzip: true}}

Readers of the folder go by the newest ``manifest-*.json``: files that none names are of a run that did not end.
"""

import base64
import datetime as dt
import gzip
import hashlib
import json
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from dativo_ingest import BaseWriter, ConfigurationError, ConnectionTestResult


class JSONFileWriter(BaseWriter):
    """One file a batch."""

    __version__ = "1.1.0"
    requires_sdk = ">=1.1,<2"
    commit_anywhere = True  # commit_files needs only its argument

    def __init__(self, asset_definition, target_config, output_base):
        super().__init__(asset_definition, target_config, output_base)
        options = (target_config.engine or {}).get("options") or {}
        self.format = options.get("format", "jsonl")
        if self.format not in ("json", "jsonl"):
            raise ConfigurationError(f"engine.options.format is json or jsonl, not {self.format!r}")
        self.gzip = options.get("gzip", False)
        self.run = uuid.uuid4().hex[:12]
        self.place = _S3(output_base, target_config.connection or {}) if "://" in output_base else _Folder(output_base)

    def check_connection(self):
        self.place.write(".check", b"")
        self.place.remove(".check")
        return ConnectionTestResult(success=True, message=f"{self.output_base} can be written")

    def write_batch(self, records, file_counter):
        suffix = self.format + (".gz" if self.gzip else "")
        name = f"{self.asset_definition.name}-{self.run}-{file_counter:06d}.{suffix}"
        data = self._encoded(records)
        path = self.place.write(name, data)
        return [{"path": path, "name": name, "size_bytes": len(data), "record_count": len(records)}]

    def commit_files(self, file_metadata):
        names = sorted(file["name"] for file in file_metadata)
        # The same files give the same manifest, so that a commit that is repeated changes nothing.
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        records = sum(file["record_count"] for file in file_metadata)
        manifest = {"asset": self.asset_definition.name, "records": records, "files": names}
        path = self.place.write(f"manifest-{digest}.json", json.dumps(manifest, indent=2).encode())
        return {"status": "success", "files_added": len(names), "manifest": path}

    def abort_files(self, file_metadata):
        for file in file_metadata:
            self.place.remove(file["name"])

    def _encoded(self, records):
        lines = [json.dumps(record, default=_plain, ensure_ascii=False, separators=(",", ":")) for record in records]
        text = "".join(f"{line}\n" for line in lines) if self.format == "jsonl" else "[" + ",\n".join(lines) + "]\n"
        return gzip.compress(text.encode(), mtime=0) if self.gzip else text.encode()


class _Folder:
    def __init__(self, path):
        self.path = Path(path)

    def write(self, name, data):
        self.path.mkdir(parents=True, exist_ok=True)
        part = self.path / f".{name}.part"
        part.write_bytes(data)
        part.replace(self.path / name)
        return str(self.path / name)

    def remove(self, name):
        (self.path / name).unlink(missing_ok=True)


class _S3:
    def __init__(self, uri, connection):
        import boto3

        said = connection.get("s3", connection)
        self.bucket, self.folder = urlsplit(uri).netloc, urlsplit(uri).path.strip("/")
        # A session of its own: the default one keeps the keys of whoever came first.
        self.client = boto3.session.Session().client(
            "s3",
            endpoint_url=said.get("endpoint"),
            region_name=said.get("region") or ("us-east-1" if said.get("endpoint") else None),
            aws_access_key_id=said.get("access_key_id"),
            aws_secret_access_key=said.get("secret_access_key"),
        )

    def _key(self, name):
        return f"{self.folder}/{name}" if self.folder else name

    def write(self, name, data):
        self.client.put_object(Bucket=self.bucket, Key=self._key(name), Body=data)
        return f"s3://{self.bucket}/{self._key(name)}"

    def remove(self, name):
        self.client.delete_object(Bucket=self.bucket, Key=self._key(name))


def _plain(value):
    """Give what JSON has no form for as text that loses nothing; bytes as base64."""
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return str(value)
