"""Which system calls a container may make: those that CPython, pyarrow and native plugins need, and no other.

The engine's own profile lets a process trace others, open io_uring and call some two hundred more; this one is a list
of what is allowed, so what the kernel learns tomorrow is refused. Its format is the engine's:
https://docs.docker.com/engine/security/seccomp/
"""

from __future__ import annotations

import json
from typing import Any

_CALLS = """
accept accept4 access arch_prctl bind brk capget capset chdir chmod chown clock_getres clock_gettime clock_nanosleep
close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait
epoll_pwait2 epoll_wait eventfd eventfd2 execve exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod
fchmodat fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fstat fstatfs fsync ftruncate futex
get_robust_list getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid
getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname getsockopt
gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl kill lchown
lgetxattr link linkat listen listxattr llistxattr lseek lstat madvise membarrier mincore mkdir mkdirat mlock mlock2
mmap mprotect mremap msync munlock munmap nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal
pipe pipe2 poll ppoll prctl pread64 preadv preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2 read readahead
readlink readlinkat readv recvfrom recvmmsg recvmsg rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction
rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_setaffinity sched_yield select sendfile sendmmsg sendmsg sendto set_robust_list set_tid_address setgid setgroups
setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid shutdown
sigaltstack splice stat statfs statx symlink symlinkat sync_file_range sysinfo tee tgkill timer_create timer_delete
timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask
uname unlink unlinkat utime utimensat utimes vfork wait4 waitid write writev
"""
ALLOWED = tuple(_CALLS.split())

# setuid, setgid, chown, capset and their kin: the engine itself needs them, inside, to become the container's user.
# Without capabilities they give a plugin nothing.

NEW_NAMESPACES = 0x7E020000
"""The flags of `clone` that make a namespace: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
NO_SUCH_CALL = 38
"""ENOSYS. The flags of `clone3` lie in memory where no filter sees them; libraries then take `clone`."""
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16  # of Linux, whatever the host is


def profile(*, network: bool) -> str:
    """Give the profile as the JSON text that the engine takes.

    Args:
        network: Whether the container has a network; without one it can make sockets of its own machine only.
    """
    families = (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK) if network else (AF_UNIX,)
    calls = [
        {"names": ALLOWED, "action": "SCMP_ACT_ALLOW"},
        _allow("clone", value=NEW_NAMESPACES, valueTwo=0, op="SCMP_CMP_MASKED_EQ"),
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": NO_SUCH_CALL},
        *(_allow("socket", value=family, op="SCMP_CMP_EQ") for family in families),
        _allow("socketpair", value=AF_UNIX, op="SCMP_CMP_EQ"),
    ]
    made = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,  # EPERM
        "archMap": [{"architecture": f"SCMP_ARCH_{name}"} for name in ("X86_64", "AARCH64")],
        "syscalls": calls,
    }
    return json.dumps(made)


def _allow(call: str, **first_argument: Any) -> dict[str, Any]:
    return {"names": [call], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, **first_argument}]}
