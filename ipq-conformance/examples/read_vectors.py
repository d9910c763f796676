#!/usr/bin/env python3
"""Reads every frame of fixtures/vectors/frames.jsonl by the layouts of protocol.md, and compares."""
import json
import struct
import sys


def read(data, word, order):
    if len(data) < 16:
        return None, "no_header"
    names = "length", "type", "flags", "sequence", "port_id"
    header = dict(zip(names, struct.unpack(order + "IHHII", data[:16])))
    if not 16 <= header["length"] <= len(data):
        return header, "header_length"
    return header, message(data[16:header["length"]], header["type"], word, order)


def message(body, kind, word, order):
    fixed = {2: 20, 0x11: 3 * word, 0x12: 3 * word, 0x13: 6 * word + 48}.get(kind, 0)
    number, signed = ("Q", "q") if word == 8 else ("I", "i")
    if len(body) < fixed:
        return "body_too_short"
    if kind == 2:
        return dict(kind="error", error=struct.unpack(order + "i", body[:4])[0], quoted=body[4:].hex())
    if kind == 0x11:
        value, reach = struct.unpack(order + "B%dx" % (word - 1) + number, body[:2 * word])
        return dict(kind="mode", value=value, range=str(reach))
    if kind == 0x12:
        value, *ends = struct.unpack(order + "I%dx" % (word - 4) + 2 * number, body[:fixed])
        return dict(zip(["packet_id", "data_len"], map(str, ends)), kind="verdict", value=value, following=body[fixed:].hex())
    if kind != 0x13:
        return dict(kind="unknown", body=body.hex())
    form = order + 2 * number + 2 * signed + "I16s16s2sHB8s%dx" % (word - 1) + number
    *words, hook, indev, outdev, ether, device, size, address, length = struct.unpack(form, body[:fixed])
    if size > 8 or length > len(body) - fixed:
        return "hardware_address" if size > 8 else "payload_cut"
    words = zip(["packet_id", "mark", "timestamp_sec", "timestamp_usec"], map(str, words))
    indev, outdev = (name.split(b"\0")[0].hex() for name in (indev, outdev))
    return dict(words, kind="packet", hook=hook, indev_name=indev, outdev_name=outdev, hw_type=device, hw_addr=address[:size].hex(),
                hw_protocol=int.from_bytes(ether, "big"), payload=body[fixed:fixed + length].hex())


lines = [json.loads(line) for line in open(sys.argv[1])]
for line in lines:
    order = {"little": "<", "big": ">"}[line["byte_order"]]
    meaning = read(bytes.fromhex(line["hex"]), line["word_bytes"], order)
    assert meaning == (line.get("header"), line.get("message", line.get("refused"))), (line, meaning)
print(len(lines), "frames read")
