#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "store/artifact_store_int.h"

#define HEAD "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/\">"
#define ENCODED "<EncodingType>url</EncodingType>"
#define TAIL "</ListBucketResult>"

static mr_status read_page(const char *xml, const char *prefix, struct mr_artifact_list *list,
                           const char **next, struct mr_error *err) {
    mr_artifact_list_init(list, arena);
    return mr_s3_read_list(mr_str_from(xml), prefix, list, next, err);
}

static void test_page(void **state) {
    (void)state;
    struct mr_artifact_list list;
    const char *next;
    struct mr_error err = {0};
    static const char xml[] = HEAD
        "<Name>b</Name><Prefix>m/</Prefix><IsTruncated>true</IsTruncated>"
        "<Contents><Key>m/</Key><Size>0</Size></Contents>"
        "<Contents><Key>m/sub/</Key><Size>0</Size></Contents>"
        "<Contents><Key>m/a+b%2Bc%c3%A4%</Key><ETag>&quot;1&quot;</ETag><Size>12</Size>"
        "<Owner><ID>x</ID><Key>not this</Key></Owner></Contents>"
        "<Contents>\n <Size>3</Size>\n <Key>m/d/<!-- e -->e</Key></Contents>"
        "<NextContinuationToken>to&amp;ken</NextContinuationToken><Key>nor this</Key>" ENCODED TAIL;
    assert_int_equal(read_page(xml, "m/", &list, &next, &err), MR_OK);
    assert_string_equal(next, "to&ken");
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[0].path, "a b+c\xc3\xa4%");
    assert_string_equal(list.items[0].etag, "\"1\"");
    assert_int_equal(list.items[0].size_bytes, 12);
    assert_string_equal(list.items[1].path, "d/e");
    assert_string_equal(list.items[1].etag, "");
    assert_int_equal(read_page(HEAD TAIL, "", &list, &next, &err), MR_OK);
    assert_int_equal(list.n, 0);
    assert_null(next);
}

/* A server that does not know what encoding-type asks for. */
static void test_names_as_they_are(void **state) {
    (void)state;
    struct mr_artifact_list list;
    const char *next;
    static const char xml[] = HEAD "<Contents><Key>a+b%41</Key><Size>1</Size></Contents>" TAIL;
    assert_int_equal(read_page(xml, "", &list, &next, NULL), MR_OK);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.items[0].path, "a+b%41");
}

static void test_bad_pages(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"<Error><Code>x</Code></Error>", "no XML of a ListBucketResult"},
        {HEAD, "no XML"},
        {HEAD "<Contents><Key>m/a</Key><Size>x</Size></Contents>" TAIL, "without a usable size"},
        {HEAD "<Contents><Key>n/a</Key><Size>1</Size></Contents>" TAIL, "was not asked for"},
        {HEAD "<Contents><Key>m/../a</Key><Size>1</Size></Contents>" TAIL, "no name of a file"},
        {HEAD ENCODED "<Contents><Key>m/%00</Key><Size>1</Size></Contents>" TAIL,
         "no name of a file"},
        {HEAD "<Contents><Size>1</Size></Contents>" TAIL, "without its key"},
        {HEAD "<IsTruncated>true</IsTruncated>" TAIL, "does not say where"},
        {"<!DOCTYPE x [<!ENTITY a 'b'>]>" HEAD TAIL, "document type"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_artifact_list list;
        const char *next;
        struct mr_error err = {0};
        assert_int_equal(read_page(cases[i][0], "m/", &list, &next, &err), MR_E_FORMAT);
        if (!strstr(err.message, cases[i][1])) fail_msg("%s: %s", cases[i][0], err.message);
    }
}

static void test_faults(void **state) {
    (void)state;
    char out[64];
    mr_s3_read_fault(mr_str_from("<Error><Code>AccessDenied</Code><Message>a\nb</Message></Error>"),
                     out, sizeof(out));
    assert_string_equal(out, "AccessDenied: a b");
    mr_s3_read_fault(mr_str_from("gateway is down"), out, sizeof(out));
    assert_string_equal(out, "");
    mr_s3_read_fault((struct mr_str){NULL, 0}, out, sizeof(out));
    assert_string_equal(out, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page), cmocka_unit_test(test_names_as_they_are),
        cmocka_unit_test(test_bad_pages), cmocka_unit_test(test_faults)};
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
