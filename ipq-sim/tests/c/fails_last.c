/* Accepts packets and fails at the n-th: argv[1] is n; argv[2] is "v" to fail without a verdict, "a" after it, "as" 2 ms after. */
#include <libipq.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned char buffer[70000];

int main(int argc, char **argv)
{
	struct ipq_handle *handle;
	ipq_packet_msg_t *packet;
	int last, number;

	if (argc < 3)
		return 9;
	last = atoi(argv[1]);
	handle = ipq_create_handle(0, PF_INET);
	if (handle == NULL || ipq_set_mode(handle, IPQ_COPY_PACKET, 0) < 0)
		return 8;
	for (number = 1;; number++) {
		if (ipq_read(handle, buffer, sizeof buffer, 0) < 0)
			return 7;
		packet = ipq_get_packet(buffer);
		if (number == last && argv[2][0] == 'v')
			return 3;
		ipq_set_verdict(handle, packet->packet_id, NF_ACCEPT, 0, NULL);
		if (number == last) {
			if (strcmp(argv[2], "as") == 0)
				usleep(2000);
			return 3;
		}
	}
}
