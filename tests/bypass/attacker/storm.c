/* Connects without an end, by both families, from several processes, until nobody wants it any
 * more; then says how often it ended how. */
#include "attacker.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { WORKERS = 4, PAUSE = 2000, /* µs */
       ERRNOS = 140, CONNECTED = 0, UNANSWERED = ERRNOS - 1 };

static int one(const void *address, socklen_t size)
{
	int fd = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	int error = connect(fd, address, size) < 0 && errno != EINPROGRESS ? errno : CONNECTED;
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	if (!error && poll(&ready, 1, 5000) == 0)
		error = UNANSWERED;
	if (!error) {
		socklen_t length = sizeof error;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	}
	if (!error)
		send(fd, payload, payload_size, MSG_NOSIGNAL);
	struct linger at_once = { 1, 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(fd);
	return error;
}

int storm(void)
{
	/* [0] tells the workers to stop, then come counts by errno, then how often each worker
	 * connected. */
	volatile uint64_t *shared = mmap(NULL, (1 + ERRNOS + WORKERS) * sizeof *shared,
					 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile uint64_t *connected = shared + 1 + ERRNOS;
	for (int worker = 0; worker < WORKERS; worker++)
		if (fork() == 0) {
			while (!shared[0]) {
				int error = worker % 2 ? one(TO6) : one(TO4);
				if (error < ERRNOS)
					__atomic_fetch_add(&shared[1 + error], 1, __ATOMIC_RELAXED);
				if (error == CONNECTED)
					connected[worker]++;
				/* The daemon is to get to its work beside all this. */
				usleep(PAUSE);
			}
			_exit(0);
		}
	/* A letter asks how often each worker connected so far; the end of all letters is the end. */
	char letter;
	while (read(STDIN_FILENO, &letter, 1) > 0) {
		for (int worker = 0; worker < WORKERS; worker++)
			printf("%lu%c", connected[worker], worker < WORKERS - 1 ? '\t' : '\n');
		fflush(stdout);
	}
	shared[0] = 1;
	while (wait(NULL) > 0)
		;
	for (int error = 0; error < ERRNOS; error++)
		if (shared[1 + error])
			printf("%s\t%lu\n", error == CONNECTED ? "connected" : error == UNANSWERED ? "unanswered" :
			       strerrorname_np(error), shared[1 + error]);
	printf("end\n");
	return 0;
}
