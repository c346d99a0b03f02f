/*
 * Trouble is told in the words of whoever made it: Redis, where it lets us in and refuses to
 * serve, or whatever ended the connection last.
 */
#include "fcgi-app/hub/trouble.h"

#include <string.h>

#include "core/redis/words.h"
#include "fcgi-app/hub/_hub.h"

struct problem *hub_explain(const struct hub *hub, struct problem *problem, const char *otherwise) {
    const char *trouble = link_trouble(hub->link);
    bool said = link_up(hub->link) || library_trouble(hub->library)[0] != '\0';
    char words[WORDS_MAX];

    words_take(words, trouble, strlen(trouble));
    if (words[0] == '\0')
        return problem_later(problem, 503, 2, "%s", otherwise);
    return problem_later(problem, 503, 2, "%s%s", said ? "Redis: " : "Redis is away: ", words);
}
