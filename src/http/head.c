#include "http/head.h"

#include <strings.h>

struct reader {
    const char *at;
    const char *end;
    struct mr_error *err;
};

/* What the fields say about the framing, gathered before it is judged. */
struct framing {
    unsigned n_hosts;
    unsigned n_lengths;
    unsigned n_codings;
    struct mr_str host;
    struct mr_str length;
    struct mr_str coding;
    bool has_close;
    bool has_keep_alive;
};

/* What a byte may be part of: a token (RFC 9110 section 5.6.2) and a host with a port (RFC 3986
 * section 3.2.2). */
enum { TOKEN = 1, HOST = 2, BOTH = TOKEN | HOST };
static const unsigned char class_of[256] = {
    ['!'] = BOTH,  ['$'] = BOTH,  ['%'] = BOTH,  ['&'] = BOTH, ['\''] = BOTH, ['*'] = BOTH,
    ['+'] = BOTH,  ['-'] = BOTH,  ['.'] = BOTH,  ['_'] = BOTH, ['~'] = BOTH,  ['#'] = TOKEN,
    ['^'] = TOKEN, ['`'] = TOKEN, ['|'] = TOKEN, ['('] = HOST, [')'] = HOST,  [','] = HOST,
    [';'] = HOST,  ['='] = HOST,  [':'] = HOST,  ['['] = HOST, [']'] = HOST,  ['0'] = BOTH,
    ['1'] = BOTH,  ['2'] = BOTH,  ['3'] = BOTH,  ['4'] = BOTH, ['5'] = BOTH,  ['6'] = BOTH,
    ['7'] = BOTH,  ['8'] = BOTH,  ['9'] = BOTH,  ['A'] = BOTH, ['B'] = BOTH,  ['C'] = BOTH,
    ['D'] = BOTH,  ['E'] = BOTH,  ['F'] = BOTH,  ['G'] = BOTH, ['H'] = BOTH,  ['I'] = BOTH,
    ['J'] = BOTH,  ['K'] = BOTH,  ['L'] = BOTH,  ['M'] = BOTH, ['N'] = BOTH,  ['O'] = BOTH,
    ['P'] = BOTH,  ['Q'] = BOTH,  ['R'] = BOTH,  ['S'] = BOTH, ['T'] = BOTH,  ['U'] = BOTH,
    ['V'] = BOTH,  ['W'] = BOTH,  ['X'] = BOTH,  ['Y'] = BOTH, ['Z'] = BOTH,  ['a'] = BOTH,
    ['b'] = BOTH,  ['c'] = BOTH,  ['d'] = BOTH,  ['e'] = BOTH, ['f'] = BOTH,  ['g'] = BOTH,
    ['h'] = BOTH,  ['i'] = BOTH,  ['j'] = BOTH,  ['k'] = BOTH, ['l'] = BOTH,  ['m'] = BOTH,
    ['n'] = BOTH,  ['o'] = BOTH,  ['p'] = BOTH,  ['q'] = BOTH, ['r'] = BOTH,  ['s'] = BOTH,
    ['t'] = BOTH,  ['u'] = BOTH,  ['v'] = BOTH,  ['w'] = BOTH, ['x'] = BOTH,  ['y'] = BOTH,
    ['z'] = BOTH,
};

static bool is_token(char c) {
    return class_of[(unsigned char)c] & TOKEN;
}

bool mr_http_is_token_char(char c) {
    return is_token(c);
}

static mr_status bad(struct reader *reader, const char *what) {
    return mr_fail(reader->err, MR_E_BAD_REQUEST, "%s", what);
}

size_t mr_http_head_size(const char *data, size_t size, size_t *scanned) {
    const char *end = data + size;
    const char *at = data + *scanned;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) {
            at = end;
            break;
        }
        const char *next = newline + 1;
        /* A bare LF counts here too, so that its sender gets the parser's answer at once. */
        if (next < end && *next == '\n') return (size_t)(next + 1 - data);
        if (next + 1 < end && next[0] == '\r' && next[1] == '\n') return (size_t)(next + 2 - data);
        if (next == end || (next + 1 == end && *next == '\r')) {
            at = newline;
            break;
        }
        at = next;
    }
    *scanned = (size_t)(at - data);
    return 0;
}

static struct mr_str token(struct reader *reader) {
    const char *start = reader->at;
    while (reader->at < reader->end && is_token(*reader->at)) reader->at++;
    return (struct mr_str){start, (size_t)(reader->at - start)};
}

static bool equals_without_case(struct mr_str text, const char *word, size_t size) {
    return text.size == size && strncasecmp(text.data, word, size) == 0;
}

/* `word` is a string literal. */
#define IS_WORD(text, word) equals_without_case((text), (word), sizeof(word) - 1)

/* Cut the request target into path and query (RFC 9112 section 3.2). */
static mr_status split_target(struct reader *reader, struct mr_str target,
                              struct mr_http_head *out) {
    for (size_t i = 0; i < target.size; i++) {
        unsigned char c = (unsigned char)target.data[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return bad(reader, "the request target has a character that must be percent-encoded");
    }
    size_t scheme = 0;
    if (target.size > 7 && strncasecmp(target.data, "http://", 7) == 0) scheme = 7;
    if (target.size > 8 && strncasecmp(target.data, "https://", 8) == 0) scheme = 8;
    if (scheme) { /* absolute-form, as sent to a proxy: the authority is not ours to judge */
        const char *rest = target.data + scheme;
        size_t left = target.size - scheme;
        while (left && *rest != '/' && *rest != '?') {
            rest++;
            left--;
        }
        target = (struct mr_str){rest, left};
        if (!left || *rest == '?') out->path = (struct mr_str){"/", 1};
    } else if (!(target.data[0] == '/' || mr_str_is(target, "*"))) {
        return bad(reader, "the request target is neither a path nor an http URL");
    }
    const char *mark = target.size ? memchr(target.data, '?', target.size) : NULL;
    size_t path_size = mark ? (size_t)(mark - target.data) : target.size;
    if (path_size) out->path = (struct mr_str){target.data, path_size};
    if (mark) out->query = (struct mr_str){mark + 1, target.size - path_size - 1};
    return MR_OK;
}

static mr_status request_line(struct reader *reader, struct mr_http_head *out) {
    out->method = token(reader);
    if (!out->method.size || reader->at == reader->end || *reader->at != ' ')
        return bad(reader, "the request line does not start with a method and one space");
    const char *start = ++reader->at;
    const char *line_end = memchr(start, '\n', (size_t)(reader->end - start));
    if (!line_end || line_end == start || line_end[-1] != '\r')
        return bad(reader, "a line does not end with CR LF");
    const char *space = memchr(start, ' ', (size_t)(line_end - start));
    if (!space || space == start)
        return bad(reader, "the request line is not method, target and version");
    struct mr_str version = {space + 1, (size_t)(line_end - 1 - (space + 1))};
    reader->at = line_end + 1;
    if (version.size != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[6] != '.' ||
        version.data[5] < '0' || version.data[5] > '9' || version.data[7] < '0' ||
        version.data[7] > '9')
        return bad(reader, "the request line does not end with the HTTP version");
    if (version.data[5] != '1')
        return mr_fail(reader->err, MR_E_HTTP_VERSION,
                       "only HTTP/1.0 and HTTP/1.1 are spoken here");
    out->is_http_1_0 = version.data[7] == '0';
    return split_target(reader, (struct mr_str){start, (size_t)(space - start)}, out);
}

/* The words of a comma-separated Connection field. */
static void read_connection(struct mr_str value, struct framing *framing) {
    const char *at = value.data;
    const char *end = value.data + value.size;
    while (at < end) {
        while (at < end && (*at == ',' || *at == ' ' || *at == '\t')) at++;
        const char *start = at;
        while (at < end && *at != ',' && *at != ' ' && *at != '\t') at++;
        struct mr_str word = {start, (size_t)(at - start)};
        if (IS_WORD(word, "close")) framing->has_close = true;
        if (IS_WORD(word, "keep-alive")) framing->has_keep_alive = true;
    }
}

static void note_field(const struct mr_http_field *field, struct mr_http_head *out,
                       struct framing *framing) {
    struct mr_str name = field->name;
    switch (name.size) {
    case 4:
        if (IS_WORD(name, "host")) {
            framing->n_hosts++;
            framing->host = field->value;
        }
        break;
    case 6:
        /* Other expectations are ignored: RFC 9110 section 10.1.1 allows 417 but asks for nothing
         */
        if (IS_WORD(name, "expect") && IS_WORD(field->value, "100-continue"))
            out->expects_continue = true;
        break;
    case 10:
        if (IS_WORD(name, "connection")) read_connection(field->value, framing);
        break;
    case 14:
        if (IS_WORD(name, "content-length")) {
            framing->n_lengths++;
            framing->length = field->value;
        }
        break;
    case 17:
        if (IS_WORD(name, "transfer-encoding")) {
            framing->n_codings++;
            framing->coding = field->value;
        }
        break;
    default: break;
    }
}

/* Anything but a horizontal tab, visible ASCII, space and obs-text. */
static bool has_control_char(const char *data, size_t size) {
    unsigned char found = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        found |= (unsigned char)(((c < 0x20) & (c != '\t')) | (c == 0x7f));
    }
    return found;
}

static mr_status field_line(struct reader *reader, struct mr_http_field *out) {
    if (*reader->at == ' ' || *reader->at == '\t')
        return bad(reader, "a header field is folded over two lines");
    out->name = token(reader);
    if (!out->name.size || reader->at == reader->end || *reader->at != ':')
        return bad(reader, "a header line is not a name, a colon and a value");
    const char *start = ++reader->at;
    const char *newline = memchr(start, '\n', (size_t)(reader->end - start));
    if (!newline || newline == start || newline[-1] != '\r')
        return bad(reader, "a line does not end with CR LF");
    reader->at = newline + 1;
    const char *stop = newline - 1;
    while (start < stop && (*start == ' ' || *start == '\t')) start++;
    while (stop > start && (stop[-1] == ' ' || stop[-1] == '\t')) stop--;
    if (has_control_char(start, (size_t)(stop - start)))
        return bad(reader, "a header value has a control character");
    out->value = (struct mr_str){start, (size_t)(stop - start)};
    return MR_OK;
}

static mr_status read_length(struct reader *reader, struct mr_str text, uint64_t *out) {
    if (!text.size) return bad(reader, "Content-Length is empty");
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit > 9) return bad(reader, "Content-Length is not a decimal number");
        value = value > (INT64_MAX - 9) / 10 ? INT64_MAX : value * 10 + digit;
        if (value > INT64_MAX) value = INT64_MAX;
    }
    *out = value;
    return MR_OK;
}

static bool is_host(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (!(class_of[(unsigned char)text.data[i]] & HOST)) return false;
    }
    return true;
}

/* How long is the body? RFC 9112 section 6.3, with every doubtful case refused. */
static mr_status judge_framing(struct reader *reader, const struct framing *framing,
                               struct mr_http_head *out) {
    if (framing->n_hosts > 1 || (framing->n_hosts == 0 && !out->is_http_1_0))
        return bad(reader, "HTTP/1.1 needs exactly one Host header");
    if (!is_host(framing->host)) return bad(reader, "the Host header is not a host and a port");
    if (framing->n_lengths > 1) return bad(reader, "Content-Length is given more than once");
    if (framing->n_codings && framing->n_lengths)
        return bad(reader, "Content-Length and Transfer-Encoding are both given");
    if (framing->n_codings > 1) return bad(reader, "Transfer-Encoding is given more than once");
    if (framing->n_codings) {
        if (out->is_http_1_0) return bad(reader, "HTTP/1.0 has no Transfer-Encoding");
        if (!IS_WORD(framing->coding, "chunked"))
            return mr_fail(reader->err, MR_E_UNSUPPORTED,
                           "chunked is the only Transfer-Encoding that is understood");
        out->is_chunked = true;
    }
    out->is_keep_alive = !framing->has_close && (!out->is_http_1_0 || framing->has_keep_alive);
    if (out->is_http_1_0) out->expects_continue = false; /* RFC 9110 section 10.1.1 */
    return framing->n_lengths ? read_length(reader, framing->length, &out->content_length) : MR_OK;
}

mr_status mr_http_head_parse(struct mr_str text, struct mr_http_head *out, struct mr_error *err) {
    struct reader reader = {text.data, text.data + text.size, err};
    struct framing framing = {0};
    out->text = text;
    out->path = out->query = (struct mr_str){NULL, 0};
    out->expects_continue = out->is_chunked = false;
    out->content_length = 0;
    out->n_fields = 0;
    MR_TRY(request_line(&reader, out));
    for (;;) {
        if (reader.end - reader.at < 2) return bad(&reader, "a line does not end with CR LF");
        if (reader.at[0] == '\r' && reader.at[1] == '\n') break;
        if (out->n_fields == MR_HTTP_MAX_FIELDS)
            return mr_fail(err, MR_E_HEADERS_TOO_LARGE, "more than %d header fields",
                           MR_HTTP_MAX_FIELDS);
        struct mr_http_field *field = &out->fields[out->n_fields];
        MR_TRY(field_line(&reader, field));
        note_field(field, out, &framing);
        out->n_fields++;
    }
    return judge_framing(&reader, &framing, out);
}

/* The same part of another copy of the text. What lies outside of it stays: the path that the
 * parser gives a URL without one. */
static struct mr_str moved(struct mr_str part, struct mr_str from, const char *to) {
    size_t at = (size_t)((uintptr_t)part.data - (uintptr_t)from.data);
    return at < from.size ? (struct mr_str){to + at, part.size} : part;
}

void mr_http_head_copy(const struct mr_http_head *head, char *text, struct mr_http_head *out) {
    struct mr_str from = head->text;
    if (from.size) memcpy(text, from.data, from.size);
    memcpy(out, head, offsetof(struct mr_http_head, fields));
    out->text = (struct mr_str){text, from.size};
    out->method = moved(head->method, from, text);
    out->path = moved(head->path, from, text);
    out->query = moved(head->query, from, text);
    for (size_t i = 0; i < head->n_fields; i++) {
        out->fields[i] = (struct mr_http_field){moved(head->fields[i].name, from, text),
                                                moved(head->fields[i].value, from, text)};
    }
}

struct mr_str mr_http_head_find(const struct mr_http_head *head, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < head->n_fields; i++) {
        if (equals_without_case(head->fields[i].name, name, size)) return head->fields[i].value;
    }
    return (struct mr_str){NULL, 0};
}
