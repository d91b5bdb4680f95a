"""Files on the local disk, S3 and Google Cloud Storage behind one small set of verbs.

Connectors, tables and formats get a `Storage` and never see what is behind it; obstore is imported here and nowhere
else, and only once a bucket is opened. Paths in and out are absolute URIs (``file:///…``, ``s3://bucket/…``,
``gs://bucket/…``); a plain path means a local file.
"""

from dativo_dagster.storage.base import FileInfo, Storage, WriteStream, changed, local_path
from dativo_dagster.storage.counted import Counted
from dativo_dagster.storage.opening import open_storage

__all__ = ["Counted", "FileInfo", "Storage", "WriteStream", "changed", "local_path", "open_storage"]
