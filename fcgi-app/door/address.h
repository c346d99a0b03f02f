/*
 * Addresses of clients, as web servers name them (REMOTE_ADDR, X-Forwarded-For). They
 * are untrusted text; what is made of them here is short and has no surprises in it.
 */
#ifndef HALLEY_ADDRESS_H
#define HALLEY_ADDRESS_H

enum { ADDRESS_TEXT = 64 }; /* bytes of an address as text, its end byte among them */

/*
 * One text for each address: IPv6 in its shortest form (RFC 5952), without a zone; an IPv4
 * address that is written as IPv6 as IPv4. What is no address keeps its letters, digits,
 * dots, dashes and colons, as far as there is room; "-" where nothing is left.
 */
void address_canonical(const char *text, char out[ADDRESS_TEXT]);

/*
 * The text that stands for everybody who can as well be the same client: an IPv6 client
 * chooses freely among the addresses of its network, 2001:db8:1:2::/64 (RFC 4291 §2.5.4).
 */
void address_network(const char *text, char out[ADDRESS_TEXT]);

#endif
