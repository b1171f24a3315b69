"""Run a command in a network namespace where every address leads here, and write down what it tries to reach.

``watched_network.py LOG COMMAND …`` needs to be started by ``unshare --net --mount`` (``--map-root-user`` for people
who are not root). A name look-up is answered with a documentation address (RFC 5737); a connection is refused. LOG
gets one line for each attempt (``name HOST``, ``tcp ADDRESS PORT`` or ``udp ADDRESS PORT``); loopback is left out.
"""

import ipaddress
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TextIO

RESOLVER = "192.0.2.53"
ANSWER = "198.51.100.7"
LAST = ("203.0.113.255", 9)
"""A datagram to this address tells that all packets before it have been read."""
IPV6_IS_OFF = Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6")
"""1 in the network namespace of a container; nothing can leave it by IPv6 then."""
TCP, UDP, SYN, ETHERNET = 6, 17, 0x02, 14


def main() -> int:
    log, command = Path(sys.argv[1]), sys.argv[2:]
    set_up()
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    sniffer.bind(("lo", 0))
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind((RESOLVER, 53))
    with log.open("a", buffering=1) as lines:
        sniffing = threading.Thread(target=sniff, args=(sniffer, lines), daemon=True)
        sniffing.start()
        threading.Thread(target=resolve, args=(resolver, lines), daemon=True).start()
        code = subprocess.run(command, check=False).returncode
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"last", LAST)
        sniffing.join(10)
    return code


def set_up() -> None:
    routes = ["link set lo up", "route add local 0.0.0.0/0 dev lo"]
    if IPV6_IS_OFF.read_text().strip() == "0":
        routes.append("-6 route add local ::/0 dev lo")
    for words in routes:
        subprocess.run(["ip", *words.split()], check=True)
    with tempfile.NamedTemporaryFile("w") as resolv:
        resolv.write(f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n")
        resolv.flush()
        subprocess.run(["mount", "--bind", resolv.name, "/etc/resolv.conf"], check=True)


def sniff(packets: socket.socket, log: TextIO) -> None:
    """First packets of connections, and datagrams, to anything but loopback and the resolver."""
    seen, last = set(), f"udp {LAST[0]} {LAST[1]}"
    while (attempt := described(packets.recv(65536)[ETHERNET:])) != last:
        if attempt is not None and attempt not in seen:
            seen.add(attempt)
            print(attempt, file=log)


def described(packet: bytes) -> str | None:
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        header, protocol = (packet[0] & 15) * 4, packet[9]
        source, target = (ipaddress.ip_address(packet[at : at + 4]) for at in (12, 16))
    elif version == 6:
        header, protocol = 40, packet[6]
        source, target = (ipaddress.ip_address(packet[at : at + 16]) for at in (8, 24))
    else:
        return None
    if target.is_loopback or target.is_multicast or str(target) == RESOLVER or str(source) == RESOLVER:
        return None
    if protocol not in {TCP, UDP} or len(packet) < header + (14 if protocol == TCP else 8):
        return None
    port = struct.unpack("!H", packet[header + 2 : header + 4])[0]
    if protocol == TCP and packet[header + 13] & 0x12 != SYN:
        return None
    return f"{'tcp' if protocol == TCP else 'udp'} {target} {port}"


def resolve(queries: socket.socket, log: TextIO) -> None:
    """Answer each query for an A record with one address, any other with none."""
    while True:
        query, client = queries.recvfrom(4096)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
            at += 1 + query[at]
        kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
        print(f"name {'.'.join(labels)}", file=log)
        question = query[12 : at + 5]
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(ANSWER) if kind == 1 else b""
        head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(kind == 1), 0, 0)
        queries.sendto(head + question + record, client)


if __name__ == "__main__":
    sys.exit(main())
