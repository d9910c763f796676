/* No C library at all: system calls of its own, as the runtimes of some languages make them. It accepts every packet. x86-64 only. */
static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall" : "=a"(result)
		: "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return result;
}

struct address { unsigned short family, pad; unsigned int port, groups; };
struct header { unsigned int length; unsigned short type, flags; unsigned int sequence, port; };
struct mode { struct header header; unsigned char value; unsigned long range; unsigned long unused; };
struct verdict { struct header header; unsigned int value; unsigned long id; unsigned long length; };

static unsigned char buffer[70000];

static void end(long status)
{
	for (;;)
		call(231, status, 0, 0, 0, 0, 0);
}

void _start(void)
{
	long fd = call(41, 16, 3, 3, 0, 0, 0), bytes;
	unsigned int own = (unsigned int)call(39, 0, 0, 0, 0, 0, 0);
	struct address local = {16, 0, own, 0};
	struct mode mode = {{sizeof mode, 17, 1, 0, own}, 2, 0, 0};

	if (fd < 0 || call(49, fd, (long)&local, sizeof local, 0, 0, 0) != 0)
		end(1);
	if (call(44, fd, (long)&mode, sizeof mode, 0, 0, 0) != sizeof mode)
		end(2);
	while ((bytes = call(45, fd, (long)buffer, sizeof buffer, 0, 0, 0)) > 0) {
		struct verdict verdict = {{sizeof verdict, 18, 1, 0, own}, 1, *(unsigned long *)(buffer + 16), 0};

		if (call(44, fd, (long)&verdict, sizeof verdict, 0, 0, 0) != sizeof verdict)
			end(3);
	}
	end(bytes == 0 ? 0 : 4);
}
