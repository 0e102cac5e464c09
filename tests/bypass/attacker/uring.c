/* io_uring: the same calls without the system calls that a filter would see. */
#include "attacker.h"

#include <linux/io_uring.h>
#include <linux/vm_sockets.h>
#include <sys/mman.h>

struct ring {
	int fd;
	struct io_uring_params about;
	uint8_t *submissions, *completions;
	struct io_uring_sqe *entries;
	uint32_t tail;
};

static struct ring new_ring(uint32_t flags)
{
	struct ring ring = { .about = { .flags = flags, .sq_thread_idle = 100 } };
	ring.fd = CHECK(syscall(SYS_io_uring_setup, 8, &ring.about));
	size_t size = ring.about.sq_off.array + ring.about.sq_entries * 4;
	size_t size_back = ring.about.cq_off.cqes + ring.about.cq_entries * sizeof(struct io_uring_cqe);
	int shared = MAP_SHARED | MAP_POPULATE, both = PROT_READ | PROT_WRITE;
	ring.submissions = mmap(0, size, both, shared, ring.fd, IORING_OFF_SQ_RING);
	ring.completions = mmap(0, size_back, both, shared, ring.fd, IORING_OFF_CQ_RING);
	ring.entries = mmap(0, ring.about.sq_entries * sizeof *ring.entries, both, shared, ring.fd, IORING_OFF_SQES);
	return ring;
}

/* Submits one entry and returns its result; -ETIME when there is none in half a second. */
static int run(struct ring *ring, struct io_uring_sqe entry)
{
	uint32_t slot = ring->tail & (ring->about.sq_entries - 1);
	ring->entries[slot] = entry;
	((uint32_t *)(ring->submissions + ring->about.sq_off.array))[slot] = slot;
	__atomic_store_n((uint32_t *)(ring->submissions + ring->about.sq_off.tail), ++ring->tail, __ATOMIC_RELEASE);
	uint32_t flags = ring->about.flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0;
	CHECK(syscall(SYS_io_uring_enter, ring->fd, 1, 0, flags, NULL, 0));
	uint32_t *head = (uint32_t *)(ring->completions + ring->about.cq_off.head);
	uint32_t *tail = (uint32_t *)(ring->completions + ring->about.cq_off.tail);
	for (int wait = 0; *head == __atomic_load_n(tail, __ATOMIC_ACQUIRE); wait++) {
		if (wait == 500)
			return -ETIME;
		usleep(1000);
	}
	struct io_uring_cqe *results = (void *)(ring->completions + ring->about.cq_off.cqes);
	int result = results[*head & (ring->about.cq_entries - 1)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

static int result_of(int result, const char *call)
{
	if (result == -ETIME)
		ended("unanswered");
	if (result < 0) {
		errno = -result;
		refused(call);
	}
	return result;
}

static void connect_by(uint32_t setup, uint8_t flags, const void *address, socklen_t size)
{
	struct ring ring = new_ring(setup);
	int fd = new_socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM, 0);
	struct io_uring_sqe entry = { .opcode = IORING_OP_CONNECT, .flags = flags, .fd = fd,
				      .addr = (uintptr_t)address, .off = size };
	result_of(run(&ring, entry), "connect");
	send(fd, payload, payload_size, MSG_NOSIGNAL);
	ended("connected");
}

static void uring_connect(void) { connect_by(0, 0, TO4); }
static void uring_connect6(void) { connect_by(0, 0, TO6); }
static void uring_async(void) { connect_by(0, IOSQE_ASYNC, TO4); }
static void uring_poll(void) { connect_by(IORING_SETUP_SQPOLL, 0, TO4); }

static int socket_by(struct ring *ring, int family, int type, int protocol)
{
	struct io_uring_sqe entry = { .opcode = IORING_OP_SOCKET, .fd = family, .off = type, .len = protocol };
	return result_of(run(ring, entry), "socket");
}

static void uring_socket(void)
{
	struct ring ring = new_ring(0);
	converse(socket_by(&ring, AF_INET, SOCK_STREAM, 0), TO4);
}

static void uring_mptcp(void)
{
	struct ring ring = new_ring(0);
	converse(socket_by(&ring, AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */), TO4);
}

static void uring_vsock(void)
{
	struct ring ring = new_ring(0);
	socket_by(&ring, AF_VSOCK, SOCK_STREAM, 0);
	ended("a socket");
}

/* Returns the socket. */
static int message_by(int type, uint32_t flags)
{
	struct ring ring = new_ring(0);
	int fd = new_socket(AF_INET, type, 0);
	struct iovec part = { payload, payload_size };
	struct msghdr message = { .msg_name = &to4, .msg_namelen = sizeof to4, .msg_iov = &part, .msg_iovlen = 1 };
	struct io_uring_sqe entry = { .opcode = IORING_OP_SENDMSG, .fd = fd, .addr = (uintptr_t)&message, .len = 1,
				      .msg_flags = flags };
	int result = run(&ring, entry);
	if (result != -EINPROGRESS)
		result_of(result, "sendmsg");
	return fd;
}

static void uring_sendmsg(void)
{
	message_by(SOCK_DGRAM, 0);
	ended("sent");
}

static void uring_fastopen(void)
{
	await(message_by(SOCK_STREAM, MSG_FASTOPEN | MSG_NOSIGNAL), "sendmsg");
	ended("connected");
}

/* `send` with an address, without a copy. */
static void uring_send_zerocopy(void)
{
	struct ring ring = new_ring(0);
	int fd = new_socket(AF_INET, SOCK_DGRAM, 0);
	struct io_uring_sqe entry = { .opcode = IORING_OP_SEND_ZC, .fd = fd, .addr = (uintptr_t)payload,
				      .len = payload_size, .addr2 = (uintptr_t)&to4, .addr_len = sizeof to4 };
	result_of(run(&ring, entry), "send");
	ended("sent");
}

const struct attempt uring_attempts[] = {
	{ "uring-connect", uring_connect },
	{ "uring-connect6", uring_connect6 },
	{ "uring-async", uring_async },
	{ "uring-poll", uring_poll },
	{ "uring-socket", uring_socket },
	{ "uring-mptcp", uring_mptcp },
	{ "uring-vsock", uring_vsock },
	{ "uring-sendmsg", uring_sendmsg },
	{ "uring-fastopen", uring_fastopen },
	{ "uring-send-zerocopy", uring_send_zerocopy },
	{ 0 },
};
