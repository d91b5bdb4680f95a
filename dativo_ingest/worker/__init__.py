"""Runs the verbs of one plugin for a host at the other end of a socket. Knows no place and no platform.

    python -m dativo_ingest.worker --fd 5              an inherited end of a socket pair: `place: process`
    python -m dativo_ingest.worker --connect PATH      a unix socket that a host listens on: a container
    python -m dativo_ingest.worker --stdio             its standard input and output: a container on another machine

The host speaks first. Frames (`dativo_ingest.worker.wire`) by their ``op``; one verb at a time::

    host                                        worker
    open {role, plugin, config, ...}    ->      result {value: {commits, repeatable, resumes}}
    call {verb, arguments}              ->      result {value}, or error {error}
      read                                      batch* {position}, result {value: null, or the unit that is left}
                enough                  ->      result after the next batch, where the plugin can tell what is left
                cancel                  ->      result, soon
      write                             <-      more, for each batch wanted
                batch* | end | cancel   ->      result
      carry                                     batch* {}, each a piece of a file that was written; result
    close, or the end of the stream     ->      the plugin is closed and the process ends
                                        <-      log {level, logger, message}, at any time

A host that vanishes while a verb runs takes the worker, and all that it started, with it.
"""
