/* Opens a netlink socket of the protocol argv[1]. Exits with 0, or with the error number. */
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	return argc > 1 && socket(AF_NETLINK, SOCK_RAW, atoi(argv[1])) >= 0 ? 0 : errno;
}
