"""`python -m dativo_ingest.worker`."""

from dativo_ingest.worker import main

main()
