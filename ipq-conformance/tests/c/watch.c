/*
 * Watches the queues of the families that its arguments name, 4 and 6, with poll(), and lets every packet through. Says on standard
 * output when it is attached, and when a queue that was readable had nothing for it.
 */
#include <libipq.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char buf[70000];

static void die(const char *what)
{
	ipq_perror(what);
	exit(1);
}

static void take_one(struct ipq_handle *h)
{
	ssize_t bytes = ipq_read(h, buf, sizeof buf, 1000);

	if (bytes < 0)
		die("read");
	if (bytes == 0) {
		puts(ipq_errstr());
		fflush(stdout);
	} else if (ipq_message_type(buf) == IPQM_PACKET) {
		if (ipq_set_verdict(h, ipq_get_packet(buf)->packet_id, NF_ACCEPT, 0, NULL) < 0)
			die("verdict");
	} else {
		errno = ipq_get_msgerr(buf);
		die("error message");
	}
}

int main(int argc, char **argv)
{
	struct ipq_handle *handles[2];
	struct pollfd readable[2];
	int i, count;

	for (count = 0; count < 2 && count + 1 < argc; count++) {
		struct ipq_handle *h = ipq_create_handle(0, argv[count + 1][0] == '6' ? PF_INET6 : PF_INET);

		if (!h || ipq_set_mode(h, IPQ_COPY_PACKET, 0) < 0)
			die("attach");
		handles[count] = h;
		readable[count].fd = h->fd;
		readable[count].events = POLLIN;
	}
	puts("attached");
	fflush(stdout);
	while (poll(readable, (nfds_t)count, -1) > 0) {
		for (i = 0; i < count; i++)
			if (readable[i].revents)
				take_one(handles[i]);
	}
	return 1;
}
