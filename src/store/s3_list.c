/* The XML that S3 answers, read by expat. */
#include <expat.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/number.h"
#include "store/artifact_store_int.h"

#define MAX_TEXT_BYTES 8192 /* of an element: keys have at most 1024 bytes, each encoded in 3 */
#define MAX_XML_DEPTH 16

enum element {
    OTHER,
    KEY,
    SIZE,
    ETAG,
    ENCODING,
    IS_TRUNCATED,
    NEXT_TOKEN,
    CODE,
    MESSAGE,
    N_ELEMENTS
};

static const char *const names[N_ELEMENTS] = {
    [KEY] = "Key",
    [SIZE] = "Size",
    [ETAG] = "ETag",
    [ENCODING] = "EncodingType",
    [IS_TRUNCATED] = "IsTruncated",
    [NEXT_TOKEN] = "NextContinuationToken",
    [CODE] = "Code",
    [MESSAGE] = "Message",
};

/* A document being read: the texts of the elements that matter, and what is done with them. */
struct reader {
    XML_Parser parser;
    const char *root; /* the name that the document must have */
    struct mr_arena *arena;
    struct mr_buf texts[N_ELEMENTS];
    enum element at;
    int depth;
    bool is_entry; /* inside of Contents */
    bool has_root;
    mr_status (*end_entry)(struct reader *reader, struct mr_error *err); /* NULL: nothing to do */
    void *ctx;
    mr_status status;
    struct mr_error *err;
};

static void stop(struct reader *reader, mr_status status) {
    reader->status = status;
    XML_StopParser(reader->parser, XML_FALSE);
}

static void start_element(void *ctx, const char *name, const char **attributes) {
    (void)attributes;
    struct reader *reader = ctx;
    if (++reader->depth > MAX_XML_DEPTH) {
        stop(reader, mr_fail(reader->err, MR_E_FORMAT, "the XML is too deep"));
        return;
    }
    if (reader->depth == 1) reader->has_root = strcmp(name, reader->root) == 0;
    reader->at = OTHER;
    if (reader->depth == 2 && strcmp(name, "Contents") == 0) {
        reader->is_entry = true;
        reader->texts[KEY].size = reader->texts[SIZE].size = reader->texts[ETAG].size = 0;
    }
    if (reader->depth != (reader->is_entry ? 3 : 2)) return;
    for (enum element i = KEY; i < N_ELEMENTS; i++) {
        bool belongs = (i <= ETAG) == reader->is_entry;
        if (belongs && strcmp(name, names[i]) == 0) {
            reader->at = i;
            reader->texts[i].size = 0;
        }
    }
}

static void take_text(void *ctx, const char *text, int size) {
    struct reader *reader = ctx;
    if (reader->at == OTHER) return;
    struct mr_buf *buf = &reader->texts[reader->at];
    if (buf->size + (size_t)size > MAX_TEXT_BYTES) {
        stop(reader, mr_fail(reader->err, MR_E_FORMAT, "a text of the XML is too long"));
        return;
    }
    mr_buf_append(buf, text, (size_t)size);
}

static void end_element(void *ctx, const char *name) {
    (void)name;
    struct reader *reader = ctx;
    reader->at = OTHER;
    if (reader->depth-- != 2 || !reader->is_entry) return;
    reader->is_entry = false;
    mr_status status = reader->end_entry ? reader->end_entry(reader, reader->err) : MR_OK;
    if (status != MR_OK) stop(reader, status);
}

/* Document types can define entities that grow without bound; S3 sends none. */
static void start_doctype(void *ctx, const char *name, const char *sysid, const char *pubid,
                          int has_internal) {
    (void)name, (void)sysid, (void)pubid, (void)has_internal;
    struct reader *reader = ctx;
    stop(reader, mr_fail(reader->err, MR_E_FORMAT, "the XML has a document type"));
}

static mr_status read_xml(struct reader *reader, struct mr_str xml) {
    reader->parser = XML_ParserCreate(NULL);
    if (!reader->parser) return mr_fail(reader->err, MR_E_NO_MEMORY, "out of memory");
    for (int i = 0; i < N_ELEMENTS; i++) mr_buf_init(&reader->texts[i], reader->arena);
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, start_element, end_element);
    XML_SetCharacterDataHandler(reader->parser, take_text);
    XML_SetStartDoctypeDeclHandler(reader->parser, start_doctype);
    enum XML_Status parsed = xml.size > INT32_MAX
                                 ? XML_STATUS_ERROR
                                 : XML_Parse(reader->parser, xml.data, (int)xml.size, 1);
    if (reader->status == MR_OK && (parsed != XML_STATUS_OK || !reader->has_root)) {
        reader->status = mr_fail(reader->err, MR_E_FORMAT, "the answer is no XML of a %s",
                                 reader->root);
    }
    XML_ParserFree(reader->parser);
    return reader->status;
}

/* Undo the encoding of names, in place: botocore.handlers.decode_list_object_v2, which takes '+'
 * for a space (urllib.parse.unquote_plus). */
static struct mr_str decode(struct mr_buf *buf) {
    static const char digits[] = "0123456789abcdefABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < buf->size; i++) {
        char c = buf->data[i];
        if (c == '+') c = ' ';
        if (c == '%' && i + 2 < buf->size) {
            const char *high = memchr(digits, buf->data[i + 1], 22);
            const char *low = memchr(digits, buf->data[i + 2], 22);
            if (high && low) {
                size_t h = (size_t)(high - digits), l = (size_t)(low - digits);
                c = (char)((h > 15 ? h - 6 : h) * 16 + (l > 15 ? l - 6 : l));
                i += 2;
            }
        }
        buf->data[n++] = c;
    }
    return (struct mr_str){buf->data, n};
}

struct page {
    struct mr_artifact_list *list;
    const char *prefix;
    bool is_encoded; /* its names; a server may not know what it was asked for */
};

static mr_status add_entry(struct reader *reader, struct mr_error *err) {
    struct page *page = reader->ctx;
    struct mr_str key = page->is_encoded ? decode(&reader->texts[KEY])
                                         : mr_buf_str(&reader->texts[KEY]);
    int64_t size;
    bool is_big = false;
    if (!key.size) return mr_fail(err, MR_E_FORMAT, "an object is listed without its key");
    if (!mr_int_parse(mr_buf_str(&reader->texts[SIZE]), &size, &is_big) || is_big || size < 0) {
        return mr_fail(err, MR_E_FORMAT, "'%.*s' is listed without a usable size",
                       MR_STR_ARGS(key));
    }
    size_t n = strlen(page->prefix);
    if (key.size < n || (n && memcmp(key.data, page->prefix, n) != 0)) {
        return mr_fail(err, MR_E_FORMAT, "'%.*s' is listed, which was not asked for",
                       MR_STR_ARGS(key));
    }
    /* A folder's own mark: s3_artifact_repo.py, _file_is_directory_marker; and that of the root. */
    if (size == 0 && (key.size == n || key.data[key.size - 1] == '/')) return MR_OK;
    return mr_artifact_list_add(page->list, (struct mr_str){key.data + n, key.size - n},
                                (uint64_t)size, mr_buf_str(&reader->texts[ETAG]), err);
}

mr_status mr_s3_read_list(struct mr_str xml, const char *prefix, struct mr_artifact_list *list,
                          const char **next, struct mr_error *err) {
    struct page page = {list, prefix, false};
    struct reader reader = {
        .root = "ListBucketResult", .arena = list->arena, .ctx = &page, .err = err};
    *next = NULL;
    /* How names are written can be said behind them. */
    MR_TRY(read_xml(&reader, xml));
    page.is_encoded = mr_str_is(mr_buf_str(&reader.texts[ENCODING]), "url");
    reader.end_entry = add_entry;
    MR_TRY(read_xml(&reader, xml));
    for (int i = 0; i < N_ELEMENTS; i++) MR_TRY(mr_buf_status(&reader.texts[i], err));
    if (!mr_str_is(mr_buf_str(&reader.texts[IS_TRUNCATED]), "true")) return MR_OK;
    struct mr_str token = mr_buf_str(&reader.texts[NEXT_TOKEN]);
    if (!token.size) {
        return mr_fail(err, MR_E_FORMAT, "the listing goes on, but does not say where");
    }
    *next = mr_arena_strdup(list->arena, token);
    return *next ? MR_OK : mr_arena_fail(list->arena, err);
}

void mr_s3_read_fault(struct mr_str xml, char *out, size_t size) {
    out[0] = '\0';
    struct mr_arena *arena = mr_arena_new((size_t)1 << 20, NULL);
    struct reader reader = {.root = "Error", .arena = arena};
    if (arena && read_xml(&reader, xml) == MR_OK) {
        struct mr_str code = mr_buf_str(&reader.texts[CODE]);
        struct mr_str message = mr_buf_str(&reader.texts[MESSAGE]);
        snprintf(out, size, "%.*s: %.*s", MR_STR_ARGS(code), MR_STR_ARGS(message));
    }
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    }
    mr_arena_free(arena);
}
