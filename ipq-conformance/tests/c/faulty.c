/*
 * A small libipq on a plain netlink socket, with one defect of choice: what the conformance suite has to find in a library.
 *
 * Written for these tests alone. Without a macro it has no defect that the suite knows of.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include <libipq.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#ifdef GLOBAL_ERROR_NUMBER
static int number;
#else
static __thread int number;
#endif

static const char *const texts[] = {
	"Unknown error", "Implementation error", "Unable to create netlink handle", "Unable to create netlink socket",
	"Unable to bind netlink socket", "Unable to allocate buffer", "Failed to receive netlink message",
	"Received EOF on netlink socket", "Invalid peer address length", "Sent message truncated",
	"Received message truncated", "Received error from netlink", "Failed to send netlink message",
	"Operation not supported", "Receive buffer size invalid",
#ifdef OTHER_TEXT
	"Timed out",
#else
	"Timeout",
#endif
	"Invalid protocol specified"
};

static int fail(int error)
{
	number = error;
	return -1;
}

struct ipq_handle *ipq_create_handle(__u32 flags, __u32 protocol)
{
	struct ipq_handle *h;
	int saved;

	(void)flags;
	if (protocol != 2 && protocol != 10) {
		fail(16);
		return NULL;
	}
	h = calloc(1, sizeof *h);
	if (h == NULL) {
		fail(2);
		return NULL;
	}
	h->fd = socket(AF_NETLINK, SOCK_RAW, protocol == 2 ? NETLINK_FIREWALL : NETLINK_IP6_FW);
	if (h->fd < 0) {
		free(h);
		fail(3);
		return NULL;
	}
	h->blocking = 1;
	h->local.nl_family = h->peer.nl_family = AF_NETLINK;
	h->local.nl_pid = getpid();
	if (bind(h->fd, (struct sockaddr *)&h->local, sizeof h->local) < 0) {
		saved = errno;
		close(h->fd);
		free(h);
		errno = saved;
		fail(4);
		return NULL;
	}
	return h;
}

int ipq_destroy_handle(struct ipq_handle *h)
{
#ifndef NULL_CRASHES
	if (h == NULL)
		return 0;
#endif
	close(h->fd);
	free(h);
	return 0;
}

/* What poll says, with a time in microseconds. */
static int wait_for(int fd, long microseconds)
{
	struct timespec time;
#ifdef SELECT_OVERRUNS
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	time.tv_sec = microseconds / 1000000;
	time.tv_nsec = microseconds % 1000000 * 1000;
	return pselect(fd + 1, &set, NULL, NULL, &time, NULL);
#else
	struct pollfd awaited = { fd, POLLIN, 0 };

	time.tv_sec = microseconds / 1000000;
	time.tv_nsec = microseconds % 1000000 * 1000;
	return ppoll(&awaited, 1, &time, NULL);
#endif
}

ssize_t ipq_read(const struct ipq_handle *h, unsigned char *buf, size_t len, int timeout)
{
	struct sockaddr_nl from = { 0 };
	socklen_t length = sizeof from;
	const struct nlmsghdr *header = (const struct nlmsghdr *)buf;
#ifdef SENDER_IS_KEPT
	struct sockaddr_nl *sender = (struct sockaddr_nl *)&h->peer;
#else
	struct sockaddr_nl *sender = &from;
#endif
	ssize_t got;
	int ready;

	(void)header;
#ifndef SMALL_BUFFER_TAKEN
	if (len < sizeof(struct nlmsgerr))
		return fail(14);
#endif
	if (h == NULL) {
		errno = EBADF;
		return fail(1);
	}
	if (timeout != 0) {
		ready = wait_for(h->fd, timeout < 0 ? 0 : timeout);
		if (ready < 0 && errno == EINTR)
#ifdef SIGNAL_IS_AN_ERROR
			return fail(6);
#else
			return 0;
#endif
		if (ready < 0)
			return fail(6);
		if (ready == 0) {
			number = 15;
#ifdef TIMEOUT_SETS_ERRNO
			errno = ETIMEDOUT;
#endif
#ifdef TIMEOUT_IS_AN_ERROR
			return -1;
#endif
			return 0;
		}
	}
#ifdef BUFFER_OVERRUNS
	len += 32;
#endif
	got = recvfrom(h->fd, buf, len, 0, (struct sockaddr *)sender, &length);
	if (got < 0)
		return fail(6);
	if (length != sizeof from)
		return fail(8);
#ifndef SENDER_UNSEEN
	if (sender->nl_pid != 0)
		return fail(6);
#endif
#ifndef EMPTY_DATAGRAM_TAKEN
	if (got == 0)
		return fail(7);
#endif
#ifdef HEADER_FLAG_IS_TRUNCATION
	if (header->nlmsg_flags & MSG_TRUNC)
		return fail(10);
#endif
#ifndef TRUNCATION_UNSEEN
	if (header->nlmsg_len > (size_t)got)
		return fail(10);
#endif
	return got;
}

/* Sends a header, a body, and a payload; returns the bytes sent. */
static int tell(const struct ipq_handle *h, int type, const void *body, size_t size, const void *data, size_t length)
{
	struct nlmsghdr header;
	struct iovec parts[3];
	struct msghdr message = { 0 };
	struct sockaddr_nl kernel = h->peer;
	ssize_t sent;

	memset(&header, 0, sizeof header);
	header.nlmsg_len = sizeof header + size + length;
	header.nlmsg_type = type;
	header.nlmsg_flags = NLM_F_REQUEST;
	header.nlmsg_pid = h->local.nl_pid;
#ifdef SEQUENCE_COUNTED
	header.nlmsg_seq = 1;
#endif
	parts[0].iov_base = &header;
	parts[0].iov_len = sizeof header;
	parts[1].iov_base = (void *)body;
	parts[1].iov_len = size;
	parts[2].iov_base = (void *)data;
	parts[2].iov_len = length;
	message.msg_name = &kernel;
	message.msg_namelen = sizeof kernel;
	message.msg_iov = parts;
	message.msg_iovlen = 3;
	sent = sendmsg(h->fd, &message, 0);
	if (sent < 0)
		return fail(12);
#ifdef SUCCESS_CLEARS
	number = 0;
#endif
#ifdef RETURNS_NOTHING
	return 0;
#endif
	return sent;
}

int ipq_set_mode(const struct ipq_handle *h, __u8 mode, size_t len)
{
#ifdef STACK_IS_SENT
	unsigned char body[sizeof(ipq_peer_msg_t) + sizeof(struct nlmsghdr)];
#else
	unsigned char body[sizeof(ipq_peer_msg_t)];
#endif
	ipq_peer_msg_t peer;

	if (h == NULL) {
		errno = EBADF;
		return fail(1);
	}
	memset(&peer, 0, sizeof peer);
	peer.msg.mode.value = mode;
	peer.msg.mode.range = len;
	memset(body, 0x5a, sizeof body);
	memcpy(body, &peer, sizeof peer);
	return tell(h, IPQM_MODE, body, sizeof body, NULL, 0);
}

int ipq_set_verdict(const struct ipq_handle *h, ipq_id_t id, unsigned int verdict, size_t data_len, unsigned char *buf)
{
	ipq_peer_msg_t peer;

	if (h == NULL) {
		errno = EBADF;
		return fail(1);
	}
	memset(&peer, 0, sizeof peer);
	peer.msg.verdict.value = verdict;
	peer.msg.verdict.id = id;
	peer.msg.verdict.data_len = data_len;
#ifdef LENGTH_NEEDS_PAYLOAD
	if (buf == NULL)
		peer.msg.verdict.data_len = 0;
#endif
	return tell(h, IPQM_VERDICT, &peer, sizeof peer, buf, buf == NULL ? 0 : data_len);
}

int ipq_message_type(const unsigned char *buf)
{
	return ((const struct nlmsghdr *)buf)->nlmsg_type;
}

ipq_packet_msg_t *ipq_get_packet(const unsigned char *buf)
{
	return (ipq_packet_msg_t *)(buf + sizeof(struct nlmsghdr));
}

int ipq_get_msgerr(const unsigned char *buf)
{
	const struct nlmsgerr *error = (const struct nlmsgerr *)(buf + sizeof(struct nlmsghdr));

#ifdef NEGATIVE_ERRORS
	return error->error;
#else
	return -error->error;
#endif
}

#ifndef NO_CTL
int ipq_ctl(const struct ipq_handle *h, int request, ...)
{
	(void)h;
	(void)request;
	return 1;
}
#endif

char *ipq_errstr(void)
{
	return (char *)texts[number];
}

void ipq_perror(const char *s)
{
	int saved = errno;

	fputs(s ? s : "ERROR", stderr);
	if (number != 0)
		fprintf(stderr, ": %s", ipq_errstr());
#ifndef ALWAYS_PRINTS_ERRNO
	if (saved != 0)
#endif
		fprintf(stderr, ": %s", strerror(saved));
	fputc('\n', stderr);
}
