"""The shape of the profile; tests/integration/test_docker_escapes.py shows that the kernel keeps to it."""

from __future__ import annotations

import json

import pytest

from dativo_dagster.launchers.docker.seccomp import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, ALLOWED, profile

CALLS = """
acct add_key bpf chroot clone clone3 delete_module fanotify_init finit_module init_module io_uring_enter
io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind memfd_create
mknod mknodat mount mount_setattr move_mount move_pages name_to_handle_at nfsservctl open_by_handle_at open_tree
perf_event_open personality pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev ptrace quotactl
reboot request_key setdomainname sethostname setns settimeofday socket socketpair swapoff swapon syslog umount umount2
unshare userfaultfd vmsplice
"""
DANGEROUS = tuple(CALLS.split())


def _families(text: str, call: str) -> set[int]:
    rules = [rule for rule in json.loads(text)["syscalls"] if call in rule["names"]]
    assert all(rule["args"][0]["op"] == "SCMP_CMP_EQ" and rule["args"][0]["index"] == 0 for rule in rules)
    return {rule["args"][0]["value"] for rule in rules}


@pytest.mark.parametrize("network", [False, True])
def test_what_is_not_listed_is_refused(network):
    made = json.loads(profile(network=network))
    assert (made["defaultAction"], made["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    free = [rule["names"] for rule in made["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule]
    assert free == [list(ALLOWED)]
    assert set(ALLOWED).isdisjoint(DANGEROUS)


def test_only_a_container_with_a_network_makes_sockets_of_one():
    assert _families(profile(network=False), "socket") == {AF_UNIX}
    assert _families(profile(network=True), "socket") == {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}
    assert _families(profile(network=True), "socketpair") == {AF_UNIX}


def test_processes_are_made_in_the_namespaces_of_their_parent_only():
    single = [rule for rule in json.loads(profile(network=True))["syscalls"] if len(rule["names"]) == 1]
    rules = {rule["names"][0]: rule for rule in single}
    (flags,) = rules["clone"]["args"]
    assert (flags["op"], flags["valueTwo"], flags["value"] & 0x10000000) == ("SCMP_CMP_MASKED_EQ", 0, 0x10000000)
    assert (rules["clone3"]["action"], rules["clone3"]["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)
