/* The accept loop with libnetfilter_queue's old interface, on queue 0. */

#include <arpa/inet.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <sys/socket.h>

/* For the kernel's queue: as many packets as the bench has on their way. */
#define RECEIVE_BUFFER (4 << 20)

static int accept_packet(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *extra)
{
	unsigned char *packet;

	(void)message, (void)extra;
	if (nfq_get_payload(data, &packet) < 0)
		return -1;
	return nfq_set_verdict(queue, ntohl(nfq_get_msg_packet_hdr(data)->packet_id), NF_ACCEPT, 0, NULL);
}

int main(void)
{
	static char buffer[70000];
	struct nfq_handle *handle = nfq_open();
	struct nfq_q_handle *queue;
	int size = RECEIVE_BUFFER;
	ssize_t length;

	if (!handle || !(queue = nfq_create_queue(handle, 0, accept_packet, NULL)))
		return perror("nfq_create_queue"), 1;
	setsockopt(nfq_fd(handle), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (nfq_set_queue_maxlen(queue, 4096) < 0 || nfq_set_mode(queue, NFQNL_COPY_PACKET, 0xffff) < 0)
		return perror("nfq_set_mode"), 1;
	while ((length = recv(nfq_fd(handle), buffer, sizeof buffer, 0)) > 0)
		nfq_handle_packet(handle, buffer, length);
	return perror("recv"), 1;
}
