/* token_read(), with any text for a token, and with any text for the claims of one that is signed
 * by the right key: whoever comes out of it has a name that can be one, a time, and lists that end.
 */
#include "fcgi-app/rights/token.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

#define SECRET "a secret of the site, 32 bytes+++"
#define NOW    1000000000.0

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config config;
static struct keys *keys;

static void begin(void) {
    static char path[] = "/tmp/halley-fuzz.XXXXXX", kid[] = "k", none[] = "";
    static struct key key = {.kid = kid, .algorithm = ALGORITHM_HS256, .file = path};
    char problem[CONFIG_PROBLEM];
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, SECRET, sizeof SECRET - 1) < 0)
        abort();
    close(fd);
    config =
        (struct config){.keys = &key, .key_count = 1, .token_audience = none, .token_issuer = none};
    keys = keys_load(&config, problem);
    unlink(path);
    if (keys == NULL)
        abort();
}

/* base64url without padding (RFC 7515 §2). */
static void put(struct buf *out, const void *data, size_t len) {
    char *text = mem_new(len * 2 + 8);
    size_t count = (size_t)EVP_EncodeBlock((unsigned char *)text, data, (int)len);

    for (size_t i = 0; i < count && text[i] != '='; i++)
        buf_char(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    free(text);
}

static void sign(struct buf *token, const uint8_t *claims, size_t size) {
    static const char header[] = "{\"alg\":\"HS256\"}";
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    put(token, header, sizeof header - 1);
    buf_char(token, '.');
    put(token, claims, size);
    HMAC(EVP_sha256(), SECRET, sizeof SECRET - 1, (const unsigned char *)token->data, token->len,
         signature, &len);
    buf_char(token, '.');
    put(token, signature, len);
}

/* Up to the empty text at its end: an end byte that lies elsewhere is seen by AddressSanitizer. */
static void walk(const char *list) {
    for (; *list != '\0'; list += strlen(list) + 1)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf token = buf_make(2 * TOKEN_MAX);
    enum token_fault fault;

    if (keys == NULL)
        begin();
    if (size == 0 || size > TOKEN_MAX)
        return 0;
    if (data[0] == 'C')
        sign(&token, data + 1, size - 1);
    else
        buf_add(&token, data + 1, size - 1);
    buf_char(&token, '\0');
    struct identity *who =
        token.overflow ? NULL : token_read(&config, keys, token.data, token.len - 1, NOW, &fault);
    if (who != NULL) {
        if (fault != TOKEN_GOOD || who->expires <= NOW || who->revoked ||
            (who->user[0] != '\0' && !identity_names(who->user, strlen(who->user))) ||
            (who->jti != NULL && !identity_names(who->jti, strlen(who->jti))))
            abort();
        walk(who->subscribe);
        walk(who->publish);
        identity_free(who);
    } else if (!token.overflow && fault == TOKEN_GOOD) {
        abort();
    }
    buf_free(&token);
    return 0;
}
