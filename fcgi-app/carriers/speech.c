/*
 * What is said on a service, as its section names it: a protocol, and perhaps a word behind it.
 */
#include "fcgi-app/carriers/speech.h"

#include <string.h>

struct speech service_speech(const struct config *config, const struct service *service) {
    size_t len = strcspn(service->protocol, " \t");
    const char *argument = service->protocol + len;

    return (struct speech){.protocol = protocol_find(service->protocol, len),
                           .argument = argument + strspn(argument, " \t"),
                           .config = config};
}
