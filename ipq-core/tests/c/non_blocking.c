/*
 * Makes the descriptor non-blocking, as programs did that wait with select() or epoll. With time-out 0 a read of an idle queue must then
 * fail with EAGAIN at once, as recvfrom() does. Lets packets through that come meanwhile. Ends with 0 if all went so.
 */
#include <libipq.h>
#include <stdio.h>
#include <string.h>

static unsigned char buf[70000];

static int wrong(const char *what, int result)
{
	fprintf(stderr, "%s: %d, errno %d (%s), %s\n", what, result, errno, strerror(errno), ipq_errstr());
	return 1;
}

int main(void)
{
	struct ipq_handle *h = ipq_create_handle(0, PF_INET);
	int result;

	if (!h || ipq_set_mode(h, IPQ_COPY_META, 0) < 0) {
		ipq_perror("attach");
		return 1;
	}
	if (fcntl(h->fd, F_SETFL, fcntl(h->fd, F_GETFL) | O_NONBLOCK) < 0)
		return wrong("fcntl", -1);
	puts("attached");
	fflush(stdout);
	for (;;) {
		errno = 0;
		result = ipq_read(h, buf, sizeof buf, 0);
		if (result <= 0)
			break;
		if (ipq_message_type(buf) != IPQM_PACKET)
			return wrong("message", ipq_get_msgerr(buf));
		ipq_set_verdict(h, ipq_get_packet(buf)->packet_id, NF_ACCEPT, 0, NULL);
	}
	if (result != -1 || errno != EAGAIN || strcmp(ipq_errstr(), "Failed to receive netlink message"))
		return wrong("time-out 0", result);

	/* The other time-outs are as they are without it. */
	errno = 0;
	result = ipq_read(h, buf, sizeof buf, -1);
	if (result < 0 || (result == 0 && (errno || strcmp(ipq_errstr(), "Timeout"))))
		return wrong("negative time-out", result);
	errno = 0;
	result = ipq_read(h, buf, sizeof buf, 1000);
	if (result < 0 || (result == 0 && (errno || strcmp(ipq_errstr(), "Timeout"))))
		return wrong("time-out of a millisecond", result);
	return 0;
}
