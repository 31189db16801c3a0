"""Runs Snakemake in a network namespace without any network and counts what tried to leave it.

`python sealed.py SNAKEMAKE-ARGUMENTS`, below `unshare --net`; prints one JSON object as its last line.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path

COUNTED = {
    "/proc/net/snmp": ("Ip.OutNoRoutes", "Ip.OutRequests", "Tcp.ActiveOpens", "Udp.OutDatagrams"),
    "/proc/net/snmp6": ("Ip6OutNoRoutes", "Ip6OutRequests", "Udp6OutDatagrams"),
}


def attempts() -> int:
    """Packets and connections that were tried in this namespace since it began, those without a way out included."""
    found: dict[str, int] = {}
    lines = [line.split() for line in Path("/proc/net/snmp").read_text(encoding="utf-8").splitlines()]
    for names, numbers in zip(lines[::2], lines[1::2], strict=True):
        found |= {names[0] + "." + name: int(number) for name, number in zip(names[1:], numbers[1:], strict=True)}
    found = {name.replace(":", ""): number for name, number in found.items()}
    with contextlib.suppress(FileNotFoundError):
        for line in Path("/proc/net/snmp6").read_text(encoding="utf-8").splitlines():
            found[line.split()[0]] = int(line.split()[1])
    return sum(found.get(name, 0) for names in COUNTED.values() for name in names)


def try_to_connect() -> None:
    """What telemetry would do: a connection by address, one datagram, one by name."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as line, contextlib.suppress(OSError):
            line.connect(("192.0.2.1", 443))
    with contextlib.suppress(OSError):
        socket.create_connection(("example.org", 443), timeout=5)


if __name__ == "__main__":
    before = attempts()
    done = subprocess.run([sys.executable, "-m", "snakemake", *sys.argv[1:]], stderr=subprocess.STDOUT)
    after = attempts()
    try_to_connect()
    print(json.dumps({"returncode": done.returncode, "run": after - before, "control": attempts() - after}))
