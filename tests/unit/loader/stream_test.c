#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "loader/stream.h"

enum { N = 300000 };

static struct mr_error err;
static char plain[N];

static int setup(void **state) {
    (void)state;
    uint32_t random = 1;
    for (size_t i = 0; i < N; i++) {
        random = random * 1664525 + 1013904223;
        plain[i] = (char)(random >> 29); /* can be compressed, but not to nothing */
    }
    plain[0] = '\x80'; /* as pickles begin */
    return 0;
}

/* window_bits: 15 for zlib, 31 for gzip. */
static struct mr_str compressed(int window_bits, char *out, size_t capacity) {
    z_stream z = {.next_in = (unsigned char *)plain,
                  .avail_in = N,
                  .next_out = (unsigned char *)out,
                  .avail_out = (uInt)capacity};
    assert_int_equal(deflateInit2(&z, 3, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&z), Z_OK);
    return (struct mr_str){out, capacity - z.avail_out};
}

/* Reads all in pieces of growing size, which pass the buffer, straddle it and go around it. */
static void assert_reads_all(struct mr_stream *stream) {
    char *got = malloc(N);
    size_t at = 0;
    for (size_t n = 1; at < N; n = n * 3 + 1) {
        size_t piece = n < N - at ? n : N - at;
        assert_int_equal(mr_stream_read(stream, got + at, piece, &err), MR_OK);
        at += piece;
        assert_int_equal(mr_stream_offset(stream), at);
        assert_true(mr_stream_max_left(stream) >= N - at);
    }
    assert_memory_equal(got, plain, N);
    assert_int_equal(mr_stream_check_end(stream, &err), MR_OK);
    assert_int_equal(mr_stream_read(stream, got, 1, &err), MR_E_FORMAT);
    assert_string_equal(err.message, "the file ends at byte 300000");
    free(got);
}

static void assert_reads(struct mr_str stored) {
    struct mr_stream *stream = NULL;
    assert_int_equal(mr_stream_open(NULL, stored, &stream, &err), MR_OK);
    assert_int_equal(mr_stream_stored_bytes(stream), stored.size);
    assert_reads_all(stream);
    mr_stream_close(stream);
    int fd = memfd_create("stream", 0);
    assert_int_equal(write(fd, stored.data, stored.size), stored.size);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(mr_stream_open(path, (struct mr_str){0}, &stream, &err), MR_OK);
    assert_reads_all(stream);
    mr_stream_close(stream);
    close(fd);
}

static void test_formats(void **state) {
    (void)state;
    static char packed[2 * N];
    assert_reads((struct mr_str){plain, N});
    assert_reads(compressed(15, packed, sizeof(packed)));
    assert_reads(compressed(31, packed, sizeof(packed)));
}

/* A bit of each part of the file. */
static void test_damage(void **state) {
    (void)state;
    static char packed[2 * N];
    struct mr_str stored = compressed(15, packed, sizeof(packed));
    char *got = malloc(N);
    int n_detected = 0;
    for (size_t at = 1; at < stored.size; at += stored.size / 50) {
        struct mr_stream *stream = NULL;
        packed[at] ^= 0x10;
        assert_int_equal(mr_stream_open(NULL, stored, &stream, &err), MR_OK);
        mr_status status = mr_stream_read(stream, got, N, &err);
        if (status == MR_OK) status = mr_stream_check_end(stream, &err);
        /* Damage may also make the data longer; then its end is not seen. */
        assert_true(status == MR_OK || status == MR_E_FORMAT);
        n_detected += status == MR_E_FORMAT;
        mr_stream_close(stream);
        packed[at] ^= 0x10;
    }
    assert_true(n_detected > 40);
    struct mr_stream *stream = NULL;
    stored.size /= 2;
    assert_int_equal(mr_stream_open(NULL, stored, &stream, &err), MR_OK);
    assert_int_equal(mr_stream_read(stream, got, N, &err), MR_E_FORMAT);
    assert_non_null(strstr(err.message, "the file ends at byte"));
    mr_stream_close(stream);
    free(got);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *start, *name;
    } cases[] = {
        {"BZh91AY", "bz2"},          {"\xfd\x37zXZ", "xz"}, {"\x5d\x00\x00", "lzma"},
        {"\x04\x22\x4d\x18", "lz4"}, {"ZF0x20", "joblib"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mr_stream *stream;
        char start[8] = {0};
        memcpy(start, cases[i].start, strlen(cases[i].start));
        assert_int_equal(mr_stream_open(NULL, (struct mr_str){start, 8}, &stream, &err),
                         MR_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, cases[i].name));
    }
    struct mr_stream *stream;
    assert_int_equal(mr_stream_open("tests/none", (struct mr_str){0}, &stream, &err), MR_E_IO);
    assert_int_equal(mr_stream_open("tests", (struct mr_str){0}, &stream, &err), MR_E_IO);
}

static void test_empty(void **state) {
    (void)state;
    struct mr_stream *stream = NULL;
    char byte;
    assert_int_equal(mr_stream_open(NULL, (struct mr_str){"", 0}, &stream, &err), MR_OK);
    assert_int_equal(mr_stream_max_left(stream), 0);
    assert_int_equal(mr_stream_read(stream, &byte, 0, &err), MR_OK);
    assert_int_equal(mr_stream_read(stream, &byte, 1, &err), MR_E_FORMAT);
    mr_stream_close(stream);
    mr_stream_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
