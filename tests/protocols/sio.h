#ifndef HALLEY_TESTS_SIO_H
#define HALLEY_TESTS_SIO_H

#include "fcgi-app/protocols/protocol.h"

extern const struct protocol protocol_sio_test;

#endif
