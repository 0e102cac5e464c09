"""Becomes the command in its arguments, for which, as for all its children, the kernel has no
Landlock: a filter answers ENOSYS to landlock_create_ruleset."""

import ctypes
import os
import struct
import sys

LOAD_NUMBER, EQUAL, ANSWER = 0x20, 0x15, 0x06
ENOSYS, ALLOW = 0x00050000 | 38, 0x7FFF0000
PR_SET_SECCOMP, FILTER = 22, 2
steps = [(LOAD_NUMBER, 0, 0, 0), (EQUAL, 0, 1, 444), (ANSWER, 0, 0, ENOSYS), (ANSWER, 0, 0, ALLOW)]
program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
header = ctypes.create_string_buffer(struct.pack("@HxxxxxxQ", len(steps), ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_SECCOMP, FILTER, header, 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "no filter")
os.execv(sys.argv[1], sys.argv[1:])
