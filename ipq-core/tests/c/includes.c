/* What programs use without an include of their own, since the original's headers gave it to them. */
#include <libipq.h>

int used(void);

int used(void)
{
	char name[IFNAMSIZ] = "";
	struct sockaddr_nl address;
	struct iovec part;
	ipq_packet_msg_t packet;
	int file = open("/dev/null", O_RDONLY);

	address.nl_family = AF_NETLINK;
	part.iov_len = sizeof packet.indev_name == sizeof name;
	errno = 0;
	return file + close(file) + getpid() + NF_DROP + NF_ACCEPT + NF_STOLEN + NF_QUEUE + NF_REPEAT + NF_STOP + PF_INET + PF_INET6 +
	       (int)part.iov_len + address.nl_family;
}
