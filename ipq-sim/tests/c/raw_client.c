/* A client with its own small libipq-like code on a raw netlink socket. Its last packet is left without a verdict. */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <linux/netfilter_ipv4/ip_queue.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PACKETS 10
#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			exit(1); \
		} \
	} while (0)

static int fd;
static struct sockaddr_nl kernel;

/* The kernel's own list of who listens, which programs search for themselves. */
static int listener(void)
{
	char text[512] = "";
	FILE *file = fopen("/proc/net/ip_queue", "r");
	/* Not known to the compiler, so that it checks in a variant of the call where it is asked for that. */
	volatile int how = O_RDONLY;
	int process = -1, again = open("/proc/net/ip_queue", how);
	ssize_t length;

	CHECK(file != NULL && fscanf(file, "Peer PID : %d", &process) == 1 && fclose(file) == 0);
	length = read(again, text, sizeof text - 1);
	CHECK(length > 0 && strstr(text, "\nQueue length      : ") != NULL && close(again) == 0);
	CHECK(access("/proc/net/ip_queue", R_OK) == 0 && access("/proc/net/ip_que", F_OK) == -1);
	return process;
}

static void request(int type, const ipq_peer_msg_t *message)
{
	struct nlmsghdr header;
	struct iovec parts[2];
	struct msghdr whole;

	memset(&header, 0, sizeof header);
	header.nlmsg_len = NLMSG_LENGTH(sizeof *message);
	header.nlmsg_type = (unsigned short)type;
	header.nlmsg_flags = NLM_F_REQUEST;
	header.nlmsg_pid = (unsigned int)getpid();
	parts[0].iov_base = &header;
	parts[0].iov_len = sizeof header;
	parts[1].iov_base = (void *)message;
	parts[1].iov_len = sizeof *message;
	memset(&whole, 0, sizeof whole);
	whole.msg_name = &kernel;
	whole.msg_namelen = sizeof kernel;
	whole.msg_iov = parts;
	whole.msg_iovlen = 2;
	CHECK(sendmsg(fd, &whole, 0) == (ssize_t)header.nlmsg_len);
}

int main(void)
{
	static unsigned char buf[70000];
	struct sockaddr_nl local, from;
	socklen_t length = sizeof local;
	ipq_peer_msg_t message;
	int value = 4096, number, other;

	kernel.nl_family = AF_NETLINK;
	memset(&local, 0, sizeof local);
	local.nl_family = AF_NETLINK;
	local.nl_pid = (unsigned int)getpid();
	fd = socket(AF_NETLINK, SOCK_RAW, 3);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof local) == 0);
	memset(&local, 0, sizeof local);
	CHECK(getsockname(fd, (struct sockaddr *)&local, &length) == 0 && local.nl_pid == (unsigned int)getpid());
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value) == 0);
	length = sizeof value;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &length) == 0 && value == 8192);
	CHECK(getsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &value, &length) == 0 && value == 0);
	value = 5;
	CHECK(setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &value, sizeof value) == 0);
	CHECK(getsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &value, &length) == 0 && value == 1);
	other = socket(AF_NETLINK, SOCK_RAW, 3);
	CHECK(bind(other, (struct sockaddr *)&local, sizeof local) == -1 && errno == EADDRINUSE);
	CHECK(close(other) == 0);

	memset(&message, 0, sizeof message);
	message.msg.mode.value = IPQ_COPY_PACKET;
	CHECK(listener() == 0);
	request(IPQM_MODE, &message);
	CHECK(listener() == getpid());
	for (number = 0; number < PACKETS; number++) {
		struct pollfd readable = {0, POLLIN, 0};
		ipq_packet_msg_t *packet = NLMSG_DATA((struct nlmsghdr *)buf);
		ssize_t peeked, bytes;

		readable.fd = fd;
		CHECK(poll(&readable, 1, 5000) == 1);
		peeked = recvfrom(fd, buf, sizeof buf, MSG_PEEK, NULL, NULL);
		length = sizeof from;
		bytes = recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &length);
		CHECK(bytes > 0 && bytes == peeked && length == sizeof from);
		CHECK(from.nl_family == AF_NETLINK && from.nl_pid == 0);
		CHECK(((struct nlmsghdr *)buf)->nlmsg_type == IPQM_PACKET);
		if (number + 1 == PACKETS)
			break;
		memset(&message, 0, sizeof message);
		message.msg.verdict.value = 1;
		message.msg.verdict.id = packet->packet_id;
		request(IPQM_VERDICT, &message);
	}
	CHECK(recv(fd, buf, sizeof buf, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	kernel.nl_pid = 1;
	CHECK(sendto(fd, buf, 40, 0, (struct sockaddr *)&kernel, sizeof kernel) == -1 && errno == ECONNREFUSED);
	CHECK(send(fd, buf, 0, 0) == 0 && recv(fd, buf, sizeof buf, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	other = open("/dev/null", O_RDWR);
	CHECK(close(other) == 0 && fopen("/proc/net/ip_queue", "?") == NULL && errno == EINVAL);
	CHECK(open("/dev/null", O_RDWR) == other);
	length = sizeof local;
	CHECK(dup3(other, fd, O_APPEND) == -1 && errno == EINVAL);
	CHECK(getsockname(fd, (struct sockaddr *)&local, &length) == 0 && local.nl_pid == (unsigned int)getpid());
	CHECK(dup2(other, fd) == fd && getsockname(fd, (struct sockaddr *)&local, &length) == -1 && errno == ENOTSOCK);
	CHECK(close(other) == 0 && close(fd) == 0);
	return 0;
}
