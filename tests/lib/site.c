/* The site that is asked who may. */
#include "tests/lib/site.h"

#include "tests/lib/keep.h"
#include "tests/lib/wire.h"

#include <unistd.h>

const char *site_log(const struct lab *lab) {
    return keepf("%s/site.log", lab->dir);
}

static bool answers(int port) {
    int fd = wire_tcp(port);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void site_start(struct lab *lab, struct proc *site, int port) {
    const char *const argv[] = {"php", "-S", keepf("127.0.0.1:%d", port),
                                keepf("%s/tests/e2e/site.php", lab_root()), NULL};
    const char *const more[] = {keepf("SITE_LOG=%s", site_log(lab)), "PHP_CLI_SERVER_WORKERS=8",
                                NULL};

    proc_start(site, "php", keepf("%s/php.log", lab->dir), -1, argv, lab_env(lab, more));
    until(answers(port), "PHP does not listen");
}

int site_begin(struct lab *lab, struct proc *site) {
    int port = lab_free_port();

    site_start(lab, site, port);
    lab_set(lab, "AUTHORIZE", keepf("http://127.0.0.1:%d/may.php", port));
    return port;
}
