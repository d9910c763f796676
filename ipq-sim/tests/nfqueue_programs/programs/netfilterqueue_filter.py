"""A filter with the package NetfilterQueue. `netfilterqueue_filter.py QUEUE`"""

import sys

from netfilterqueue import NetfilterQueue


def decide(packet):
    data = bytearray(packet.get_payload())
    number = int.from_bytes(data[28:32], "big")
    if number % 4 == 0:
        packet.drop()
        return
    if number % 4 == 2:
        packet.set_mark(number)
    if number % 4 == 3:
        data[-1] ^= 0xFF
        packet.set_payload(bytes(data))
    packet.accept()


queue = NetfilterQueue()
queue.bind(int(sys.argv[1]), decide)
queue.run()
