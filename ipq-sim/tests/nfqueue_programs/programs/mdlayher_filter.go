// A filter of nfnetlink's queues on github.com/mdlayher/netlink, the library below go-nfqueue: `mdlayher_filter QUEUE`.
// It is linked statically, and Go's runtime makes the system calls itself.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"

	"github.com/mdlayher/netlink"
)

const (
	netlinkNetfilter = 12
	subsystemQueue   = 3 << 8

	messagePacket  = subsystemQueue | 0
	messageVerdict = subsystemQueue | 1
	messageConfig  = subsystemQueue | 2

	configCommand    = 1
	configParameters = 2
	configMaximum    = 3
	commandBind      = 1
	copyPacket       = 2

	attributePacketHeader  = 1
	attributeVerdictHeader = 2
	attributeMark          = 3
	attributePayload       = 10

	verdictDrop   = 0
	verdictAccept = 1

	generalHeader = 4
	unspecified   = 0
	inet          = 2
)

var big = binary.BigEndian

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "mdlayher_filter.go:", err)
		os.Exit(1)
	}
}

// words returns 32-bit numbers as their bytes on the wire.
func words(numbers ...uint32) []byte {
	bytes := make([]byte, 0, 4*len(numbers))
	for _, number := range numbers {
		bytes = big.AppendUint32(bytes, number)
	}
	return bytes
}

// message returns a message about a queue, with attributes.
func message(kind netlink.HeaderType, flags netlink.HeaderFlags, queue uint16, attributes ...netlink.Attribute) netlink.Message {
	body, err := netlink.MarshalAttributes(attributes)
	check(err)
	general := []byte{unspecified, 0, byte(queue >> 8), byte(queue)}
	return netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | flags},
		Data:   append(general, body...),
	}
}

func main() {
	number, err := strconv.ParseUint(os.Args[1], 10, 16)
	check(err)
	queue := uint16(number)
	conn, err := netlink.Dial(netlinkNetfilter, nil)
	check(err)
	for _, setting := range []netlink.Attribute{
		{Type: configCommand, Data: []byte{commandBind, 0, 0, inet}},
		{Type: configParameters, Data: append(words(0xffff), copyPacket)},
		{Type: configMaximum, Data: words(1024)},
	} {
		_, err = conn.Execute(message(messageConfig, netlink.Acknowledge, queue, setting))
		check(err)
	}
	for {
		messages, err := conn.Receive()
		check(err)
		for _, received := range messages {
			if received.Header.Type == messagePacket {
				_, err = conn.Send(message(messageVerdict, 0, queue, decide(received.Data)...))
				check(err)
			}
		}
	}
}

// decide returns the attributes of the verdict on a packet.
func decide(told []byte) []netlink.Attribute {
	attributes, err := netlink.UnmarshalAttributes(told[generalHeader:])
	check(err)
	var id uint32
	var packet []byte
	for _, attribute := range attributes {
		switch attribute.Type {
		case attributePacketHeader:
			id = big.Uint32(attribute.Data)
		case attributePayload:
			packet = attribute.Data
		}
	}
	verdict := func(kind uint32) netlink.Attribute {
		return netlink.Attribute{Type: attributeVerdictHeader, Data: words(kind, id)}
	}
	number := big.Uint32(packet[28:])
	switch number % 4 {
	case 0:
		return []netlink.Attribute{verdict(verdictDrop)}
	case 2:
		return []netlink.Attribute{verdict(verdictAccept), {Type: attributeMark, Data: words(number)}}
	case 3:
		packet[len(packet)-1] ^= 0xff
		return []netlink.Attribute{verdict(verdictAccept), {Type: attributePayload, Data: packet}}
	default:
		return []netlink.Attribute{verdict(verdictAccept)}
	}
}
