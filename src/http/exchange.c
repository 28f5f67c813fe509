#include "http/exchange.h"

#include "http/loop.h"

/* A bijection of 64 bits that mixes well (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, 2014): ids of one I/O thread never repeat. */
static uint64_t splitmix64(uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static void make_id(struct mr_http_loop *loop, char id[16]) {
    uint64_t bits = splitmix64(loop->next_id++);
    for (int i = 0; i < 16; i++) id[i] = "0123456789abcdef"[bits >> (60 - 4 * i) & 15];
}

/* Visible ASCII without what JSON or a log's fields would have to escape. */
static bool is_plain(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\') return false;
    }
    return text.size > 0;
}

void mr_http_exchange_begin(struct mr_http_connection *connection) {
    connection->exchange = (struct mr_http_exchange){.first_ns = mr_clock_ns()};
    make_id(connection->loop, connection->id);
    connection->exchange.id = (struct mr_str){connection->id, 16};
}

void mr_http_exchange_identify(struct mr_http_connection *connection,
                               const struct mr_http_head *head) {
    struct mr_http_exchange *exchange = &connection->exchange;
    exchange->method = head->method;
    exchange->path = head->path;
    struct mr_str id = mr_http_head_find(head, "X-Request-Id");
    if (id.size > sizeof(connection->id) || !is_plain(id)) return;
    memcpy(connection->id, id.data, id.size);
    exchange->id.size = id.size;
}

bool mr_http_exchange_keep(struct mr_http_connection *connection) {
    struct mr_http_exchange *exchange = &connection->exchange;
    char *method = mr_arena_strdup(connection->arena, exchange->method);
    char *path = mr_arena_strdup(connection->arena, exchange->path);
    if (!method || !path) return false;
    exchange->method.data = method;
    exchange->path.data = path;
    return true;
}

void mr_http_exchange_end(struct mr_http_connection *connection) {
    const struct mr_http_options *options = connection->loop->options;
    struct mr_http_exchange *exchange = &connection->exchange;
    if (!exchange->first_ns) return;
    size_t n_left = connection->unsent[1].size;
    exchange->n_sent -= n_left < exchange->n_sent ? n_left : exchange->n_sent;
    exchange->end_ns = mr_clock_ns();
    if (exchange->route) exchange->notes = connection->request.notes;
    bool is_known = exchange->method.size || exchange->status;
    if (options->observe && is_known) options->observe(options->ctx, exchange);
    exchange->first_ns = 0;
}
