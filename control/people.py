"""Who did something: the user and the process behind it, as the kernel tells them."""

import os
import pwd

import msgspec


class Who(msgspec.Struct, frozen=True):
    """``user`` is the name of ``uid`` on this host, or empty; ``login`` is the user who logged in
    before a ``sudo``, as far as the environment tells."""

    uid: int
    user: str
    pid: int
    login: str = ""


def find_who(uid: int | None = None, pid: int | None = None) -> Who:
    """The user and process of a peer; without arguments ourselves."""
    login = os.environ.get("SUDO_USER", "") if uid is None else ""
    uid = os.getuid() if uid is None else uid
    return Who(uid, name_user(uid), os.getpid() if pid is None else pid, login)


def name_user(uid: int) -> str:
    """The name of a user id; empty when this host has none for it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
