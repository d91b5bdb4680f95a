"""`python -m dativo_ingest.worker`."""

from dativo_ingest.worker import main

if __name__ == "__main__":
    main()
