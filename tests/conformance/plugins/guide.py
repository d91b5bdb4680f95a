# ruff: noqa: BLE001, E722, FURB122, PTH123, RUF010, UP006, UP028, UP035, UP045 - as the earlier system has its guide, old words and bare excepts included
"""A reader and a writer as the earlier system's guide shows them, with a client for pages of JSON behind the reader."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from dativo_ingest.plugins import BaseReader, BaseWriter, ConnectionTestResult, DiscoveryResult
from dativo_ingest.validator import IncrementalStateManager


class MyAPIClient:
    def __init__(self, base_url, api_key):
        self.base_url, self.api_key = base_url, api_key

    def get(self, path):
        request = urllib.request.Request(self.base_url + path, headers={"Authorization": f"Bearer {self.api_key}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            raise RuntimeError(f"HTTP {error.code}") from None

    def ping(self):
        self.get("/")

    def list_objects(self):
        return self.get("/")["objects"]

    def get_page(self, object_name, page):
        return self.get(f"/{object_name}?page={page}")["data"]


class MyCustomReader(BaseReader):
    __version__ = "1.0.0"

    def __init__(self, source_config):
        super().__init__(source_config)
        self.base_url = source_config.connection.get("base_url")
        self.api_key = source_config.credentials.get("api_key")
        self.client = MyAPIClient(self.base_url, self.api_key)

    def check_connection(self) -> ConnectionTestResult:
        try:
            self.client.ping()
            return ConnectionTestResult(success=True, message="Connection successful")
        except Exception as e:
            return ConnectionTestResult(
                success=False, message=f"Connection failed: {str(e)}", error_code="CONNECTION_ERROR"
            )

    def discover(self) -> DiscoveryResult:
        try:
            discovered = [{"name": name, "type": "table", "description": ""} for name in self.client.list_objects()]
            return DiscoveryResult(objects=discovered, metadata={"api_version": "v1"})
        except Exception as e:
            return DiscoveryResult(objects=[], metadata={"error": str(e)})

    def extract(self, state_manager: Optional[IncrementalStateManager] = None) -> Iterator[List[Dict[str, Any]]]:
        objects = self.source_config.objects or []
        for obj_name in objects:
            for page in self._extract_pages(obj_name):
                yield page

    def _extract_pages(self, object_name: str) -> Iterator[List[Dict[str, Any]]]:
        page = 1
        while True:
            records = self.client.get_page(object_name, page)
            if not records:
                break
            yield records
            page += 1

    def get_total_records_estimate(self) -> Optional[int]:
        try:
            return self.client.get_count()
        except:
            return None


class MyCustomWriter(BaseWriter):
    __version__ = "1.0.0"

    def __init__(self, asset_definition, target_config, output_base: str):
        super().__init__(asset_definition, target_config, output_base)
        self.format = target_config.engine.get("options", {}).get("format", "jsonl")
        self.output_dir = Path(output_base)
        self.output_dir.mkdir(parents=True, exist_ok=True)

    def check_connection(self) -> ConnectionTestResult:
        try:
            test_file = self.output_dir / ".test"
            test_file.write_text("test")
            test_file.unlink()
            return ConnectionTestResult(success=True, message="Target accessible")
        except Exception as e:
            return ConnectionTestResult(
                success=False, message=f"Target not accessible: {str(e)}", error_code="ACCESS_ERROR"
            )

    def write_batch(self, records: List[Dict[str, Any]], file_counter: int) -> List[Dict[str, Any]]:
        filename = f"{self.asset_definition.name}_{file_counter:06d}.json"
        filepath = self.output_dir / filename
        with open(filepath, "w") as f:
            if self.format == "jsonl":
                for record in records:
                    f.write(json.dumps(record) + "\n")
            else:
                json.dump(records, f, indent=2)
        return [{"path": str(filepath), "size_bytes": filepath.stat().st_size, "record_count": len(records)}]

    def commit_files(self, file_metadata: List[Dict[str, Any]]) -> Dict[str, Any]:
        return {
            "status": "success",
            "files_added": len(file_metadata),
            "total_records": sum(m.get("record_count", 0) for m in file_metadata),
        }
