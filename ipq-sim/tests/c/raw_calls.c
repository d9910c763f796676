/* Says what calls on raw sockets return: a line each. The same lines come from a kernel, run as root of a network namespace whose
 * loopback device is up. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36
#endif

static void say(const char *what, long value)
{
	if (value < 0)
		printf("%s: error %d\n", what, errno);
	else
		printf("%s: %ld\n", what, value);
}

#define SAY(call) say(#call, (long)(call))
#define OPENS(...) opens(#__VA_ARGS__, socket(__VA_ARGS__))

static void opens(const char *what, int fd)
{
	say(what, fd < 0 ? -1 : 0);
	close(fd);
}

static int option(int fd, int level, int name)
{
	int value = -7;
	socklen_t length = sizeof value;

	return getsockopt(fd, level, name, &value, &length) ? -1 : value;
}

static void *volatile nowhere = (void *)8;
static unsigned char bytes[70000];

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value);
}

static void ipv4(void)
{
	struct sockaddr_in to, address;
	struct sockaddr *const peer = (struct sockaddr *)&to;
	socklen_t length = sizeof address;
	struct iovec part = { nowhere, 20 };
	struct msghdr message;
	struct mmsghdr messages[2];
	struct pollfd ready;
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), udp = socket(AF_INET, SOCK_RAW, 253);

	memset(&to, 0, sizeof to);
	to.sin_family = AF_INET;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(&message, 0, sizeof message);
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	memset(messages, 0, sizeof messages);
	messages[0].msg_hdr.msg_name = messages[1].msg_hdr.msg_name = &to;
	messages[0].msg_hdr.msg_namelen = messages[1].msg_hdr.msg_namelen = sizeof to;
	messages[1].msg_hdr.msg_iov = &part;
	messages[1].msg_hdr.msg_iovlen = 1;
	memset(bytes, 0, sizeof bytes);
	bytes[0] = 0x45;
	bytes[9] = 253;
	memcpy(bytes + 16, &to.sin_addr, 4);

	OPENS(AF_INET, SOCK_RAW, 0);
	OPENS(AF_INET, SOCK_RAW, 300);
	OPENS(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 262);
	SAY(send(raw, bytes, 20, 0));
	SAY(sendto(raw, bytes, 20, 0, peer, sizeof to));
	SAY(sendto(raw, bytes, 20, MSG_OOB, peer, sizeof to));
	SAY(sendto(raw, bytes, 19, 0, peer, sizeof to));
	SAY(sendto(raw, bytes, 0, 0, peer, sizeof to));
	SAY(sendto(raw, bytes, 65536, 0, peer, sizeof to));
	SAY(sendto(raw, bytes, 20, 0, peer, 15));
	SAY(sendto(raw, bytes, 20, 0, peer, 129));
	SAY(sendto(raw, bytes, 20, 0, peer, -1));
	SAY(sendto(raw, bytes, 20, 0, nowhere, sizeof to));
	SAY(sendto(raw, nowhere, 20, 0, peer, sizeof to));
	SAY(sendmsg(raw, nowhere, 0));
	message.msg_name = &to;
	message.msg_namelen = sizeof to;
	SAY(sendmsg(raw, &message, 0));
	message.msg_iov = nowhere;
	SAY(sendmsg(raw, &message, 0));
	message.msg_iovlen = 1025;
	SAY(sendmsg(raw, &message, 0));
	SAY(sendmmsg(raw, nowhere, 1, 0));
	SAY(sendmmsg(raw, messages, 0, 0));
	SAY(sendmmsg(raw, messages, 2, 0));
	SAY(sendmmsg(udp, messages, 2, 0));
	SAY(messages[0].msg_len);
	bytes[0] = 0x44;
	SAY(sendto(raw, bytes, 20, 0, peer, sizeof to));
	bytes[0] = 0x4f;
	SAY(sendto(raw, bytes, 20, 0, peer, sizeof to));
	bytes[0] = 0x45;
	to.sin_family = AF_INET6;
	SAY(sendto(raw, bytes, 20, 0, peer, sizeof to));
	SAY(connect(raw, peer, sizeof to));
	to.sin_family = AF_INET;
	SAY(write(raw, bytes, 20));
	SAY(connect(raw, peer, 15));
	SAY(connect(raw, nowhere, sizeof to));
	SAY(getpeername(raw, (struct sockaddr *)&address, &length));
	SAY(getsockname(raw, (struct sockaddr *)&address, &length));
	SAY(length);
	SAY(ntohs(address.sin_port));
	SAY(connect(raw, peer, sizeof to));
	SAY(write(raw, bytes, 20));
	SAY(write(raw, bytes, 19));
	SAY(write(raw, nowhere, 20));
	SAY(writev(raw, nowhere, 1025));
	SAY(writev(raw, nowhere, 1024));
	SAY(send(raw, bytes, 20, MSG_OOB));
	to.sin_family = AF_UNSPEC;
	SAY(connect(raw, peer, sizeof to));
	to.sin_family = AF_INET;
	SAY(write(raw, bytes, 20));
	SAY(bind(raw, peer, sizeof to));
	SAY(bind(raw, peer, 15));
	SAY(getsockname(raw, (struct sockaddr *)&address, nowhere));
	SAY(getsockname(raw, nowhere, &length));

	SAY(sendto(udp, bytes, 0, 0, peer, sizeof to));
	SAY(sendto(udp, bytes, 65515, 0, peer, sizeof to));
	SAY(sendto(udp, bytes, 65516, 0, peer, sizeof to));
	SAY(option(raw, IPPROTO_IP, IP_HDRINCL));
	SAY(option(udp, IPPROTO_IP, IP_HDRINCL));
	SAY(set(udp, IPPROTO_IP, IP_HDRINCL, 5));
	SAY(option(udp, IPPROTO_IP, IP_HDRINCL));
	SAY(sendto(udp, bytes, 19, 0, peer, sizeof to));
	SAY(setsockopt(udp, IPPROTO_IP, IP_HDRINCL, "", 1));
	SAY(option(udp, IPPROTO_IP, IP_HDRINCL));
	SAY(setsockopt(udp, IPPROTO_IP, IP_HDRINCL, nowhere, 4));
	SAY(setsockopt(udp, IPPROTO_IP, IP_HDRINCL, bytes, -1));
	SAY(set(udp, IPPROTO_IP, IP_TTL, 0));
	SAY(set(udp, IPPROTO_IP, IP_TTL, 256));
	SAY(set(udp, IPPROTO_IP, IP_TTL, 33));
	SAY(option(udp, IPPROTO_IP, IP_TTL));
	SAY(option(raw, IPPROTO_IP, IP_TTL));
	SAY(set(udp, IPPROTO_IP, IP_TTL, -1));
	SAY(set(udp, IPPROTO_IP, IP_TTL, -2));
	SAY(setsockopt(udp, IPPROTO_IP, IP_TTL, "", 0));
	SAY(option(udp, IPPROTO_IP, IP_TTL));
	SAY(set(udp, IPPROTO_IP, IP_MULTICAST_TTL, 256));
	SAY(set(udp, IPPROTO_IP, IP_MULTICAST_TTL, -2));
	SAY(setsockopt(udp, IPPROTO_IP, IP_MULTICAST_TTL, "", 0));
	SAY(option(udp, IPPROTO_IP, IP_MULTICAST_TTL));
	SAY(set(udp, IPPROTO_IP, IP_MULTICAST_TTL, 0));
	SAY(option(udp, IPPROTO_IP, IP_MULTICAST_TTL));
	SAY(setsockopt(udp, IPPROTO_IP, IP_MULTICAST_TTL, "\xff", 1));
	SAY(option(udp, IPPROTO_IP, IP_MULTICAST_TTL));
	SAY(set(udp, IPPROTO_IP, IP_MULTICAST_TTL, -1));
	SAY(option(udp, IPPROTO_IP, IP_MULTICAST_TTL));
	SAY(set(udp, IPPROTO_IP, IP_TOS, 16));
	SAY(option(udp, IPPROTO_IP, IP_TOS));
	SAY(set(udp, IPPROTO_IP, IP_MTU_DISCOVER, 9));
	SAY(set(udp, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT));
	SAY(set(udp, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1));
	SAY(option(raw, SOL_SOCKET, SO_TYPE));
	SAY(option(raw, SOL_SOCKET, SO_DOMAIN));
	SAY(option(raw, SOL_SOCKET, SO_PROTOCOL));
	SAY(option(raw, SOL_SOCKET, SO_BROADCAST));
	to.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	SAY(set(raw, SOL_SOCKET, SO_BROADCAST, 4));
	SAY(option(raw, SOL_SOCKET, SO_BROADCAST));
	SAY(setsockopt(raw, SOL_SOCKET, SO_MARK, bytes, 3));
	SAY(option(raw, SOL_SOCKET, SO_MARK));
	SAY(option(raw, SOL_SOCKET, SO_ERROR));
	ready.fd = raw;
	ready.events = POLLIN | POLLOUT;
	SAY(poll(&ready, 1, 0));
	SAY(ready.revents);
	SAY(recv(raw, bytes, sizeof bytes, MSG_DONTWAIT));
	close(raw);
	close(udp);
}

static void ipv6(void)
{
	struct sockaddr_in6 to, address;
	struct sockaddr *const peer = (struct sockaddr *)&to;
	socklen_t length = sizeof address;
	int raw = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW), other = socket(AF_INET6, SOCK_RAW, 253);
	int icmp = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);

	memset(&to, 0, sizeof to);
	to.sin6_family = AF_INET6;
	to.sin6_addr = in6addr_loopback;
	memset(bytes, 0, sizeof bytes);
	bytes[0] = 0x60;
	bytes[6] = 59;
	memcpy(bytes + 8, &to.sin6_addr, 16);
	memcpy(bytes + 24, &to.sin6_addr, 16);

	OPENS(AF_INET6, SOCK_RAW, 0);
	OPENS(AF_INET6, SOCK_RAW, 263);
	SAY(send(raw, bytes, 40, 0));
	SAY(sendto(raw, bytes, 40, 0, peer, sizeof to));
	SAY(sendto(raw, bytes, 39, 0, peer, sizeof to));
	SAY(sendto(raw, bytes, 40, 0, peer, 23));
	SAY(sendto(raw, bytes, 40, 0, peer, 24));
	SAY(sendto(raw, nowhere, 40, 0, peer, sizeof to));
	to.sin6_port = htons(6);
	SAY(sendto(raw, bytes, 40, 0, peer, sizeof to));
	SAY(sendto(other, bytes, 40, 0, peer, sizeof to));
	to.sin6_port = htons(300);
	SAY(sendto(raw, bytes, 40, 0, peer, sizeof to));
	to.sin6_port = 0;
	to.sin6_family = AF_INET;
	SAY(sendto(raw, bytes, 40, 0, peer, sizeof to));
	SAY(bind(other, peer, sizeof to));
	to.sin6_family = AF_INET6;
	SAY(bind(other, peer, 23));
	SAY(bind(other, peer, sizeof to));
	SAY(connect(other, peer, 23));
	SAY(connect(other, peer, sizeof to));
	SAY(write(other, bytes, 0));
	SAY(write(other, bytes, 9));
	SAY(getpeername(other, (struct sockaddr *)&address, &length));
	SAY(getsockname(other, (struct sockaddr *)&address, &length));
	SAY(length);
	SAY(ntohs(address.sin6_port));
	SAY(sendto(icmp, bytes, 8, 0, peer, sizeof to));
	SAY(sendto(icmp, bytes, 3, 0, peer, sizeof to));
	SAY(set(icmp, IPPROTO_IPV6, IPV6_CHECKSUM, 4));
	SAY(set(other, IPPROTO_IPV6, IPV6_CHECKSUM, 3));
	SAY(option(other, IPPROTO_IPV6, IPV6_CHECKSUM));
	SAY(set(other, IPPROTO_IPV6, IPV6_CHECKSUM, 4));
	SAY(option(other, IPPROTO_IPV6, IPV6_CHECKSUM));
	SAY(write(other, bytes, 5));
	SAY(write(other, bytes, 6));
	SAY(option(raw, IPPROTO_IPV6, IPV6_HDRINCL));
	SAY(option(other, IPPROTO_IPV6, IPV6_HDRINCL));
	SAY(option(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
	SAY(set(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256));
	SAY(set(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9));
	SAY(option(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
	SAY(set(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS, -2));
	SAY(set(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0));
	SAY(option(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
	SAY(setsockopt(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS, "\7", 1));
	SAY(set(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1));
	SAY(option(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
	SAY(set(other, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 256));
	SAY(set(other, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, -2));
	SAY(setsockopt(other, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, "\7", 1));
	SAY(option(other, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
	SAY(set(other, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255));
	SAY(option(other, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
	SAY(set(other, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, -1));
	SAY(option(other, IPPROTO_IPV6, IPV6_MULTICAST_HOPS));
	SAY(set(other, IPPROTO_IPV6, IPV6_TCLASS, 256));
	SAY(set(other, IPPROTO_IPV6, IPV6_TCLASS, -2));
	SAY(setsockopt(other, IPPROTO_IPV6, IPV6_TCLASS, "\7", 1));
	SAY(set(other, IPPROTO_IPV6, IPV6_HDRINCL, 1));
	SAY(write(other, bytes, 9));
	SAY(option(raw, SOL_SOCKET, SO_DOMAIN));
	close(raw);
	close(other);
	close(icmp);
}

static void frames(void)
{
	struct sockaddr_ll to, address;
	struct sockaddr *const peer = (struct sockaddr *)&to;
	socklen_t length = sizeof address;
	int frame = socket(AF_PACKET, SOCK_RAW, 0), packet = socket(AF_PACKET, SOCK_DGRAM, 0);

	memset(&to, 0, sizeof to);
	to.sll_family = AF_PACKET;
	to.sll_protocol = htons(0x0800);
	to.sll_ifindex = 1;
	to.sll_halen = 6;
	memset(bytes, 0, sizeof bytes);
	bytes[12] = 8;
	bytes[14] = 0x45;

	OPENS(AF_PACKET, SOCK_STREAM, 0);
	OPENS(AF_PACKET, SOCK_SEQPACKET, 0);
	SAY(getsockname(frame, (struct sockaddr *)&address, &length));
	SAY(length);
	SAY(address.sll_halen);
	SAY(send(frame, bytes, 34, 0));
	SAY(sendto(frame, bytes, 34, 0, peer, sizeof to));
	SAY(sendto(frame, bytes, 13, 0, peer, sizeof to));
	SAY(sendto(frame, bytes, 34, 0, peer, 19));
	SAY(sendto(frame, nowhere, 34, 0, peer, sizeof to));
	SAY(sendto(frame, bytes, 34, 0, nowhere, sizeof to));
	to.sll_halen = 9;
	SAY(sendto(frame, bytes, 34, 0, peer, sizeof to));
	to.sll_halen = 6;
	to.sll_ifindex = 0;
	SAY(sendto(frame, bytes, 34, 0, peer, sizeof to));
	to.sll_ifindex = 1;
	SAY(sendto(packet, bytes + 14, 20, 0, peer, sizeof to));
	SAY(send(packet, bytes + 14, 20, 0));
	SAY(connect(frame, peer, sizeof to));
	SAY(getpeername(frame, peer, nowhere));
	SAY(bind(frame, peer, 19));
	SAY(bind(frame, peer, sizeof to));
	SAY(getsockname(frame, (struct sockaddr *)&address, &length));
	SAY(length);
	SAY(address.sll_halen);
	SAY(ntohs(address.sll_protocol));
	SAY(address.sll_ifindex);
	SAY(write(frame, bytes, 34));
	SAY(option(packet, SOL_SOCKET, SO_TYPE));
	SAY(option(packet, SOL_SOCKET, SO_DOMAIN));
	SAY(set(frame, IPPROTO_IP, IP_HDRINCL, 1));
	SAY(set(frame, SOL_PACKET, PACKET_QDISC_BYPASS, 1));
	close(frame);
	close(packet);
}

int main(void)
{
	ipv4();
	ipv6();
	frames();
	return 0;
}
