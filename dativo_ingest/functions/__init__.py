"""Runs one verb of a plugin for a host that is far away: in a function of a cloud. Knows no cloud and no platform.

One invocation is one verb. The request is JSON::

    dativo     2
    id         of the invocation, for logs
    role       reader | writer
    verb       spec | check | discover | split | read | write | commit | abort
    plugin     {path, name, kind}: `model.PluginRef`; the path starts at the folder of the package
    config     what `dativo_ingest.opening` describes, or {"$object": name, crc32} where it is large: an object of the
               staging
    arguments  those of the worker's verb: {stream, unit} of read, {base, name} of write, {token, files} of commit, ...
    staging    {url, options}: a folder of a bucket for this invocation alone, and how to reach it; credentials are the
               function's own unless the options have some
    limits     {inline_bytes, piece_bytes, ahead, seconds, idle_seconds}; the last is how long it waits for the host
    log_level  of Python's logging
    tags       {run, stream, unit, attempt}; each record of the log has them

and so is the reply::

    dativo     2
    result     the verb's answer, or `error`: as `worker.errors.error_to_json` gives it
    aside      instead of a result that is large: {bytes, crc32} of result.json of the staging, which has it
    repeatable whether the plugin promises what `protocols.Repeatable` says; missing where it does not
    rows       of read: {"inline": [base64 of a piece, ...]} or {"pieces": [{key, rows, bytes, crc32, position}, ...]}
    reached    of read: `model.Cursor` as JSON, or null; missing where the plugin did not say
    rest       of read: the unit that is left, `model.Unit` as JSON, where the plugin stopped before the function's time
               was over (`protocols.Resumable`); else null or missing
    logs       [{level, logger, message, tags}, ...]; what the plugin printed has the logger "printed"
    peak_mb    the most memory that was used; seconds: how long it took; started: whether this was a fresh instance

Below the staging folder lie::

    owner.json              the host's, there before the call. When it is gone the host is no longer interested
    cancel                  the host wants the verb to end; looked for once a second
    config.json             the configuration, where it is large
    000001.arrow ...        read: pieces, each some Arrow IPC streams of one batch, one behind the other. The host
                            deletes what it has read; piece n is written once piece n - ahead is gone
    in/000001.arrow ...     write: the same the other way; the function deletes what it has read
    in/end.json             {"pieces": [{bytes, crc32}, ...]}, in their order: there are no more
    result.json             the result, where it is large
    out/NAME                files of a writer that does not commit by itself; in the result each has its crc32, and
                            "out/NAME" as its path

Who reads an object holds it against the size and the CRC-32 that its writer tells. Another version of the protocol is
an error on both sides: a package is deployed anew when its SDK changes, and an image of the user's is theirs to build.

A function that was cancelled, ran out of time, or waited too long for its host, removes the pieces that it wrote.
"""

from __future__ import annotations

from dativo_ingest.functions.handling import handle

__all__ = ["handle"]
