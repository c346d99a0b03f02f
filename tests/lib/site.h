#ifndef HALLEY_TESTS_SITE_H
#define HALLEY_TESTS_SITE_H

#include "tests/lib/lab.h"

/* A site that is asked who may (the option authorize): tests/e2e/site.php, in PHP's own web server
 * at that port of 127.0.0.1. Returns when it answers. */
void site_start(struct lab *lab, struct proc *site, int port);

/* The same at a free port, which is returned; what the lab starts from now on asks it. */
int site_begin(struct lab *lab, struct proc *site);

/* The file with a line for each question; kept. */
const char *site_log(const struct lab *lab);

#endif
