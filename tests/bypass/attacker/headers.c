/* Headers that send a packet by another way than its destination says: it is the first stop on the
 * way that the kernel routes to, after every hook has seen the last. Each way aims at the attempt's
 * own address and names the loopback address, or the daemon's, as the destination. */
#include "attacker.h"

#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#ifndef IPV6_FLOWLABEL_MGR
#define IPV6_FLOWLABEL_MGR 32
#endif
#ifndef IPV6_FLOWINFO_SEND
#define IPV6_FLOWINFO_SEND 33
#endif
#ifndef IPV6_2292RTHDR
#define IPV6_2292RTHDR 5
#endif

struct route {
	uint8_t bytes[40];
	size_t size;
};

/* Segment routing (type 4): the first stop is the last segment of the list. */
static struct route segments(void)
{
	struct route route = { .bytes = { 0, 4, 4, 1, 1 }, .size = 40 };
	memcpy(route.bytes + 24, &to6.sin6_addr, 16);
	return route;
}

/* RPL source route (type 3), uncompressed, and the withdrawn type 0 and mobility's type 2. */
static struct route one_stop(uint8_t type)
{
	struct route route = { .bytes = { 0, 2, type, 1 }, .size = 24 };
	memcpy(route.bytes + 8, &to6.sin6_addr, 16);
	return route;
}

static void routed_stream(struct route route, const struct in6_addr *last)
{
	int fd = new_socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, route.bytes, route.size));
	to6.sin6_addr = *last;
	converse(fd, TO6);
}

static void routed_datagram(struct route route, int port)
{
	int fd = new_socket(AF_INET6, SOCK_DGRAM, 0);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, route.bytes, route.size));
	to6.sin6_port = htons(port);
	to6.sin6_addr = beside6;
	throw(fd, TO6);
}

static void tcp_srh(void) { routed_stream(segments(), &beside6); }
static void tcp_srh_loopback(void) { routed_stream(segments(), &in6addr_loopback); }
static void tcp_rpl(void) { routed_stream(one_stop(3), &beside6); }
static void tcp_rthdr0(void) { routed_stream(one_stop(0), &beside6); }
static void tcp_rthdr2(void) { routed_stream(one_stop(2), &beside6); }
static void udp_srh(void) { routed_datagram(segments(), 7); }
static void dns_srh(void) { routed_datagram(segments(), 53); }

/* After the connection is open, so that connect saw nothing odd; to the server that anybody may
 * reach. */
static void tcp_srh_later(void)
{
	struct route route = segments();
	struct sockaddr_in6 near = { .sin6_family = AF_INET6, .sin6_port = htons(5432), .sin6_addr = own6 };
	int fd = new_socket(AF_INET6, SOCK_STREAM, 0);
	open_stream(fd, &near, sizeof near);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, route.bytes, route.size));
	send(fd, payload, payload_size, MSG_NOSIGNAL);
	usleep(20000);
	ended("connected");
}

/* For one datagram. */
static void udp_srh_message(void)
{
	struct route route = segments();
	to6.sin6_addr = beside6;
	throw_with(new_socket(AF_INET6, SOCK_DGRAM, 0), TO6, IPPROTO_IPV6, IPV6_RTHDR, route.bytes, route.size);
}

static void udp_srh_2292(void)
{
	struct route route = segments();
	to6.sin6_addr = beside6;
	throw_with(new_socket(AF_INET6, SOCK_DGRAM, 0), TO6, IPPROTO_IPV6, IPV6_2292RTHDR, route.bytes, route.size);
}

static const uint8_t padding[8] = { 0, 0, 1, 4 };

static void tcp_hop_options(void)
{
	int fd = new_socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_HOPOPTS, padding, sizeof padding));
	converse(fd, TO6);
}

static void tcp_destination_options(void)
{
	int fd = new_socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof padding));
	converse(fd, TO6);
}

static void udp_destination_options(void)
{
	throw_with(new_socket(AF_INET6, SOCK_DGRAM, 0), TO6, IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof padding);
}

static void udp_next_hop(void)
{
	int fd = new_socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 hop = { .sin6_family = AF_INET6, .sin6_addr = beside6 };
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_NEXTHOP, &hop, sizeof hop));
	throw(fd, TO6);
}

static void tcp_flow_label(void)
{
	struct {
		struct in6_addr dst;
		uint32_t label;
		uint8_t action, share;
		uint16_t flags, expires, linger;
		uint32_t pad;
	} lease = { .dst = to6.sin6_addr, .share = 255, .flags = 1 };
	lease.label = htonl(0x10000 | getpid() % 0x10000);
	int fd = new_socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &lease, sizeof lease));
	option(fd, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1);
	to6.sin6_flowinfo = lease.label;
	converse(fd, TO6);
}

/* IPv4: loose and strict source route, and record route. */
static void source_route(int fd, uint8_t kind)
{
	uint8_t bytes[12] = { IPOPT_NOP, kind, 11, 4 };
	/* The strict one wants each stop to be a neighbour. */
	int strict = kind == IPOPT_SSRR;
	memcpy(bytes + 4, strict ? &beside4 : &to4.sin_addr, 4);
	memcpy(bytes + 8, strict ? &to4.sin_addr : &beside4, 4);
	CHECK(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, bytes, sizeof bytes));
}

static void routed4(int type, uint8_t kind, in_addr_t last, int port)
{
	int fd = new_socket(AF_INET, type, 0);
	source_route(fd, kind);
	to4.sin_addr.s_addr = last;
	to4.sin_port = htons(port);
	if (type == SOCK_STREAM)
		converse(fd, TO4);
	throw(fd, TO4);
}

static void tcp_lsrr(void) { routed4(SOCK_STREAM, IPOPT_LSRR, beside4.s_addr, 7); }
static void tcp_ssrr(void) { routed4(SOCK_STREAM, IPOPT_SSRR, beside4.s_addr, 7); }
static void tcp_lsrr_loopback(void) { routed4(SOCK_STREAM, IPOPT_LSRR, htonl(INADDR_LOOPBACK), 7); }
static void udp_lsrr(void) { routed4(SOCK_DGRAM, IPOPT_LSRR, beside4.s_addr, 7); }
static void dns_lsrr(void) { routed4(SOCK_DGRAM, IPOPT_LSRR, beside4.s_addr, 53); }

static void udp_lsrr_message(void)
{
	uint8_t bytes[12] = { IPOPT_NOP, IPOPT_LSRR, 11, 4 };
	memcpy(bytes + 4, &to4.sin_addr, 4);
	memcpy(bytes + 8, &beside4, 4);
	to4.sin_addr = beside4;
	throw_with(new_socket(AF_INET, SOCK_DGRAM, 0), TO4, IPPROTO_IP, IP_RETOPTS, bytes, sizeof bytes);
}

static void tcp_lsrr_later(void)
{
	struct sockaddr_in near = { .sin_family = AF_INET, .sin_port = htons(5432), .sin_addr = own4 };
	int fd = new_socket(AF_INET, SOCK_STREAM, 0);
	open_stream(fd, &near, sizeof near);
	source_route(fd, IPOPT_LSRR);
	send(fd, payload, payload_size, MSG_NOSIGNAL);
	usleep(20000);
	ended("connected");
}

static void tcp_record_route(void)
{
	uint8_t bytes[12] = { IPOPT_NOP, IPOPT_RR, 11, 4 };
	int fd = new_socket(AF_INET, SOCK_STREAM, 0);
	CHECK(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, bytes, sizeof bytes));
	converse(fd, TO4);
}

const struct attempt header_attempts[] = {
	{ "tcp-srh", tcp_srh },
	{ "tcp-srh-loopback", tcp_srh_loopback },
	{ "tcp-srh-later", tcp_srh_later },
	{ "tcp-rpl", tcp_rpl },
	{ "tcp-rthdr0", tcp_rthdr0 },
	{ "tcp-rthdr2", tcp_rthdr2 },
	{ "udp-srh", udp_srh },
	{ "udp-srh-message", udp_srh_message },
	{ "udp-srh-2292", udp_srh_2292 },
	{ "dns-srh", dns_srh },
	{ "tcp-hop-options", tcp_hop_options },
	{ "tcp-destination-options", tcp_destination_options },
	{ "udp-destination-options", udp_destination_options },
	{ "udp-next-hop", udp_next_hop },
	{ "tcp-flow-label", tcp_flow_label },
	{ "tcp-lsrr", tcp_lsrr },
	{ "tcp-ssrr", tcp_ssrr },
	{ "tcp-lsrr-loopback", tcp_lsrr_loopback },
	{ "tcp-lsrr-later", tcp_lsrr_later },
	{ "udp-lsrr", udp_lsrr },
	{ "udp-lsrr-message", udp_lsrr_message },
	{ "dns-lsrr", dns_lsrr },
	{ "tcp-record-route", tcp_record_route },
	{ 0 },
};
