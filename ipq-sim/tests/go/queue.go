// Accepts every packet of ip_queue. Go's runtime makes its system calls itself, and the program is linked statically.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

const (
	queue   = 3
	mode    = 17
	verdict = 18
	packet  = 19
	request = 1
	header  = 16
	accept  = 1
)

// order is this machine's order of bytes: binary.NativeEndian takes Go 1.21.
var order = nativeOrder()

func nativeOrder() binary.ByteOrder {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "queue.go:", err)
		os.Exit(1)
	}
}

// message returns a message with so many bytes of body.
func message(kind uint16, body int, portID uint32) []byte {
	bytes := make([]byte, header+body)
	order.PutUint32(bytes, uint32(len(bytes)))
	order.PutUint16(bytes[4:], kind)
	order.PutUint16(bytes[6:], request)
	order.PutUint32(bytes[12:], portID)
	return bytes
}

func main() {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, queue)
	check(err)
	kernel := &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}
	check(syscall.Bind(fd, kernel))
	local, err := syscall.Getsockname(fd)
	check(err)
	portID := local.(*syscall.SockaddrNetlink).Pid

	whole := message(mode, 24, portID)
	whole[header] = 2
	check(syscall.Sendto(fd, whole, 0, kernel))
	buffer := make([]byte, 70000)
	for {
		length, _, err := syscall.Recvfrom(fd, buffer, 0)
		if err == syscall.EINTR {
			continue
		}
		check(err)
		if length == 0 {
			return
		}
		if order.Uint16(buffer[4:]) != packet {
			check(fmt.Errorf("a message of type %d came", order.Uint16(buffer[4:])))
		}
		answer := message(verdict, 24, portID)
		order.PutUint32(answer[header:], accept)
		copy(answer[header+8:header+16], buffer[header:])
		check(syscall.Sendto(fd, answer, 0, kernel))
	}
}
