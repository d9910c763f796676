/* Fails to compile if a size or an offset is not what LAYOUT_… says. */
#include <libipq.h>
#include <stddef.h>

#define CHECK(name, condition) typedef char name[(condition) ? 1 : -1] __attribute__((unused))
#define OFFSET(name, type, field, lp64, ilp32) CHECK(name, offsetof(type, field) == (sizeof(long) == 8 ? (lp64) : (ilp32)))
#define SIZE(name, type, lp64, ilp32) CHECK(name, sizeof(type) == (sizeof(long) == 8 ? (lp64) : (ilp32)))

CHECK(size_of_packet, sizeof(ipq_packet_msg_t) == PACKET_BYTES);
CHECK(size_of_request, sizeof(ipq_peer_msg_t) == REQUEST_BYTES);
CHECK(size_of_verdict, sizeof(ipq_verdict_msg_t) == REQUEST_BYTES);
SIZE(size_of_mode, ipq_mode_msg_t, 16, 8);
OFFSET(packet_id, ipq_packet_msg_t, packet_id, 0, 0);
OFFSET(mark, ipq_packet_msg_t, mark, 8, 4);
OFFSET(timestamp_sec, ipq_packet_msg_t, timestamp_sec, 16, 8);
OFFSET(timestamp_usec, ipq_packet_msg_t, timestamp_usec, 24, 12);
OFFSET(hook, ipq_packet_msg_t, hook, 32, 16);
OFFSET(indev_name, ipq_packet_msg_t, indev_name, 36, 20);
OFFSET(outdev_name, ipq_packet_msg_t, outdev_name, 52, 36);
OFFSET(hw_protocol, ipq_packet_msg_t, hw_protocol, 68, 52);
OFFSET(hw_type, ipq_packet_msg_t, hw_type, 70, 54);
OFFSET(hw_addrlen, ipq_packet_msg_t, hw_addrlen, 72, 56);
OFFSET(hw_addr, ipq_packet_msg_t, hw_addr, 73, 57);
OFFSET(data_len, ipq_packet_msg_t, data_len, 88, 68);
OFFSET(payload, ipq_packet_msg_t, payload, 96, 72);
OFFSET(mode_range, ipq_mode_msg_t, range, 8, 4);
OFFSET(verdict_id, ipq_verdict_msg_t, id, 8, 4);
OFFSET(verdict_data_len, ipq_verdict_msg_t, data_len, 16, 8);
OFFSET(verdict_payload, ipq_verdict_msg_t, payload, 24, 12);
SIZE(size_of_handle, struct ipq_handle, 32, 32);
OFFSET(handle_fd, struct ipq_handle, fd, 0, 0);
OFFSET(handle_blocking, struct ipq_handle, blocking, 4, 4);
OFFSET(handle_local, struct ipq_handle, local, 8, 8);
OFFSET(handle_peer, struct ipq_handle, peer, 20, 20);
