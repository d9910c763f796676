# Drops every packet of ip_queue, and answers each by Scapy's raw socket of IPv4.
import os
import socket
import struct

from scapy.all import IP, UDP, conf, send
from scapy.supersocket import L3RawSocket

conf.L3socket = L3RawSocket
queue = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 3)
queue.bind((os.getpid(), 0))
port, groups = queue.getsockname()


def request(kind, body):
    queue.send(struct.pack("=IHHII", 16 + len(body), kind, 1, 0, port) + body)


request(17, struct.pack("@BQQ", 2, 0, 0))
while True:
    frame = queue.recv(70000)
    if not frame:
        break
    (packet,) = struct.unpack_from("@L", frame, 16)
    question = IP(frame[frame.index(b"\x45\0\0\x1d") :])
    answer = IP(src=question.dst, dst=question.src, ttl=7) / UDP(sport=2, dport=1) / bytes(question[UDP].payload)[:1]
    send(answer, verbose=0)
    request(18, struct.pack("@ILL", 0, packet, 0))
