"""Real servers for tests, started when the first test asks and killed when the session ends.

Every server listens on loopback only, on ports that were free, in its own process group, with a log file beside its
data. Under xdist each worker has its own. `tests.servers.fixtures` makes pytest fixtures of them.
"""
