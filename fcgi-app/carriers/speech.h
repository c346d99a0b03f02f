/*
 * What is said on a service. Pure.
 */
#ifndef HALLEY_SPEECH_H
#define HALLEY_SPEECH_H

#include "core/config/config.h"
#include "fcgi-app/protocols/protocol.h"

/* Its protocol, NULL where there is none of that name, and what that wants to know; borrowed from
 * the configuration. */
struct speech service_speech(const struct config *config, const struct service *service);

#endif
