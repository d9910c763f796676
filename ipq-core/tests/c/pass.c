/* Makes the calls of libipq(3)'s example: lets every packet through, until the queue ends. */
#include <libipq.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFSIZE 70000

static void die(struct ipq_handle *h)
{
	ipq_perror("pass");
	ipq_destroy_handle(h);
	exit(1);
}

int main(void)
{
	static unsigned char buf[BUFSIZE];
	int status;
	struct ipq_handle *h = ipq_create_handle(0, PF_INET);

	if (!h)
		die(h);
	status = ipq_set_mode(h, IPQ_COPY_PACKET, BUFSIZE);
	if (status < 0)
		die(h);
	for (;;) {
		if (ipq_read(h, buf, BUFSIZE, 0) < 0)
			die(h);
		switch (ipq_message_type(buf)) {
		case NLMSG_ERROR:
			errno = ipq_get_msgerr(buf);
			/* A packet goes without its verdict when its device goes down. */
			if (errno != ENOENT)
				die(h);
			break;
		case IPQM_PACKET: {
			ipq_packet_msg_t *m = ipq_get_packet(buf);

			status = ipq_set_verdict(h, m->packet_id, NF_ACCEPT, 0, NULL);
			if (status < 0)
				die(h);
			break;
		}
		default:
			fprintf(stderr, "Unknown message type!\n");
			break;
		}
	}
}
