/* The accept loop of libipq(3) in a program that clears its environment first. */
#define _GNU_SOURCE
#include <libipq.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	static unsigned char buffer[70000];
	struct ipq_handle *handle;

	clearenv();
	handle = ipq_create_handle(0, PF_INET);
	if (!handle || ipq_set_mode(handle, IPQ_COPY_PACKET, 0) < 0) {
		ipq_perror("clearenv");
		return 1;
	}
	while (ipq_read(handle, buffer, sizeof buffer, 0) > 0)
		if (ipq_message_type(buffer) == IPQM_PACKET
		    && ipq_set_verdict(handle, ipq_get_packet(buffer)->packet_id, NF_ACCEPT, 0, NULL) < 0)
			return 1;
	return 0;
}
