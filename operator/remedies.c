/*
 * What halley doctor says of each web server.
 */
#include "operator/remedies.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name; /* as its field Server begins */
    struct remedies remedies;
} servers[] = {
    {"nginx",
     {{"fastcgi_buffering off; (proxy_buffering off;), and let X-Accel-Buffering pass",
       "fastcgi_read_timeout 90s; (proxy_read_timeout)",
       "fastcgi_param HTTP_LAST_EVENT_ID $http_last_event_id if_not_empty;",
       "large_client_header_buffers 4 32k; in the first server of this address",
       "client_max_body_size 17m;", "fastcgi_ignore_client_abort off; (proxy_ignore_client_abort)",
       "events { worker_connections 19000; } worker_rlimit_nofile 20000;",
       "proxy_http_version 1.1; proxy_set_header Upgrade and Connection, see nginx/halley.conf"}}},
    {"lighttpd",
     {{"server.stream-response-body = 2", "\"read-timeout\" of the host, and server.max-write-idle",
       "a proxy in front of lighttpd drops it: let it pass",
       "server.max-request-field-size = 65536", "server.max-request-size = 17408",
       "\"tcp-fin-propagate\" => \"enable\" in fastcgi.server",
       "server.max-fds = 20000, server.max-connections = 9000",
       "proxy.header = ( \"upgrade\" => \"enable\" ), see lighttpd/50-halley.conf"}}},
    {"Apache",
     {{"mod_proxy_fcgi: flushpackets=on; mod_fcgid: FcgidOutputBufferSize 0; and no "
       "ProxyHTMLEnable On for all of a site",
       "mod_proxy_fcgi: ProxySet timeout=90; mod_fcgid: FcgidIOTimeout 90",
       "RequestHeader unset Last-Event-ID stands somewhere: let it pass",
       "LimitRequestFieldSize 32768, LimitRequestLine 16384",
       "mod_fcgid: LimitRequestBody 0, FcgidMaxRequestLen 17825792",
       "Apache tells nobody before something is written: halley.conf: a shorter keepalive",
       "MaxRequestWorkers (a third of ServerLimit x ThreadsPerChild), FcgidMaxProcessesPerClass; "
       "or a smaller max_waiters",
       "upgrade=websocket for halley-http.sock, see apache/halley.conf"}}},
    {"Caddy",
     {{"flush_interval -1", "transport fastcgi { read_timeout 90s }",
       "header_up -Last-Event-ID stands somewhere: let it pass", "max_header_size in servers",
       "request_body { max_size 17MB }", "a proxy in front of Caddy keeps connections open",
       "LimitNOFILE= of caddy.service", "reverse_proxy to halley-http.sock, see caddy/Caddyfile"}}},
    {"",
     {{"let what is sent through at once", "more than 60 s for a request on which nothing is sent",
       "let the field Last-Event-ID through",
       "room for a request header of 40 KB (HAProxy: "
       "tune.bufsize 49152)",
       "let a body of max_message through",
       "HAProxy notices when something is written: halley.conf: a shorter keepalive",
       "more connections, threads or processes (HAProxy: maxconn)",
       "let Upgrade: websocket through, to halley.conf's http ="}}},
};

enum { SERVERS = sizeof servers / sizeof servers[0] };

const struct remedies *remedies_of(const char *server) {
    size_t row = 0;

    while (row < SERVERS - 1 &&
           strncasecmp(server, servers[row].name, strlen(servers[row].name)) != 0)
        row++;
    return &servers[row].remedies;
}
