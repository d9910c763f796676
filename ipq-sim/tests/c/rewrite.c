/* Drops TCP, and turns the payload of UDP into "rewritten", with lengths and checksums mended; lets the rest through. */
#include <libipq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned short checksum(const unsigned char *bytes, size_t length)
{
	unsigned long sum = 0;
	size_t i;

	for (i = 0; i + 1 < length; i += 2)
		sum += (unsigned long)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned short)~sum;
}

static void put(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static int rewritten(struct ipq_handle *h, ipq_packet_msg_t *m, unsigned char *packet)
{
	static const char text[] = "rewritten";
	size_t header = (packet[0] & 15) * 4u;
	size_t length = header + 8 + sizeof text;

	memcpy(packet + header + 8, text, sizeof text);
	put(packet + header + 4, 8 + sizeof text);
	put(packet + header + 6, 0);
	put(packet + 2, (unsigned int)length);
	put(packet + 10, 0);
	put(packet + 10, checksum(packet, header));
	return ipq_set_verdict(h, m->packet_id, NF_ACCEPT, length, packet);
}

int main(void)
{
	static unsigned char buf[70000], packet[70000];
	struct ipq_handle *h = ipq_create_handle(0, PF_INET);

	if (!h || ipq_set_mode(h, IPQ_COPY_PACKET, 0) < 0) {
		ipq_perror("rewrite");
		return 1;
	}
	while (ipq_read(h, buf, sizeof buf, 0) > 0) {
		ipq_packet_msg_t *m = ipq_get_packet(buf);
		int status;

		if (ipq_message_type(buf) != IPQM_PACKET)
			continue;
		memcpy(packet, (unsigned char *)m + sizeof *m, m->data_len);
		if (packet[9] == 6)
			status = ipq_set_verdict(h, m->packet_id, NF_DROP, 0, NULL);
		else if (packet[9] == 17)
			status = rewritten(h, m, packet);
		else
			status = ipq_set_verdict(h, m->packet_id, NF_ACCEPT, 0, packet);
		if (status < 0)
			break;
	}
	ipq_perror("rewrite");
	ipq_destroy_handle(h);
	return 1;
}
