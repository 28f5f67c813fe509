/* Requests: heads one after the other as a connection would find them, sized and chunked bodies.
 *
 * Each body is decoded twice, whole and in two pieces: the result may not depend on how the bytes
 * arrive, or one who splits packets could smuggle a request. */
#include <stdlib.h>

#include "http/chunked.h"
#include "http/head.h"
#include "http/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An FNV hash over the body, and what became of the decoder. */
struct outcome {
    mr_status status;
    bool is_done;
    uint64_t hash;
    size_t n_left;
};

static void decode(struct mr_http_chunked *chunked, struct mr_str input, struct outcome *out) {
    while (input.size && !mr_http_chunked_is_done(chunked) && out->status == MR_OK) {
        struct mr_str piece;
        out->status = mr_http_chunked_next(chunked, &input, &piece, NULL);
        for (size_t i = 0; i < piece.size; i++)
            out->hash = (out->hash ^ (unsigned char)piece.data[i]) * 1099511628211U;
    }
    out->is_done = mr_http_chunked_is_done(chunked);
    out->n_left = input.size;
}

/* Returns the bytes that the body takes. */
static size_t check_chunked(struct mr_str input) {
    struct mr_http_chunked chunked;
    struct outcome whole = {0}, pieces = {0};
    mr_http_chunked_init(&chunked, 1000);
    decode(&chunked, input, &whole);
    size_t cut = input.size / 2;
    mr_http_chunked_init(&chunked, 1000);
    decode(&chunked, (struct mr_str){input.data, cut}, &pieces);
    if (pieces.is_done || pieces.status != MR_OK) {
        pieces.n_left += input.size - cut;
    } else {
        decode(&chunked, (struct mr_str){input.data + cut, input.size - cut}, &pieces);
    }
    if (whole.status != pieces.status || whole.is_done != pieces.is_done) __builtin_trap();
    if (whole.status == MR_OK && (whole.hash != pieces.hash || whole.n_left != pieces.n_left))
        __builtin_trap();
    return whole.status == MR_OK && whole.is_done ? input.size - whole.n_left : input.size;
}

static void look_up(const struct mr_http_head *head) {
    static const struct mr_http_route routes[] = {{"POST", "/invocations", NULL, NULL},
                                                  {"GET", "/ping", NULL, NULL}};
    char out[512];
    struct mr_http_found found = mr_http_route_find(routes, 2, head->method, head->path);
    if (found.status == 307) mr_http_route_location(found.route, head->query, out, sizeof out);
    if (found.status == 405) mr_http_route_allow(routes, 2, head->path, out, sizeof out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_str input = {(const char *)data, size};
    static struct mr_http_head head;
    while (input.size) {
        size_t scanned = 0, resumed = 0;
        size_t head_size = mr_http_head_size(input.data, input.size, &scanned);
        size_t first = mr_http_head_size(input.data, input.size / 2, &resumed);
        if (!first) first = mr_http_head_size(input.data, input.size, &resumed);
        if (first != head_size) __builtin_trap();
        if (!head_size) break;
        struct mr_error err;
        if (mr_http_head_parse((struct mr_str){input.data, head_size}, &head, &err) != MR_OK) break;
        look_up(&head);
        input = (struct mr_str){input.data + head_size, input.size - head_size};
        size_t body = head.content_length < input.size ? (size_t)head.content_length : input.size;
        if (head.is_chunked) body = check_chunked(input);
        input = (struct mr_str){input.data + body, input.size - body};
    }
    return 0;
}
