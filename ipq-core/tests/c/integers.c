/* Uses the types of <stdint.h>, which <libipq.h> brings. */
#include <libipq.h>

uint32_t word;
uint8_t byte;

int main(void)
{
	return (int)(word + byte);
}
