"""A filter with the package fnfqueue. `fnfqueue_filter.py QUEUE`"""

import sys

import fnfqueue

connection = fnfqueue.Connection()
queue = connection.bind(int(sys.argv[1]))
queue.set_mode(65531, fnfqueue.COPY_PACKET)
for packet in connection:
    data = bytearray(packet.payload)
    number = int.from_bytes(data[28:32], "big")
    if number % 4 == 0:
        packet.drop()
        continue
    if number % 4 == 2:
        packet.mark = number
    if number % 4 == 3:
        data[-1] ^= 0xFF
        packet.payload = bytes(data)
    packet.mangle()
