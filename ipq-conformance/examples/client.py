#!/usr/bin/env python3
"""A small libipq in Python, as a client for the conformance suite:

    ipq-conformance run --client 'exec:python3 ipq-conformance/examples/client.py'

It keeps docs/client-protocol.md and needs nothing beside Python 3. It is no library for C, and says
so. To see findings, `--break NAME` breaks one rule; BREAKS lists the names.
"""
import errno
import json
import os
import select
import socket
import struct
import sys
import time

BREAKS = {
    "rubbish": "unused bytes of a request are not zero",
    "sequence": "requests are numbered",
    "cut-id": "of a packet id only 32 bits are sent",
    "forgets": "success clears the error number",
    "trusts": "datagrams of other programs are taken",
    "cuts": "a message that does not fit is returned as far as it fits",
    "negative": "the errno of a refusal is negative",
    "silent": "an overrun is not told",
    "waits": "a time-out never comes",
    "crashes": "a family that does not exist ends the program",
}
BREAK = sys.argv[2] if sys.argv[1:2] == ["--break"] else ""
if BREAK and BREAK not in BREAKS:
    sys.exit("there is nothing to break by the name %r; the names are: %s" % (BREAK, ", ".join(BREAKS)))

TEXTS = {
    0: "Unknown error", 3: "Unable to create netlink socket", 4: "Unable to bind netlink socket",
    6: "Failed to receive netlink message", 7: "Received EOF on netlink socket",
    10: "Received message truncated", 12: "Failed to send netlink message",
    14: "Receive buffer size invalid", 15: "Timeout", 16: "Invalid protocol specified",
}
EMULATOR = os.environ.get("IPQ_TRANSPORT", "").partition("unix:")[2]
OPEN, NOTICES, BIND = 1, 2, 3
OVERRUN, SENDER = 1, 2
HEADER, ERROR, MODE, VERDICT = 16, 2, 0x11, 0x12


class Failed(Exception):
    """A call that fails: its error number, and errno."""


def ask(kind, value, number):
    """Connects to the emulator, and asks it something. Returns the connection and the answer."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(EMULATOR)
    connection.send(struct.pack("<4sIIQ", b"ipq1", kind, value, number))
    _, refused, value, number, abi = struct.unpack("<4siIQI", connection.recv(24))
    return connection, refused, value, number, abi


class Handle:
    """An emulated netlink socket of a queue, bound to this process's id (LIB-1)."""

    def __init__(self, protocol):
        if protocol not in (2, 10):
            if BREAK == "crashes":
                os.abort()
            raise Failed(16, errno.EINVAL)
        queue = {2: 3, 10: 13}[protocol]
        self.frames, refused, self.longest, number, abi = ask(OPEN, queue, os.getpid())
        if refused:
            raise Failed(3, refused)
        self.notices = ask(NOTICES, 0, number)[0]
        self.notices.setblocking(False)
        _, refused, self.port, _, _ = ask(BIND, os.getpid(), number)
        if refused:
            raise Failed(4, refused)
        self.order = ">" if abi & 1 else "<"
        self.mode = self.order + ("B7xQ8x" if abi & 2 else "B3xI4x")
        self.verdict = self.order + ("I4xQQ" if abi & 2 else "III")
        self.sender, self.sequence = 0, 0

    def send(self, kind, body):
        """Sends one request, of the exact size, and returns how many bytes it has (LIB-2, LIB-11)."""
        self.sequence += BREAK == "sequence"
        header = (HEADER + len(body), kind, 1, self.sequence, self.port)
        message = struct.pack(self.order + "IHHII", *header) + body
        if len(message) > self.longest:
            raise Failed(12, errno.EMSGSIZE)
        try:
            return self.frames.send(message)
        except OSError as error:
            raise Failed(12, error.errno)

    def set_mode(self, mode, reach):
        body = struct.pack(self.mode, mode, reach)
        return self.send(MODE, body[:1] + b"\x5a" + body[2:] if BREAK == "rubbish" else body)

    def set_verdict(self, packet_id, verdict, length, payload):
        packet_id &= 0xffffffff if BREAK == "cut-id" else (1 << 64) - 1
        return self.send(VERDICT, struct.pack(self.verdict, verdict, packet_id, length) + payload)

    def overran(self):
        """Reads the notices so far: of overruns, and of who sends the frames that follow."""
        overran = False
        while True:
            try:
                notice = self.notices.recv(8)
            except BlockingIOError:
                notice = b""
            if len(notice) < 8:
                return overran and BREAK != "silent"
            kind, value = struct.unpack("<II", notice)
            overran = overran or kind == OVERRUN
            self.sender = value if kind == SENDER else self.sender

    def read(self, length, timeout):
        """Returns a datagram, or nothing if none comes in time (LIB-3)."""
        if length < HEADER + 4:
            raise Failed(14, errno.EINVAL)
        wait = None if timeout == 0 else max(timeout, 0) / 1e6
        if BREAK == "waits" and timeout > 0:
            time.sleep(3600)
        # The notice of an overrun comes before the frame that follows it, so it is looked for when
        # there is a frame.
        if not select.select([self.frames], [], [], wait)[0]:
            return None
        if self.overran():
            raise Failed(6, errno.ENOBUFS)
        data = self.frames.recv(self.longest + (1 << 16))
        if not data:
            raise Failed(7, 0)
        if self.sender and BREAK != "trusts":
            raise Failed(6, 0)
        stated = struct.unpack_from(self.order + "I", data)[0] if len(data) >= 4 else 0
        if BREAK != "cuts" and (len(data) > length or stated > len(data)):
            raise Failed(10, 0)
        return data[:length]


class Program:
    """The program with the library: its handles by number, its buffer, and its last error."""

    def __init__(self):
        self.handles, self.buffer, self.number, self.errors = [], b"", 0, {}

    def returned(self, handle, action):
        """Makes a call. Each handle has an error number, which success does not clear (LIB-12)."""
        answer = {"answer": "returned", "value": 0, "errno": 0}
        if BREAK == "forgets":
            self.errors[handle] = 0
        try:
            answer.update(action())
        except Failed as failed:
            self.errors[handle], answer["errno"] = failed.args
            answer["value"] = 0 if handle is None else -1
        if handle is None and answer["value"]:
            handle = answer["value"]
        if handle != "last":
            self.number = self.errors.get(handle, 0)
        answer["text"] = TEXTS[self.number]
        return answer

    def create(self, protocol):
        self.handles.append(Handle(protocol))
        return {"value": len(self.handles)}

    def destroy(self, number):
        handle = self.handles[number - 1]
        handle.frames.close()
        handle.notices.close()
        return {"value": 0}

    def read(self, number, length, timeout):
        data = self.handles[number - 1].read(length, timeout)
        if data is None:
            self.errors[number] = 15
            return {"value": 0}
        self.buffer = data
        return {"value": len(data), "hex": data.hex()}

    def call(self, request):
        """Makes the call of a request. None: this library has no such thing."""
        name, number = request["call"], request.get("handle", "last")
        if number == 0:
            return None
        handle = self.handles[number - 1] if number != "last" else None
        order = self.handles[0].order if self.handles else "<"
        if name == "ipq_create_handle":
            return self.returned(None, lambda: self.create(request["protocol"]))
        if name == "ipq_destroy_handle":
            return self.returned(number, lambda: self.destroy(number))
        if name == "ipq_set_mode":
            return self.returned(number, lambda: {"value": handle.set_mode(request["mode"], request["range"])})
        if name == "ipq_read":
            return self.returned(number, lambda: self.read(number, request["length"], request["timeout"]))
        if name == "ipq_set_verdict":
            verdict = (int(request["packet_id"], 16), request["verdict"], request["data_length"],
                       bytes.fromhex(request["hex"] or ""))
            return self.returned(number, lambda: {"value": handle.set_verdict(*verdict)})
        if name == "ipq_message_type":
            return self.returned("last", lambda: {"value": struct.unpack_from(order + "H", self.buffer, 4)[0]})
        if name == "ipq_get_packet":
            return self.returned("last", lambda: {"value": HEADER})
        if name == "ipq_get_msgerr":
            sign = 1 if BREAK == "negative" else -1
            refused = struct.unpack_from(order + "i", self.buffer, HEADER)[0]
            return self.returned("last", lambda: {"value": sign * refused})
        if name == "ipq_errstr":
            return self.returned("last", lambda: {})
        return None


def answer(request, program):
    """The answer to one request, of which docs/client-protocol.md lists all."""
    if request["request"] == "describe":
        return {"answer": "description", "protocol": 1, "implementation": "client.py", "c_library": False}
    if request["request"] == "call":
        missing = {"answer": "error", "error": "unsupported", "what": "client.py has no such thing"}
        return program.call(request) or missing
    return {"answer": "ended"}


known = Program()
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line), known)), flush=True)
