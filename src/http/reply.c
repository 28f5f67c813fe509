#include "http/reply.h"

#include <stdio.h>
#include <time.h>

#include "base/text.h"

/* Reason phrases of RFC 9110 section 15 and RFC 6585. */
static struct mr_str reason(int status) {
#define CASE(code, text)                                                                           \
    case code: return (struct mr_str) { #code " " text, sizeof(#code " " text) - 1                 \
        }
    switch (status) {
        CASE(200, "OK");
        CASE(201, "Created");
        CASE(202, "Accepted");
        CASE(204, "No Content");
        CASE(301, "Moved Permanently");
        CASE(302, "Found");
        CASE(303, "See Other");
        CASE(304, "Not Modified");
        CASE(307, "Temporary Redirect");
        CASE(308, "Permanent Redirect");
        CASE(400, "Bad Request");
        CASE(401, "Unauthorized");
        CASE(403, "Forbidden");
        CASE(404, "Not Found");
        CASE(405, "Method Not Allowed");
        CASE(406, "Not Acceptable");
        CASE(408, "Request Timeout");
        CASE(409, "Conflict");
        CASE(410, "Gone");
        CASE(411, "Length Required");
        CASE(412, "Precondition Failed");
        CASE(413, "Content Too Large");
        CASE(415, "Unsupported Media Type");
        CASE(422, "Unprocessable Content");
        CASE(429, "Too Many Requests");
        CASE(431, "Request Header Fields Too Large");
        CASE(499, "Client Closed Request");
        CASE(500, "Internal Server Error");
        CASE(501, "Not Implemented");
        CASE(502, "Bad Gateway");
        CASE(503, "Service Unavailable");
        CASE(504, "Gateway Timeout");
        CASE(505, "HTTP Version Not Supported");
    default: return (struct mr_str){NULL, 0};
    }
#undef CASE
}

static bool is_clean(struct mr_str value) {
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < 0x20 || c == 0x7f) return false;
    }
    return true;
}

/* One header line; `name` has its colon and space. Nothing without a value, with one that would
 * split the response, or where the whole line does not fit. */
static void put_field(struct mr_text *text, const char *name, struct mr_str value) {
    if (!value.size || !is_clean(value)) return;
    size_t name_size = strlen(name);
    if (name_size + value.size + 2 > text->capacity - text->size) {
        text->is_full = true;
        return;
    }
    mr_text_put(text, name, name_size);
    mr_text_put(text, value.data, value.size);
    MR_TEXT_PUT(text, "\r\n");
}

static void put_number_field(struct mr_text *text, const char *name, uint64_t value) {
    mr_text_put(text, name, strlen(name));
    mr_text_uint(text, value);
    MR_TEXT_PUT(text, "\r\n");
}

static void put_framing(struct mr_text *text, const struct mr_http_reply *reply) {
    if (reply->framing == MR_HTTP_FRAMING_LENGTH) {
        put_number_field(text, "Content-Length: ", reply->content_length);
        return;
    }
    MR_TEXT_PUT(text, "Cache-Control: no-cache\r\n");
    if (reply->framing == MR_HTTP_FRAMING_CHUNKED)
        MR_TEXT_PUT(text, "Transfer-Encoding: chunked\r\n");
}

bool mr_http_reply_has_body(int status) {
    return status >= 200 && status != 204 && status != 304;
}

/* IMF-fixdate (RFC 9110 section 5.6.7); not strftime, which follows the locale. */
static void renew_stamp(struct mr_http_stamp *stamp, int64_t now_s) {
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t second = (time_t)now_s;
    struct tm tm;
    if (!gmtime_r(&second, &tm)) tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
    char date[64];
    int size = snprintf(date, sizeof date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                        days + tm.tm_wday * 3, tm.tm_mday, months + tm.tm_mon * 3,
                        tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    struct mr_text text = {stamp->text, 0, sizeof stamp->text, false};
    put_field(&text, "Date: ", (struct mr_str){date, (size_t)size});
    put_field(&text, "Server: ", mr_str_from(stamp->server));
    stamp->size = text.size;
    stamp->second = now_s;
}

size_t mr_http_reply_write(const struct mr_http_reply *reply, struct mr_http_stamp *stamp,
                           int64_t now_s, char *out, size_t capacity) {
    if (stamp->second != now_s || !stamp->size) renew_stamp(stamp, now_s);
    struct mr_text text = {out, 0, capacity, false};
    struct mr_str phrase = reason(reply->status);
    MR_TEXT_PUT(&text, "HTTP/1.1 ");
    if (phrase.size) {
        mr_text_put(&text, phrase.data, phrase.size);
    } else {
        mr_text_uint(&text, (uint64_t)(reply->status < 0 ? 0 : reply->status));
        MR_TEXT_PUT(&text, " ");
    }
    MR_TEXT_PUT(&text, "\r\n");
    mr_text_put(&text, stamp->text, stamp->size);
    put_field(&text, "Content-Type: ", mr_str_from(reply->content_type));
    put_field(&text, "Location: ", reply->location);
    put_field(&text, "Allow: ", reply->allow);
    if (reply->connection == MR_HTTP_CONNECTION_CLOSE) MR_TEXT_PUT(&text, "Connection: close\r\n");
    if (reply->connection == MR_HTTP_CONNECTION_KEEP_ALIVE)
        MR_TEXT_PUT(&text, "Connection: keep-alive\r\n");
    if (reply->retry_after_s) put_number_field(&text, "Retry-After: ", reply->retry_after_s);
    put_field(&text, "X-Request-Id: ", reply->request_id);
    for (size_t i = 0; reply->extras && i < MR_HTTP_MAX_EXTRAS && reply->extras[i].name; i++) {
        put_field(&text, reply->extras[i].name, reply->extras[i].value);
    }
    if (mr_http_reply_has_body(reply->status)) put_framing(&text, reply);
    MR_TEXT_PUT(&text, "\r\n");
    return text.is_full ? 0 : text.size;
}
