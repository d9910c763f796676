/* A filter with the old interface of libnetfilter_queue. `old QUEUE [batch]`: with `batch` one verdict for each eight packets,
 * on all of them. */

#include "decide.h"

#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static int in_batches;
static unsigned int unbatched;

static int decide(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *extra)
{
	unsigned char *packet;
	int length = nfq_get_payload(data, &packet);
	uint32_t id = ntohl(nfq_get_msg_packet_hdr(data)->packet_id);
	uint32_t number;

	(void)message, (void)extra;
	if (length < 32)
		exit(3);
	number = number_of(packet);
	if (in_batches) {
		if (++unbatched < 8)
			return 0;
		unbatched = 0;
		return nfq_set_verdict_batch2(queue, id, NF_ACCEPT, number);
	}
	switch (what_of(number)) {
	case DROP:
		return nfq_set_verdict(queue, id, NF_DROP, 0, NULL);
	case MARK:
		return nfq_set_verdict2(queue, id, NF_ACCEPT, number, 0, NULL);
	case CHANGE:
		change(packet, length);
		return nfq_set_verdict(queue, id, NF_ACCEPT, length, packet);
	default:
		return nfq_set_verdict(queue, id, NF_ACCEPT, 0, NULL);
	}
}

int main(int count, char **arguments)
{
	struct nfq_handle *handle = nfq_open();
	struct nfq_q_handle *queue;
	static char buffer[70000];
	ssize_t length;

	in_batches = count > 2;
	if (!handle || nfq_unbind_pf(handle, AF_INET) < 0 || nfq_bind_pf(handle, AF_INET) < 0)
		return perror("nfq_open"), 1;
	queue = nfq_create_queue(handle, atoi(arguments[1]), decide, NULL);
	if (!queue || nfq_set_mode(queue, NFQNL_COPY_PACKET, 0xffff) < 0)
		return perror("nfq_create_queue"), 1;
	if (nfq_set_queue_maxlen(queue, 4096) < 0)
		return perror("nfq_set_queue_maxlen"), 1;
	if (nfq_set_queue_flags(queue, NFQA_CFG_F_FAIL_OPEN, NFQA_CFG_F_FAIL_OPEN) < 0)
		return perror("nfq_set_queue_flags"), 1;
	while ((length = recv(nfq_fd(handle), buffer, sizeof buffer, 0)) > 0)
		nfq_handle_packet(handle, buffer, length);
	return perror("recv"), 1;
}
