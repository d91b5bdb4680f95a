"""Attacks on the machine that a plugin runs on, one by its name: each does harm where nothing holds it.

python escapes.py ATTACK     ends with 0 when the attack worked, and with 1 and the reason when it was refused
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path

CALLS = {  # numbers of x86_64; with these arguments each works, or fails for another reason than that it is forbidden
    "ptrace": (101, 0, 0, 0, 0),
    "personality": (135, 0xFFFFFFFF),
    "chroot": (161, b"/tmp"),
    "unshare": (272, 0x10000000),
    "clone_into_user_namespace": (56, 0x10000011, 0, 0, 0, 0),
    "keyctl": (250, 0, -3, 0),
    "add_key": (248, b"user", b"x", b"y", 1, -3),
    "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
    "memfd_create": (319, b"x", 0),
    "bpf": (321, 0, 0, 0),
    "userfaultfd": (323, 1),
    "io_uring_setup": (425, 1, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0),
    "umount": (166, b"/proc", 2),
    "setns": (308, 0, 0),
    "pivot_root": (155, b"/tmp", b"/tmp"),
    "init_module": (175, 0, 0, b""),
    "kexec_load": (246, 0, 0, 0, 0),
    "reboot": (169, 0, 0, 0, 0),
    "sethostname": (170, b"mine", 4),
    "settimeofday": (164, 0, 0),
    "open_by_handle_at": (304, -1, 0, 0),
    "syslog": (103, 10, 0, 0),
}
FORBIDDEN = 1  # EPERM


def call(name: str) -> None:
    """Make a system call; that it is allowed counts as its success, whatever its arguments lead to."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(*CALLS[name]) < 0 and ctypes.get_errno() == FORBIDDEN:
        raise PermissionError(name)


def internet_socket() -> None:
    """Make a socket that reaches other machines."""
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def raw_socket() -> None:
    """Listen to all that passes the network card."""
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def name_server() -> None:
    """Ask the engine's network for a name, which tells that somebody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 53))


def write_root() -> None:
    """Leave a file on the root."""
    Path("/left-behind").write_text("x")


def write_etc() -> None:
    """Become another user by a line of one's own."""
    with Path("/etc/passwd").open("a") as out:
        out.write("evil::0:0::/:/bin/sh\n")


def write_plugin() -> None:
    """Change the code that runs the next time."""
    (Path(__file__).parent / "planted.py").write_text("x")


def read_shadow() -> None:
    """Read what only root may."""
    Path("/etc/shadow").read_text()


def fill_tmp() -> None:
    """Fill the disk."""
    with Path("/tmp/full").open("wb") as out:
        out.writelines(bytes(1 << 20) for _ in range(96))


def run_from_tmp() -> None:
    """Run a program that one brought along."""
    program = Path("/tmp/program")
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    if os.spawnv(os.P_WAIT, program, [str(program)]):
        raise PermissionError(str(program))


def memory_bomb() -> None:
    """Take more memory than there is."""
    bytearray(b"x") * (512 << 20)


def fork_bomb() -> None:
    """Make more processes than allowed; they wait until this one ends."""
    reading, writing = os.pipe()
    for _ in range(200):
        if os.fork() == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)


def be_root() -> None:
    """Become root."""
    os.setuid(0)


def have_capabilities() -> None:
    """Hold any right of root, now or after a program with one."""
    lines = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    if int(lines["CapEff"], 16) == int(lines["CapBnd"], 16) == 0 and lines["NoNewPrivs"] == "1":
        raise PermissionError("no capability, and no new privileges")


def shared_memory() -> None:
    """Talk to other containers by memory that is shared."""
    Path("/dev/shm/x").write_text("x")


def docker_socket() -> None:
    """Ask the engine for a container without limits."""
    if not any(Path(path).exists() for path in ("/var/run/docker.sock", "/run/docker.sock")):
        raise PermissionError("no socket of an engine")


def see_the_host() -> None:
    """See processes that are not the container's own."""
    seen = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline")]
    if not any(b"pytest" in line for line in seen):
        raise PermissionError("no process but its own")


def read_environment() -> None:
    """Read a secret of the host."""
    if "DATIVO_ESCAPE_SECRET" not in os.environ:
        raise PermissionError("not in the environment")


def dump_core() -> None:
    """Leave a copy of the memory, with its secrets, where others find it."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))


def kernel_memory() -> None:
    """Change the kernel's settings."""
    Path("/proc/sys/kernel/core_pattern").write_text("|/tmp/x")


ATTACKS = {
    attack.__name__: attack
    for attack in (
        internet_socket, raw_socket, name_server, write_root, write_etc, write_plugin, read_shadow, fill_tmp,
        run_from_tmp, memory_bomb, fork_bomb, be_root, have_capabilities, shared_memory, docker_socket, see_the_host,
        read_environment, dump_core, kernel_memory,
    )
}  # fmt: skip


def main(name: str) -> None:
    """Try one attack."""
    try:
        call(name) if name in CALLS else ATTACKS[name]()
    except (OSError, ValueError) as error:
        sys.exit(f"refused: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
