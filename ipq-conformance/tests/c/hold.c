/* Attaches to the IPv4 queue, says how large its receive buffer is, and holds every packet until it is ended. */
#include <libipq.h>
#include <stdio.h>

int main(void)
{
	struct ipq_handle *h = ipq_create_handle(0, PF_INET);
	int bytes = 0;
	socklen_t length = sizeof bytes;

	if (!h || ipq_set_mode(h, IPQ_COPY_META, 0) < 0) {
		ipq_perror("hold");
		return 1;
	}
	getsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length);
	printf("attached with %d bytes\n", bytes);
	fflush(stdout);
	for (;;)
		pause();
}
