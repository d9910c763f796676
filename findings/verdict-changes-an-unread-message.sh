#!/usr/bin/env bash
# A verdict that replaces a packet changes a message that the program has not read yet.
#
# The kernel's nfnetlink_queue copies the bytes of a short packet into its message. The message of a
# longer one that was written to a TAP device with O_NONBLOCK shares the packet's memory, and a verdict
# writes its replacement there. So a program that gives the verdict first (packet ids count up from 1,
# so it can know the id) reads its own replacement as the packet that was queued. One would guess that
# a message in the receive buffer stays as it is. A packet written without O_NONBLOCK does.
#
# Needs root, python3, iproute2 and iptables. Seen on Linux 6.18.44:
#   100 bytes of payload: the message has the packet that was queued
#   500 bytes of payload: the message has the verdict's replacement
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "skipped: needs root for a network namespace, a TAP device and a rule"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >shared.py <<'PYTHON'
import fcntl, os, socket, struct, subprocess, time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
PACKET, VERDICT, CONFIG = 0x300, 0x301, 0x302
PAYLOAD, VERDICT_HEADER, COMMAND, PARAMETERS = 10, 2, 1, 2
QUEUE, ACCEPT, BIND, COPY_PACKET = 0, 1, 1, 2

tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", b"tap0", IFF_TAP | IFF_NO_PI))
for command in ("ip address add 10.1.0.1/24 dev tap0", "ip link set tap0 address 02:00:00:00:00:01 up"):
    subprocess.run(command.split(), check=True)
for tables in ("iptables-legacy", "iptables"):
    rule = [tables, "-t", "mangle", "-A", "INPUT", "-p", "udp", "-j", "NFQUEUE", "--queue-num", str(QUEUE)]
    if subprocess.run(rule, stderr=subprocess.DEVNULL).returncode == 0:
        break

netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
netlink.bind((0, 0))
netlink.settimeout(5)

def send(kind, *attributes):
    body = struct.pack(">BBH", 0, 0, QUEUE)
    for number, content in attributes:
        body += struct.pack("=HH", 4 + len(content), number) + content + bytes(-len(content) % 4)
    netlink.send(struct.pack("=IHHII", 16 + len(body), kind, 1, 0, 0) + body)

def payload():
    message, at = netlink.recv(65536), 20
    assert struct.unpack_from("=H", message, 4)[0] == PACKET
    while True:
        length, number = struct.unpack_from("=HH", message, at)
        if number == PAYLOAD:
            return message[at + 4 : at + length]
        at += length + 3 & ~3

def checksum(words):
    total = sum(struct.unpack(f">{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

def udp(fill, length):
    # A UDP checksum of 0 says that there is none.
    datagram = struct.pack(">HHHH", 1, 9, 8 + length, 0) + fill * length
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, bytes([10, 1, 0, 2]), bytes([10, 1, 0, 1]))
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + datagram

send(CONFIG, (COMMAND, struct.pack(">BBH", BIND, 0, 0)))
send(CONFIG, (PARAMETERS, struct.pack(">IB", 65535, COPY_PACKET)))
for packet_id, length in ((1, 100), (2, 500)):
    queued, replacement = udp(b"q", length), udp(b"r", length)
    os.write(tap, bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]) + queued)
    time.sleep(0.3)
    send(VERDICT, (VERDICT_HEADER, struct.pack(">II", ACCEPT, packet_id)), (PAYLOAD, replacement))
    seen = {queued: "packet that was queued", replacement: "verdict's replacement"}
    print(f"{length} bytes of payload: the message has the {seen[payload()]}")
PYTHON
unshare --net python3 shared.py | tee seen
diff seen - <<'EXPECTED'
100 bytes of payload: the message has the packet that was queued
500 bytes of payload: the message has the verdict's replacement
EXPECTED
