/*
 * What is said on a service: the protocol of its dialect; or as its section names it, a protocol
 * and perhaps a word behind it.
 */
#include "fcgi-app/carriers/speech.h"

#include <string.h>

/* The protocol that a dialect has of its own; NULL: its services name one. */
static const struct protocol *of_dialect(const struct service *service) {
    bool said = service->dialect[0] != '\0';
    const char *name = said ? service->dialect : service->path;
    const struct protocol *protocol = protocol_find(name, said ? strlen(name) : strcspn(name, "/"));

    return protocol != NULL && protocol->dialect ? protocol : NULL;
}

struct speech service_speech(const struct config *config, const struct service *service) {
    const struct protocol *own = of_dialect(service);
    size_t len = strcspn(service->protocol, " \t");
    const char *argument = service->protocol + len;

    return (struct speech){.protocol = own != NULL ? own : protocol_find(service->protocol, len),
                           .argument = own != NULL ? "" : argument + strspn(argument, " \t"),
                           .config = config,
                           .service = service};
}
