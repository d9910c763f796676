/* Drops every packet and sends an answer of its own by a raw socket: a UDP packet back to the sender, with the same payload.
 * argv[1] names the way in which it is sent. With a second argument, only packets of an odd number are answered, and the others
 * accepted. The number is the payload's one byte. */
#define _GNU_SOURCE
#include <libipq.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			_exit(1); \
		} \
	} while (0)

#define IP 20
#define UDP 8
#define LENGTH (IP + UDP + 1)
#define ETHERNET 14

static const char *way;
static int fd = -1;
static struct sockaddr_in to;
static struct sockaddr_ll device;
/* A frame, or a packet from its 14th byte on. */
static unsigned char frame[ETHERNET + LENGTH];
static unsigned char *const packet = frame + ETHERNET;

static int is(const char *name)
{
	return !strcmp(way, name);
}

static int makes_frames(void)
{
	return is("frame") || is("packet") || is("frame-low");
}

static void open_socket(void)
{
	static unsigned char too_long[300000];
	const int on = 1, mark = 7, room = 200000;
	int low;

	if (is("frame") || is("frame-low"))
		fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	else if (is("packet") || is("arp"))
		fd = socket(AF_PACKET, SOCK_DGRAM, htons(0x0800));
	else if (is("kernel") || is("kernel-low"))
		fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	else if (is("included"))
		fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_UDP);
	else
		fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	CHECK(fd >= 0);
	/* Where a program may have few descriptors it gets a low one. */
	CHECK(is("few") == (fd < 768));
	CHECK(!setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark));
	CHECK(!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5));
	device.sll_family = AF_PACKET;
	device.sll_protocol = htons(is("arp") ? 0x0806 : 0x0800);
	device.sll_ifindex = 2;
	device.sll_halen = 6;
	if (is("frame") || is("frame-low"))
		CHECK(!bind(fd, (struct sockaddr *)&device, sizeof device));
	if (is("included"))
		CHECK(!setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof on));
	/* Copies of the descriptor have numbers that are not watched. */
	if (is("low") || is("frame-low") || is("kernel-low") || is("long-low")) {
		low = dup(fd);
		CHECK(low >= 0 && low < 768 && !close(fd));
		fd = low;
	}
	/* More bytes than any packet has. */
	if (is("long-low")) {
		CHECK(!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room));
		CHECK(write(fd, too_long, sizeof too_long) == sizeof too_long);
	}
}

static unsigned int sum(const unsigned char *bytes, int length)
{
	unsigned int total = 0;
	int i;

	for (i = 0; i < length; i += 2)
		total += (unsigned int)bytes[i] << 8 | bytes[i + 1];
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total & 0xffff;
}

static void make(const unsigned char *question, int number)
{
	unsigned int checksum;

	memset(frame, 0, sizeof frame);
	frame[12] = 8;
	packet[0] = 0x45;
	packet[8] = 64;
	packet[9] = IPPROTO_UDP;
	memcpy(packet + 12, question + 16, 4);
	memcpy(packet + 16, question + 12, 4);
	memcpy(packet + IP, question + IP + 2, 2);
	memcpy(packet + IP + 2, question + IP, 2);
	packet[IP + 5] = UDP + 1;
	packet[IP + UDP] = (unsigned char)number;
	to.sin_family = AF_INET;
	memcpy(&to.sin_addr, packet + 16, 4);
	/* Below IP no kernel fills anything in. */
	if (makes_frames()) {
		packet[3] = LENGTH;
		packet[5] = (unsigned char)(number + 1);
		checksum = sum(packet, IP);
		packet[10] = (unsigned char)(checksum >> 8);
		packet[11] = (unsigned char)checksum;
	}
}

static int send_it(void)
{
	struct iovec parts[2], one;
	struct msghdr message;
	struct mmsghdr messages[2];
	struct sockaddr_in self;

	parts[0].iov_base = packet;
	parts[0].iov_len = IP;
	parts[1].iov_base = packet + IP;
	parts[1].iov_len = UDP + 1;
	memset(&message, 0, sizeof message);
	message.msg_iov = parts;
	message.msg_iovlen = 2;
	if (is("frame") || is("frame-low"))
		return send(fd, frame, sizeof frame, 0) == sizeof frame;
	if (is("packet") || is("arp"))
		return sendto(fd, packet, LENGTH, 0, (struct sockaddr *)&device, sizeof device) == LENGTH;
	if (is("kernel") || is("kernel-low")) {
		memset(&self, 0, sizeof self);
		self.sin_family = AF_INET;
		memcpy(&self.sin_addr, packet + 12, 4);
		CHECK(!bind(fd, (struct sockaddr *)&self, sizeof self));
		return sendto(fd, packet + IP, UDP + 1, 0, (struct sockaddr *)&to, sizeof to) == UDP + 1;
	}
	if (is("sendmsg")) {
		message.msg_name = &to;
		message.msg_namelen = sizeof to;
		return sendmsg(fd, &message, MSG_NOSIGNAL) == LENGTH;
	}
	if (is("sendto") || is("child") || is("low") || is("long-low") || is("few") || is("at-end"))
		return sendto(fd, packet, LENGTH, 0, (struct sockaddr *)&to, sizeof to) == LENGTH;
	CHECK(!connect(fd, (struct sockaddr *)&to, sizeof to));
	if (is("included"))
		return send(fd, packet, LENGTH, MSG_DONTWAIT) == LENGTH;
	if (is("write"))
		return write(fd, packet, LENGTH) == LENGTH;
	if (is("writev"))
		return writev(fd, parts, 2) == LENGTH;
	if (is("sendmmsg")) {
		/* The second one is too short to be sent. */
		one.iov_base = packet;
		one.iov_len = 7;
		memset(messages, 0, sizeof messages);
		messages[0].msg_hdr = messages[1].msg_hdr = message;
		messages[1].msg_hdr.msg_iov = &one;
		messages[1].msg_hdr.msg_iovlen = 1;
		return sendmmsg(fd, messages, 2, 0) == 1 && messages[0].msg_len == LENGTH;
	}
	fprintf(stderr, "there is no way %s\n", way);
	return 0;
}

static void on_term(int signal)
{
	(void)signal;
	_exit(!send_it());
}

static void answer(const unsigned char *question, int number)
{
	struct pollfd ready;
	int status;
	pid_t child;

	if (fd < 0)
		open_socket();
	make(question, number);
	if (is("at-end")) {
		CHECK(signal(SIGTERM, on_term) != SIG_ERR);
		return;
	}
	ready.fd = fd;
	ready.events = POLLOUT | POLLIN;
	CHECK(poll(&ready, 1, -1) == 1 && ready.revents == POLLOUT);
	if (!is("child")) {
		CHECK(send_it());
		return;
	}
	child = fork();
	CHECK(child >= 0);
	if (!child)
		_exit(!send_it());
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv)
{
	static unsigned char buf[70000];
	struct ipq_handle *h = ipq_create_handle(0, PF_INET);

	CHECK(argc > 1);
	way = argv[1];
	CHECK(h && ipq_set_mode(h, IPQ_COPY_PACKET, 0) > 0);
	while (ipq_read(h, buf, sizeof buf, 0) > 0) {
		ipq_packet_msg_t *m = ipq_get_packet(buf);
		const unsigned char *question = (const unsigned char *)m + sizeof *m;
		int number, is_accepted;

		CHECK(ipq_message_type(buf) == IPQM_PACKET && m->data_len == LENGTH);
		number = question[IP + UDP];
		is_accepted = argc > 2 && number % 2 == 0;
		if (!is_accepted)
			answer(question, number);
		CHECK(ipq_set_verdict(h, m->packet_id, is_accepted ? NF_ACCEPT : NF_DROP, 0, NULL) > 0);
	}
	ipq_perror("answer");
	return 1;
}
