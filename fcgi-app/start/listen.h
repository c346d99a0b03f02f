/*
 * Listening by itself, for `-l`, `-w` and `feed`, in one process or for several.
 */
#ifndef HALLEY_LISTEN_H
#define HALLEY_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/err.h"
#include "core/config/config.h"

enum { LISTEN_PROBLEM = 256, LISTEN_ADDRESS = 512 };

/* A listening socket, and which file it is at its path, if it has one. */
struct listening {
    int fd; /* -1: none */
    dev_t device;
    ino_t inode;
};

/* The sockets on which the processes of a program listen. */
struct listeners {
    const char *address;      /* of FastCGI, borrowed; "": none, or an inherited socket */
    const char *http_address; /* or "" */
    const char *feed_address; /* of the line feed, or "" */
    struct listening fcgi[PROCESSES_MAX]; /* `count` of them */
    int count;                            /* 0: none; 1; or one for each process */
    struct listening http;
    struct listening feed;
    bool inherited; /* who started us listens (inherit.h): what is there is not opened again */
    bool child;     /* the paths are another process's to remove */
};

/* Nothing is open yet. The addresses are borrowed. */
void listeners_init(struct listeners *listeners, const char *address, const char *http_address,
                    const char *feed_address);

/*
 * Listens for FastCGI at `unix:/path` (with the permissions `mode`; a socket that
 * nobody answers is left over and replaced, anything else at the path stays and is a
 * problem) or `tcp:host:port`, if there is an
 * address. At a path each of `processes` processes has a socket of its own. All
 * are opened, or on failure none, and `problem` says why.
 */
enum err listeners_open(struct listeners *listeners, int mode, int processes,
                        char problem[LISTEN_PROBLEM]) MUST_CHECK;

/* The same for HTTP: one socket, for all. */
enum err listeners_open_http(struct listeners *listeners, int mode,
                             char problem[LISTEN_PROBLEM]) MUST_CHECK;

/* The same for the line feed. */
enum err listeners_open_feed(struct listeners *listeners, int mode,
                             char problem[LISTEN_PROBLEM]) MUST_CHECK;

/* In the child `number`, from 0: closes what is other children's alone. */
void listeners_choose(struct listeners *listeners, int number);

/* The address of FastCGI in process `number`. */
void listeners_address(const struct listeners *listeners, int number, char out[LISTEN_ADDRESS]);

/* Removes the paths; nothing in a child. */
void listeners_remove(const struct listeners *listeners);

/* Closes the sockets. */
void listeners_close(struct listeners *listeners);

#endif
