#include "fcgi-app/counts/problems.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define OTHER "other"

/* The last one of each status has what no other one has. */
static const struct problem_kind kinds[] = {
    {400, "body"},     {400, "channel"},   {400, "connection"}, {400, "event"},
    {400, "host"},     {400, "jsonp"},     {400, "key"},        {400, "limit"},
    {400, "line"},     {400, "message"},   {400, "pattern"},    {400, "publish"},
    {400, "query"},    {400, "since"},     {400, "subscribe"},  {400, "tag"},
    {400, "timeout"},  {400, "token"},     {400, "upgrade"},    {400, OTHER},
    {401, "token"},    {401, OTHER},       {403, "channel"},    {403, "event"},
    {403, "origin"},   {403, "token"},     {403, OTHER},        {404, "tag"},
    {404, OTHER},      {405, OTHER},       {408, OTHER},        {413, "body"},
    {413, "header"},   {413, "line"},      {413, "message"},    {413, "query"},
    {413, OTHER},      {415, OTHER},       {426, OTHER},        {429, "publish"},
    {429, "message"},  {429, OTHER},       {431, OTHER},        {500, OTHER},
    {501, OTHER},      {503, "authorize"}, {503, "channel"},    {503, "descriptors"},
    {503, "draining"}, {503, "full"},      {503, "pattern"},    {503, "redis"},
    {503, OTHER},      {505, OTHER},       {0, OTHER},
};

enum { KINDS = sizeof kinds / sizeof *kinds };
_Static_assert((int)KINDS <= (int)PROBLEMS_KINDS, "there is room for each kind");

/* What details that name nothing begin with. */
static const struct {
    const char *words, *reason;
} beginnings[] = {
    {"Redis", "redis"},
    {"this process is shutting down", "draining"},
    {"no room", "full"},
    {"there are max_connections", "full"},
    {"no descriptor", "descriptors"},
};

const struct problem_kind *problem_kind_at(size_t place) {
    return place < KINDS ? &kinds[place] : NULL;
}

static bool names(const char *detail, const char *reason) {
    size_t len = strlen(reason);
    return strncasecmp(detail, reason, len) == 0 && detail[len] == ':';
}

static bool begins(const char *detail, const char *reason) {
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        if (strncmp(detail, beginnings[i].words, strlen(beginnings[i].words)) == 0)
            return strcmp(beginnings[i].reason, reason) == 0;
    }
    return false;
}

void problems_count(struct problems *problems, int status, const char *detail) {
    size_t place = 0;

    while (kinds[place].status != status && kinds[place].status != 0)
        place++;
    while (strcmp(kinds[place].reason, OTHER) != 0 && !names(detail, kinds[place].reason) &&
           !begins(detail, kinds[place].reason))
        place++;
    problems->told[place]++;
}
