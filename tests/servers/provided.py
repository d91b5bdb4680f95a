"""The system that AWS Lambda runs programs on, as an image for ministack: `provided.al2023`, `provided.al2`.

Around the function's own `bootstrap` it has what surrounds it at Amazon, and nothing else. Its glibc is Debian's: newer
than Amazon's, so what fits there is found out by `functions.glibc`, not by running it here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.servers.aws import build

IMAGE = "public.ecr.aws/lambda/provided"
TAGS = ("al2023", "al2")
# The handler comes in a variable only: the argument that ministack gives is the program.
_DOCKERFILE = """FROM python:3.11-slim-bookworm
COPY lambda_runtime.py /lambda_runtime.py
RUN mkdir -p /var/runtime /var/task /opt
ENV LAMBDA_TASK_ROOT=/var/task
WORKDIR /var/task
STOPSIGNAL SIGKILL
ENTRYPOINT ["sh", "-c", "exec python3 /lambda_runtime.py $_HANDLER"]
"""


def make_images(engine: Any) -> None:
    """Build the images unless the engine has them."""
    runtime = Path(__file__).with_name("lambda_runtime.py").read_bytes()
    for tag in TAGS:
        build(engine, f"{IMAGE}:{tag}", _DOCKERFILE, {"lambda_runtime.py": runtime})
