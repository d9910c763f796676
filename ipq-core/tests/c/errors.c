/* What the library says to mistakes. Needs no kernel side: exits with the line of the first check that does not hold. */
#include <libipq.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (%s, errno %d)\n", __FILE__, __LINE__, #condition, ipq_errstr(), errno); \
			return 1; \
		} \
	} while (0)

int main(void)
{
	unsigned char buf[100] = {0};
	struct ipq_handle foreign;

	memset(&foreign, 0, sizeof foreign);
	CHECK(strcmp(ipq_errstr(), "Unknown error") == 0);
	errno = 0;
	CHECK(ipq_create_handle(0, 99) == NULL && errno == 0);
	CHECK(strcmp(ipq_errstr(), "Invalid protocol specified") == 0);
	CHECK(ipq_destroy_handle(NULL) == 0);
	CHECK(ipq_ctl(NULL, 7, "ignored") == 1);
	CHECK(ipq_read(NULL, buf, sizeof buf, 0) == -1 && errno == EBADF);
	CHECK(strcmp(ipq_errstr(), "Implementation error") == 0);
	CHECK(ipq_read(&foreign, buf, sizeof buf, 0) == -1 && errno == EBADF);
	CHECK(ipq_set_mode(NULL, IPQ_COPY_META, 0) == -1 && errno == EBADF);
	CHECK(ipq_set_verdict(&foreign, 1, NF_ACCEPT, 0, NULL) == -1 && errno == EBADF);
	CHECK(ipq_destroy_handle(&foreign) == -1 && errno == EBADF);
	CHECK(ipq_message_type(NULL) == -1 && errno == EFAULT);
	CHECK(ipq_get_packet(NULL) == NULL && errno == EFAULT);
	CHECK(ipq_get_msgerr(NULL) == -1 && errno == EFAULT);
	buf[4] = IPQM_PACKET;
	CHECK(ipq_message_type(buf) == IPQM_PACKET || ipq_message_type(buf) == IPQM_PACKET << 8);
	CHECK((unsigned char *)ipq_get_packet(buf) == buf + 16);
	errno = 0;
	ipq_perror(NULL);
	errno = EPERM;
	ipq_perror("errors");
	return 0;
}
