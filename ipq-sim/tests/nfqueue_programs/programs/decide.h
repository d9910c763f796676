/* What every program here does with a packet, by the number that its UDP payload begins with. */

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

enum what { DROP, ACCEPT, MARK, CHANGE };

static uint32_t number_of(const unsigned char *packet)
{
	uint32_t number;

	memcpy(&number, packet + 28, sizeof number);
	return ntohl(number);
}

static enum what what_of(uint32_t number)
{
	return (enum what)(number % 4);
}

/* A changed packet has another last byte. */
static void change(unsigned char *packet, int length)
{
	packet[length - 1] ^= 0xff;
}
