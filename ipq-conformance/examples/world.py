#!/usr/bin/env python3
"""A small ip_queue in Python, as a world for the conformance suite:

    ipq-conformance run --world 'exec:python3 ipq-conformance/examples/world.py'

It keeps docs/world-protocol.md and needs nothing beside Python 3. What it lacks it says. To see
findings, `--break wrong-port`, `--break no-latch` and `--break hang` break one rule each.
"""
import json
import struct
import sys
import time

BREAK = sys.argv[2] if sys.argv[1:2] == ["--break"] else ""
EPERM, ENOENT, EBUSY, EINVAL, ECOMM, EMSGSIZE = 1, 2, 16, 22, 70, 90
EPROTONOSUPPORT, ENOBUFS = 93, 105
CAPABILITIES = ["proc-text", "sysctl", "drop-net-admin", "foreign-port-id",
                "both-families", "datagram-weights"]
HOOKS = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)
PROTOCOLS = {"udp": 17, "tcp": 6, "icmp": 1, "icmpv6": 58, "ipv6-icmp": 58}
MTU = 1500
DEVICES = {}  # By name: its link-layer address, its neighbour's, and the networks behind it.
for n in range(2):
    own, neighbour = (bytes([2, 0, 0, 0, side, n + 1]) for side in (0x10, 0x20))
    networks = [bytes([10, n + 1, 0]), bytes.fromhex("fd00%04x00000000" % (n + 1))]
    DEVICES["tap%d" % n] = own, neighbour, networks


class Refused(Exception):
    """An errno instead of an answer."""


def checksum(header):
    total = sum(struct.unpack(">%dH" % (len(header) // 2), header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


class Packet:
    """An IP packet on its way through the host."""

    def __init__(self, data, indev="", source=b"", stamp=0.0):
        self.data, self.indev, self.outdev = data, indev, ""
        self.source, self.stamp, self.mark, self.local = source, stamp, 0, not indev
        self.ipv4 = data[0] >> 4 != 6

    def destination(self):
        return self.data[16:20] if self.ipv4 else self.data[24:40]

    def route_key(self):
        return self.data[12:20] if self.ipv4 else self.data[8:40], self.data[:2], self.mark

    def hop(self):
        """Takes one from the time to live. Returns whether the packet lives on."""
        data, at = bytearray(self.data), 8 if self.ipv4 else 7
        if data[at] <= 1:
            return False
        data[at] -= 1
        if self.ipv4:
            data[10:12] = b"\0\0"
            data[10:12] = struct.pack(">H", checksum(data[:(data[0] & 15) * 4]))
        self.data = bytes(data)
        return True

    def pieces(self):
        """The packet as it leaves: whole, in fragments, or not at all (FWD-4)."""
        if len(self.data) <= MTU:
            return [self.data]
        if not self.ipv4 or self.data[6] & 0x40:
            return []
        size, pieces = (self.data[0] & 15) * 4, []
        room, flags = (MTU - size) // 8 * 8, struct.unpack(">H", self.data[6:8])[0]
        for at in range(size, len(self.data), room):
            more = 0x2000 if at + room < len(self.data) else 0
            piece, head = self.data[at:at + room], bytearray(self.data[:size])
            head[2:4] = struct.pack(">H", size + len(piece))
            head[6:8] = struct.pack(">H", (flags + (at - size) // 8) | more)
            head[10:12] = b"\0\0"
            head[10:12] = struct.pack(">H", checksum(head))
            pieces.append(bytes(head) + piece)
        return pieces


class Socket:
    def __init__(self, protocol, port):
        self.protocol, self.port, self.inbox, self.used = protocol, port, [], 0
        self.buffer, self.error, self.latched, self.no_enobufs = 196608, 0, False, False

    def deliver(self, data):
        """Puts a datagram from the kernel into the receive buffer (SOCK-4, SOCK-5)."""
        size, weight = (len(data) + 63) // 64 * 64 + 320, 256
        while weight < size:
            weight *= 2
        if self.latched or self.used > self.buffer:
            if not self.no_enobufs and not self.latched:
                self.error, self.latched = ENOBUFS, BREAK != "no-latch"
            return False
        self.inbox.append((data, weight + 192))
        self.used += weight + 192
        return True

    def receive(self):
        if self.error:
            self.error = 0
            return {"result": "error", "errno": ENOBUFS}
        if not self.inbox:
            return {"result": "nothing"}
        data, weight = self.inbox.pop(0)
        self.used, self.latched = self.used - weight, self.latched and bool(self.inbox)
        return {"result": "frame", "hex": data.hex(), "sender": 0}


class Queue:
    def __init__(self):
        self.next_id, self.limit, self.dropped, self.undelivered = 1, 1024, 0, 0
        self.reset()

    def reset(self):
        self.peer, self.mode, self.range, self.entries = 0, 0, 0, {}

    def text(self, last):
        lines = [("Peer PID", self.peer), ("Copy mode", self.mode), ("Copy range", self.range),
                 ("Queue length", len(self.entries)), ("Queue max. length", self.limit),
                 ("Queue dropped", self.dropped), (last, self.undelivered)]
        return "".join("%-18s: %d\n" % line for line in lines)


class World:
    """The host. Each method whose name begins with `do_` does the step with that `op`."""

    def __init__(self, rules):
        self.rules, self.sockets, self.held = rules, {}, True
        self.queues, self.left = {3: Queue(), 13: Queue()}, {name: [] for name in DEVICES}

    def message(self, socket, data):
        """Takes a datagram to the queue, and answers it (ERR-1 to ERR-3)."""
        length, kind, flags, sequence, port = struct.unpack("<IHHII", data[:16].ljust(16, b"\0"))
        if not 16 <= length <= len(data):
            return
        try:
            done = self.request(self.queues[socket.protocol], data[16:length], kind, flags, port)
            if not done or not flags & 4:
                return
            body = struct.pack("<i", 0) + data[:16]
        except Refused as refused:
            body = struct.pack("<i", -refused.args[0]) + data[:length]
        answer_to = port ^ 1 if BREAK == "wrong-port" else socket.port
        reply = struct.pack("<IHHII", 16 + len(body), 2, 0, sequence, answer_to) + body
        socket.deliver(reply + b"\0" * (-len(reply) % 4))

    def request(self, queue, body, kind, flags, port):
        """Does what a message asks, after the checks in their order (MSG-2 to MSG-9)."""
        if not 0 < port < 1 << 31 or flags & 3 != 1:
            raise Refused(EINVAL)
        if flags & 0x20 or not 0 < kind < 0x14:
            raise Refused(ECOMM if flags & 0x20 else EINVAL)
        if kind <= 0x10:
            return False
        if not self.held:
            raise Refused(EPERM)
        if queue.peer not in (0, port):
            raise Refused(EBUSY)
        queue.peer = port
        if len(body) < 24 or kind == 0x13 or (kind == 0x11 and body[0] > 2):
            raise Refused(EINVAL)
        if kind == 0x11:
            reach = min(struct.unpack("<I", body[8:12])[0], 65535)
            queue.mode, queue.range = body[0], reach if body[0] == 2 else 0
            return True
        value, packet_id, length = struct.unpack("<I4xQQ", body[:24])
        if value > 5 or value == 2 or packet_id not in queue.entries:
            raise Refused(EINVAL if value > 5 or value == 2 else ENOENT)
        payload = body[24:] if length == len(body) - 24 else b""
        self.verdict(*queue.entries.pop(packet_id), value, payload)
        return True

    def verdict(self, packet, hook, table, routed_by, value, payload):
        if value == 0 or len(payload) > 65535:
            return
        if len(payload) >= (20 if packet.ipv4 else 40):
            packet.data = payload
        if value == 3:
            self.enqueue(packet, hook, table)
        elif hook == OUTPUT and value in (1, 4) and packet.route_key() != routed_by:
            packet.outdev = self.route(packet)
            if packet.outdev:
                self.walk(packet, hook, table + (value == 1))
        else:
            self.walk(packet, hook, {1: table + 1, 4: table, 5: 2}[value])

    def route(self, packet):
        to = packet.destination()
        if to[0] == 127 or to == bytes(15) + b"\1":
            return "lo"
        for name, (_, _, networks) in DEVICES.items():
            for network in networks:
                if to.startswith(network):
                    return "lo" if to[len(network):] in (b"\1", bytes(7) + b"\1") else name
        return ""

    def walk(self, packet, hook, table):
        """Goes on at a table of a hook: 0 is mangle, 1 is filter, 2 is past both."""
        for number in range(table, 2):
            for rule in self.rules:
                protocol = packet.data[9 if packet.ipv4 else 6]
                if (rule["family"] == ("ipv4" if packet.ipv4 else "ipv6")
                        and rule["chain"] == HOOKS[hook]
                        and rule["table"] == ("mangle", "filter")[number]
                        and PROTOCOLS.get(rule.get("protocol"), protocol) == protocol):
                    if rule["target"] == "QUEUE":
                        return self.enqueue(packet, hook, number)
                    packet.mark = rule["mark"]
        if hook == PREROUTING:
            packet.outdev = self.route(packet)
            if packet.outdev == "lo":
                self.walk(packet, INPUT, 0)
            elif packet.outdev and packet.hop() and packet.pieces():
                self.walk(packet, FORWARD, 0)
        elif hook in (FORWARD, OUTPUT):
            self.walk(packet, POSTROUTING, 0)
        elif hook == POSTROUTING and packet.outdev == "lo":
            self.walk(Packet(packet.data, "lo", bytes(6), time.time()), PREROUTING, 0)
        elif hook == POSTROUTING:
            own, neighbour, _ = DEVICES[packet.outdev]
            head = neighbour + own + (b"\x08\x00" if packet.ipv4 else b"\x86\xdd")
            self.left[packet.outdev] += [head + piece for piece in packet.pieces()]

    def enqueue(self, packet, hook, table):
        """Hands a packet to the peer of its queue (PKT-1 to PKT-8)."""
        protocol = 3 if packet.ipv4 else 13
        queue = self.queues[protocol]
        if not queue.mode:
            return
        if len(queue.entries) >= queue.limit & 0xffffffff:
            queue.dropped += 1
            return
        payload = packet.data[:queue.range or None] if queue.mode == 2 else b""
        indev, outdev = packet.indev * (hook <= FORWARD), packet.outdev * (hook >= FORWARD)
        hardware = (772 if indev == "lo" else 1, packet.source) if indev else (0, b"")
        untyped = hook == OUTPUT or (packet.local and not packet.ipv4)
        ether_type = 0 if untyped else (0x0800 if packet.ipv4 else 0x86dd)
        seconds, micros = divmod(int(packet.stamp * 1e6), 1000000)
        body = struct.pack("<QQqqI16s16s", queue.next_id, packet.mark, seconds, micros, hook,
                           indev.encode(), outdev.encode()) + struct.pack(">H", ether_type)
        body += struct.pack("<HB8s7xQ", hardware[0], len(hardware[1]), hardware[1], len(payload))
        body += payload + b"\0" * (-len(payload) % 4)
        frame = struct.pack("<IHHII", 16 + len(body), 0x13, 0, 0, 0) + body
        peer = self.bound(protocol, queue.peer)
        if not peer or not peer.deliver(frame):
            queue.undelivered += 1
            return
        queue.entries[queue.next_id] = packet, hook, table, packet.route_key()
        queue.next_id += 1

    def bound(self, protocol, port):
        known = self.sockets.values()
        return next((s for s in known if s.protocol == protocol and s.port == port), None)

    def do_open(self, socket, protocol, bind):
        if protocol not in self.queues:
            return {"failed_at": "socket", "errno": EPROTONOSUPPORT, "port_id": None}
        port = 4000 + len(self.sockets) if bind == 0 else bind
        self.sockets[socket] = Socket(protocol, port)
        return {"failed_at": None, "errno": 0, "port_id": port}

    def do_close(self, socket):
        closed = self.sockets.pop(socket)
        if closed.port == self.queues[closed.protocol].peer:
            self.queues[closed.protocol].reset()

    def do_send(self, socket, hex):
        if len(hex) // 2 > 196608 - 32:
            return {"sent": -1, "errno": EMSGSIZE}
        self.message(self.sockets[socket], bytes.fromhex(hex))
        return {"sent": len(hex) // 2, "errno": 0}

    def do_recv(self, socket, size):
        seen = self.sockets[socket].receive()
        return {**seen, "hex": seen["hex"][:2 * size]} if "hex" in seen else seen

    def do_drain(self, socket):
        frames, packets, enobufs, seen = 0, 0, None, self.sockets[socket].receive()
        while seen["result"] != "nothing":
            enobufs = frames if seen["result"] == "error" and enobufs is None else enobufs
            frames += seen["result"] == "frame"
            packets += seen.get("hex", "")[8:12] == "1300"
            seen = self.sockets[socket].receive()
        return {"frames": frames, "packets": packets, "enobufs_before_frame": enobufs}

    def do_rcvbuf(self, socket, value):
        self.sockets[socket].buffer = max(min(value % (1 << 32), 1572864) * 2, 2048 + 192)
        return {"actual": self.sockets[socket].buffer}

    def do_no_enobufs(self, socket):
        self.sockets[socket].no_enobufs, self.sockets[socket].latched = True, False

    def do_inject(self, device, hex, count):
        if BREAK == "hang":
            time.sleep(3600)
        for _ in range(count):
            self.arrive(device, bytes.fromhex(hex))
        return {"errno": 0}

    def arrive(self, device, frame):
        """Takes a frame up, if it is for this host and well-formed (FWD-1, FWD-2)."""
        data, total = frame[14:], 0
        if frame[:6] == DEVICES[device][0] or frame[0] & 1:
            if frame[12:14] == b"\x08\x00" and len(data) >= 20 and 0x45 <= data[0] < 0x50:
                total = struct.unpack(">H", data[2:4])[0]
                size = (data[0] & 15) * 4
                total = 0 if total < size or checksum(data[:min(size, len(data))]) else total
            elif frame[12:14] == b"\x86\xdd" and len(data) >= 40 and data[0] >> 4 == 6:
                total = 40 + struct.unpack(">H", data[4:6])[0]
        if 0 < total <= len(data):
            packet = Packet(data[:total], device, frame[6:12], time.time())
            self.walk(packet, PREROUTING, 0)

    def do_output(self, device, hex):
        packet = Packet(bytes.fromhex(hex))
        packet.outdev = self.route(packet)
        self.walk(packet, OUTPUT, 0)

    def do_sniff(self, device):
        return {"hex": self.left[device].pop(0).hex() if self.left[device] else None}

    def do_proc(self, file):
        ipv4 = file == "ip_queue"
        last = "Netlink dropped" if ipv4 else "Netfilter dropped"
        return {"text": self.queues[3 if ipv4 else 13].text(last)}

    def do_sysctl(self, name, value):
        self.queues[3 if "ipv4" in name else 13].limit = int(value)

    def do_read_sysctl(self, name):
        return {"value": str(self.queues[3 if "ipv4" in name else 13].limit)}

    def do_net_admin(self, held):
        self.held = held


def answer(request, worlds):
    """The answer to one request, of which docs/world-protocol.md lists all."""
    kind = request["request"]
    if kind == "describe":
        machine = {"kernel": "3.4.10", "arch": "x86_64", "word_bytes": 8, "byte_order": "little"}
        return {"answer": "description", "protocol": 1, "implementation": "world.py",
                "machine": machine, "seed": None, "parallel": True}
    if kind == "capabilities":
        return {"answer": "capabilities", "capabilities": CAPABILITIES}
    if kind == "begin" and not request["process_id"]:
        worlds.append(World(request["rules"]))
        return {"answer": "begun"}
    if kind == "step":
        step = request["step"]
        operation = getattr(worlds[0], "do_" + step.pop("op"), None)
        if operation and step.get("to", None) is None:
            return {"answer": "seen", "seen": operation(**step) or {}}
    if kind == "end":
        return {"answer": "ended"}
    return {"answer": "error", "error": "unsupported", "what": "world.py has no such thing"}


known = []
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line), known)), flush=True)
