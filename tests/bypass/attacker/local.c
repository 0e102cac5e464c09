/* By way of this host: proxies and deputies that listen here, and the daemon's own port. A relay
 * runs outside all attached cgroups on port 1080, on every address and for both protocols: it sends
 * on whatever names the place `4 ADDRESS TEXT`. */
#include "attacker.h"

#include <linux/filter.h>
#include <poll.h>
#include <sys/un.h>

/* "ADDRESS TEXT", what the relay understands. */
static void speak_to_relay(void)
{
	char text[sizeof payload];
	memcpy(text, payload, sizeof text);
	payload_size = snprintf(payload, sizeof payload, "%s %.20s", inet_ntoa(to4.sin_addr), text);
	to4.sin_port = to6.sin6_port = to_mapped.sin6_port = htons(1080);
}

static void relay4(int type, in_addr_t address)
{
	speak_to_relay();
	to4.sin_addr.s_addr = address;
	int fd = new_socket(AF_INET, type, 0);
	if (type == SOCK_STREAM)
		converse(fd, TO4);
	throw(fd, TO4);
}

static void relay6(int type, struct in6_addr address)
{
	speak_to_relay();
	to6.sin6_addr = address;
	int fd = new_socket(AF_INET6, type, 0);
	if (type == SOCK_STREAM)
		converse(fd, TO6);
	throw(fd, TO6);
}

static void proxy_loopback(void) { relay4(SOCK_STREAM, htonl(INADDR_LOOPBACK)); }
static void proxy_loopback_other(void) { relay4(SOCK_STREAM, htonl(0x7f010203)); }
static void proxy_any(void) { relay4(SOCK_STREAM, INADDR_ANY); }
static void proxy_own_address(void) { relay4(SOCK_STREAM, own4.s_addr); }
static void proxy_loopback6(void) { relay6(SOCK_STREAM, in6addr_loopback); }
static void proxy_any6(void) { relay6(SOCK_STREAM, in6addr_any); }
static void proxy_own_address6(void) { relay6(SOCK_STREAM, own6); }

static void proxy_mapped(void)
{
	speak_to_relay();
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &to_mapped.sin6_addr);
	converse(new_socket(AF_INET6, SOCK_STREAM, 0), TO_MAPPED);
}

/* The proxy shares its port with whoever is the same user: the agent opens servers of its own there,
 * which it may reach, and hopes to be sent to the other. */
static void proxy_shared_port(void)
{
	speak_to_relay();
	to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to4.sin_port = htons(getuid() ? 1081 : 1082);
	/* Many of one's own, so that whoever looks for the one who listens finds one of these. */
	for (int i = 0; i < 15; i++) {
		int server = new_socket(AF_INET, SOCK_STREAM, 0);
		option(server, SOL_SOCKET, SO_REUSEPORT, 1);
		CHECK(bind(server, (void *)TO4));
		CHECK(listen(server, 64));
	}
	for (int i = 0; i < 160; i++) {
		int fd = new_socket(AF_INET, SOCK_STREAM, 0);
		CHECK(fcntl(fd, F_SETFL, O_NONBLOCK));
		connect(fd, (void *)TO4);
		struct pollfd ready = { .fd = fd, .events = POLLOUT };
		poll(&ready, 1, 10);
		send(fd, payload, payload_size, MSG_NOSIGNAL);
	}
	ended("sent");
}

/* The same with a program that sends all to the first of the group, and data in the SYN. */
static void proxy_shared_port_program(void)
{
	speak_to_relay();
	to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to4.sin_port = htons(getuid() ? 1081 : 1082);
	struct sock_filter first[] = { { BPF_RET | BPF_K, 0, 0, 0 } };
	struct sock_fprog program = { 1, first };
	int server = new_socket(AF_INET, SOCK_STREAM, 0);
	option(server, SOL_SOCKET, SO_REUSEPORT, 1);
	CHECK(bind(server, (void *)TO4));
	CHECK(listen(server, 64));
	CHECK(setsockopt(server, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program));
	for (int i = 0; i < 16; i++) {
		int fd = new_socket(AF_INET, SOCK_STREAM, 0);
		CHECK(fcntl(fd, F_SETFL, O_NONBLOCK));
		sendto(fd, payload, payload_size, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)TO4);
		struct pollfd ready = { .fd = fd, .events = POLLOUT };
		poll(&ready, 1, 10);
		send(fd, payload, payload_size, MSG_NOSIGNAL);
	}
	ended("sent");
}

static void relay_udp(void) { relay4(SOCK_DGRAM, htonl(INADDR_LOOPBACK)); }
static void relay_udp_any(void) { relay4(SOCK_DGRAM, INADDR_ANY); }
static void relay_udp_own_address(void) { relay4(SOCK_DGRAM, own4.s_addr); }
static void relay_udp6(void) { relay6(SOCK_DGRAM, in6addr_loopback); }

/* A Unix socket that somebody outside listens at: in this network namespace or in another. */
static void relay_at(const char *name)
{
	speak_to_relay();
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *folder = getenv("ATTACKER_RELAY");
	snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", folder ? folder : "", name);
	converse(new_socket(AF_UNIX, SOCK_STREAM, 0), &address, sizeof address);
}

static void relay_unix(void) { relay_at("near"); }
static void relay_unix_far(void) { relay_at("far"); }

/* The daemon itself as destination. */
static void daemon4(void)
{
	to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to4.sin_port = htons(daemon_port);
	converse(new_socket(AF_INET, SOCK_STREAM, 0), TO4);
}

static void daemon6(void)
{
	to6.sin6_addr = in6addr_loopback;
	to6.sin6_port = htons(daemon_port);
	converse(new_socket(AF_INET6, SOCK_STREAM, 0), TO6);
}

/* To be the daemon: the port on the loopback address, beside it, under it. */
static void squat(int family, int type, int reuse, int v6only, const void *address, socklen_t size)
{
	int fd = new_socket(family, type, 0);
	if (reuse) {
		option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	}
	if (family == AF_INET6)
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
	CHECK(bind(fd, address, size));
	if (type == SOCK_STREAM)
		CHECK(listen(fd, 8));
	ended("bound");
}

static void squat4(int type, int reuse, in_addr_t address)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(daemon_port),
				    .sin_addr.s_addr = address };
	squat(AF_INET, type, reuse, 0, &here, sizeof here);
}

static void squat6(int type, int v6only, struct in6_addr address)
{
	struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_port = htons(daemon_port),
				     .sin6_addr = address };
	squat(AF_INET6, type, 1, v6only, &here, sizeof here);
}

static void squat_loopback(void) { squat4(SOCK_STREAM, 0, htonl(INADDR_LOOPBACK)); }
static void squat_reuseport(void) { squat4(SOCK_STREAM, 1, htonl(INADDR_LOOPBACK)); }
static void squat_any(void) { squat4(SOCK_STREAM, 1, INADDR_ANY); }
static void squat_loopback6(void) { squat6(SOCK_STREAM, 1, in6addr_loopback); }
static void squat_any6(void) { squat6(SOCK_STREAM, 1, in6addr_any); }
static void squat_dual(void) { squat6(SOCK_STREAM, 0, in6addr_any); }
static void squat_udp(void) { squat4(SOCK_DGRAM, 1, htonl(INADDR_LOOPBACK)); }
static void squat_udp6(void) { squat6(SOCK_DGRAM, 1, in6addr_loopback); }

/* The listener without a bind: the kernel picks the port. A server of one's own must work. */
static void own_server(void)
{
	int fd = new_socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof here;
	CHECK(bind(fd, (void *)&here, size));
	CHECK(listen(fd, 1));
	CHECK(getsockname(fd, (void *)&here, &size));
	int client = new_socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(client, (void *)&here, size));
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ended(poll(&ready, 1, 100) == 1 ? "reached" : "connected");
}

const struct attempt local_attempts[] = {
	{ "proxy-loopback", proxy_loopback },
	{ "proxy-loopback-other", proxy_loopback_other },
	{ "proxy-any", proxy_any },
	{ "proxy-own-address", proxy_own_address },
	{ "proxy-loopback6", proxy_loopback6 },
	{ "proxy-any6", proxy_any6 },
	{ "proxy-own-address6", proxy_own_address6 },
	{ "proxy-mapped", proxy_mapped },
	{ "proxy-shared-port", proxy_shared_port },
	{ "proxy-shared-port-program", proxy_shared_port_program },
	{ "relay-udp", relay_udp },
	{ "relay-udp-any", relay_udp_any },
	{ "relay-udp-own-address", relay_udp_own_address },
	{ "relay-udp6", relay_udp6 },
	{ "relay-unix", relay_unix },
	{ "relay-unix-far", relay_unix_far },
	{ "daemon4", daemon4 },
	{ "daemon6", daemon6 },
	{ "squat-loopback", squat_loopback },
	{ "squat-reuseport", squat_reuseport },
	{ "squat-any", squat_any },
	{ "squat-loopback6", squat_loopback6 },
	{ "squat-any6", squat_any6 },
	{ "squat-dual", squat_dual },
	{ "squat-udp", squat_udp },
	{ "squat-udp6", squat_udp6 },
	{ "own-server", own_server },
	{ 0 },
};
