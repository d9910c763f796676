# A program in Python on a raw socket: accepts every packet until the queue ends.
import os
import socket
import struct
import sys

queue = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 3)
queue.bind((os.getpid(), 0))
port, groups = queue.getsockname()
assert port == os.getpid(), port


def request(kind, body):
    queue.send(struct.pack("=IHHII", 16 + len(body), kind, 1, 0, port) + body)


request(17, struct.pack("@BQQ", 2, 0, 0))
while True:
    frame = queue.recv(70000)
    if not frame:
        sys.exit(0)
    (packet,) = struct.unpack_from("@L", frame, 16)
    request(18, struct.pack("@ILL", 1, packet, 0))
