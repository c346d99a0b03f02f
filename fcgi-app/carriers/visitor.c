/*
 * Whose page a request comes from, as far as it says so.
 */
#include "fcgi-app/carriers/visitor.h"

#include "fcgi-app/door/site.h"

bool visitor_may(const struct request *request, const char *origins) {
    return site_shows(&request->claims, request->referer, origins);
}
