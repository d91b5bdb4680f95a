"""Frames over standard input and output, beside a plugin that prints and reads."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, sys
from dativo_ingest.worker.channel import Channel
from dativo_ingest.worker.stdio import Stdio

channel = Channel(Stdio())
print("printed", flush=True)
os.write(1, b"past Python\\n")
read = sys.stdin.read()
frame = channel.receive()
channel.send({**frame.header, "read": read}, [bytes(frame.payload)] * 2)
channel.close()
"""


def test_frames_pass_and_what_is_printed_goes_where_errors_go():
    frame = b'DTV1\x0b\0\0\0\x02\0\0\0\0\0\0\0{"op":"me"}' + b"ab"
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=frame, capture_output=True, check=True)
    assert done.stdout == b'DTV1\x15\0\0\0\x04\0\0\0\0\0\0\0{"op":"me","read":""}' + b"abab"
    assert done.stderr == b"printed\npast Python\n"
