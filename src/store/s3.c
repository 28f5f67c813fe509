/* Objects of S3 and what speaks its protocol: keys with a prefix, as files of a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "store/artifact_store_int.h"
#include "store/aws.h"
#include "store/environment_int.h"

#define MAX_LIST_BYTES ((size_t)64 << 20) /* a page of 1000 keys is a megabyte */
#define MAX_PAGES 1000
#define MAX_RETRIES 4 /* botocore/retryhandler.py: five attempts */

/* --- where it is ------------------------------------------------------------------------------ */

struct bucket {
    struct mr_str name, key; /* of the URI; the key without slashes at its ends */
    const char *region;
    const char *endpoint; /* NULL: Amazon's */
    bool is_in_path;      /* https://host/bucket/key, else https://bucket.host/key */
};

static mr_status read_uri(const char *uri, struct bucket *bucket, struct mr_error *err) {
    const char *rest = uri + strlen("s3:");
    while (*rest == '/') rest++;
    size_t size = strcspn(rest, "/?#");
    bucket->name = (struct mr_str){rest, size};
    rest += size;
    while (*rest == '/') rest++;
    bucket->key = (struct mr_str){rest, strcspn(rest, "?#")}; /* urlparse(uri).path */
    while (bucket->key.size && rest[bucket->key.size - 1] == '/') bucket->key.size--;
    bool is_good = bucket->name.size > 0 && bucket->name.size < 256;
    for (size_t i = 0; i < bucket->name.size; i++) {
        unsigned char c = (unsigned char)bucket->name.data[i];
        is_good &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '-' || c == '.' || c == '_';
    }
    char shown[256];
    return is_good ? MR_OK
                   : mr_fail(err, MR_E_INVALID_PARAMETER, "%s: expected s3://BUCKET/FOLDER",
                             mr_client_show(uri, shown, sizeof(shown)));
}

/* Whether a bucket can be a part of a host's name that Amazon's certificates cover. */
static bool is_host(struct mr_str name) {
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
    }
    return name.size >= 3 && name.size <= 63;
}

/* botocore/args.py, compute_endpoint_resolver_builtin_defaults. */
static mr_status find_place(const struct mr_aws *aws, struct bucket *bucket, struct mr_error *err) {
    const char *style = mr_environment_get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE");
    static const char *const endpoints[] = {"MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
                                            "AWS_ENDPOINT_URL"};
    bool is_known = !style || strcmp(style, "auto") == 0 || strcmp(style, "path") == 0 ||
                    strcmp(style, "virtual") == 0;
    if (!is_known) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE: expected auto, path or virtual, "
                       "received '%s'",
                       style);
    }
    for (size_t i = 0; i < 3 && !bucket->endpoint; i++) {
        bucket->endpoint = mr_environment_get(endpoints[i]);
    }
    if (!bucket->endpoint) bucket->endpoint = mr_aws_config(aws, "endpoint_url");
    bucket->region = mr_environment_get("AWS_DEFAULT_REGION");
    if (!bucket->region) bucket->region = mr_environment_get("AWS_REGION");
    if (!bucket->region) bucket->region = mr_aws_config(aws, "region");
    if (!bucket->region) bucket->region = "us-east-1";
    if (strlen(bucket->region) > 64 ||
        strspn(bucket->region, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789-_") != strlen(bucket->region)) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "AWS_DEFAULT_REGION: expected a region such as eu-west-1");
    }
    bool wants_path = style && strcmp(style, "path") == 0;
    bool wants_host = style && strcmp(style, "virtual") == 0;
    bucket->is_in_path = bucket->endpoint ? !wants_host : wants_path || !is_host(bucket->name);
    return MR_OK;
}

/* The URL of the bucket, without a slash at its end. */
static mr_status bucket_url(const struct bucket *bucket, struct mr_arena *arena, const char **out,
                            struct mr_error *err) {
    struct mr_buf url;
    mr_buf_init(&url, arena);
    struct mr_str host = mr_str_from(bucket->endpoint);
    const char *start = bucket->endpoint ? strstr(bucket->endpoint, "://") : NULL;
    if (bucket->endpoint && !start) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "MLFLOW_S3_ENDPOINT_URL: expected http://HOST:PORT or https://HOST:PORT, "
                       "received '%.200s'",
                       bucket->endpoint);
    }
    while (host.size && host.data[host.size - 1] == '/') host.size--;
    size_t scheme = start ? (size_t)(start - bucket->endpoint) + 3 : 0;
    if (start) {
        mr_buf_append(&url, host.data, scheme);
        host = (struct mr_str){host.data + scheme, host.size - scheme};
    } else {
        mr_buf_text(&url, "https://");
    }
    if (!bucket->is_in_path) {
        mr_buf_append(&url, bucket->name.data, bucket->name.size);
        mr_buf_char(&url, '.');
    }
    if (start) {
        mr_buf_append(&url, host.data, host.size);
    } else {
        mr_buf_format(&url, "s3.%s.amazonaws.com%s", bucket->region,
                      strncmp(bucket->region, "cn-", 3) == 0 ? ".cn" : "");
    }
    if (bucket->is_in_path) {
        mr_buf_char(&url, '/');
        mr_buf_append(&url, bucket->name.data, bucket->name.size);
    }
    mr_buf_char(&url, '\0');
    *out = url.data;
    return mr_buf_status(&url, err);
}

/* --- what is there ---------------------------------------------------------------------------- */

/* The only header of ours: that the bucket must belong to somebody. */
static const char *const *owner_headers(struct mr_arena *arena) {
    const char *owner = mr_environment_get("MLFLOW_S3_EXPECTED_BUCKET_OWNER");
    if (!owner || strspn(owner, "0123456789") != strlen(owner)) return NULL;
    const char **headers = mr_arena_array(arena, 2, sizeof(*headers));
    struct mr_buf line;
    mr_buf_init(&line, arena);
    mr_buf_format(&line, "x-amz-expected-bucket-owner: %s", owner);
    mr_buf_char(&line, '\0');
    if (!headers || line.is_failed) return NULL;
    headers[0] = line.data;
    headers[1] = NULL;
    return headers;
}

/* The query's names are sorted, as its signature wants them. */
static mr_status page_url(const struct mr_artifact_store *store, const char *token,
                          struct mr_arena *arena, const char **out, struct mr_error *err) {
    struct mr_buf url;
    mr_buf_init(&url, arena);
    mr_buf_text(&url, store->root);
    mr_buf_text(&url, "/?");
    if (token) {
        mr_buf_text(&url, "continuation-token=");
        mr_client_encode(&url, mr_str_from(token), false);
        mr_buf_char(&url, '&');
    }
    mr_buf_text(&url, "encoding-type=url&list-type=2&prefix=");
    mr_client_encode(&url, mr_str_from(store->listed), false);
    mr_buf_char(&url, '\0');
    *out = url.data;
    return mr_buf_status(&url, err);
}

static mr_status list_page(struct mr_artifact_store *store, struct mr_client *client,
                           const char **token, struct mr_artifact_list *list,
                           struct mr_error *err) {
    struct mr_client_request request = {.max_bytes = MAX_LIST_BYTES,
                                        .headers = owner_headers(list->arena)};
    struct mr_client_answer answer;
    struct mr_error fault = {0};
    MR_TRY(page_url(store, *token, list->arena, &request.url, err));
    MR_TRY(mr_client_send(client, &request, list->arena, &answer, err));
    if (answer.status != 200) return store->ops->fail(store, client, &answer, err);
    mr_status status = mr_s3_read_list(answer.body, store->listed, list, token, &fault);
    return status == MR_OK ? MR_OK : mr_fail(err, status, "%s: %s", store->place, fault.message);
}

static mr_status list_all(struct mr_artifact_store *store, struct mr_client *client,
                          struct mr_artifact_list *list, struct mr_error *err) {
    const char *token = NULL;
    for (int i = 0; i == 0 || token; i++) {
        if (i == MAX_PAGES) {
            return mr_fail(err, MR_E_TOO_LARGE, "%s: the listing has more than %d pages",
                           store->place, MAX_PAGES);
        }
        MR_TRY(list_page(store, client, &token, list, err));
    }
    return mr_artifact_list_sort(list, err);
}

static mr_status locate(const struct mr_artifact_store *store, const struct mr_artifact *artifact,
                        struct mr_arena *arena, struct mr_client_request *request,
                        struct mr_error *err) {
    struct mr_buf url;
    mr_buf_init(&url, arena);
    mr_buf_text(&url, store->root);
    mr_buf_char(&url, '/');
    mr_client_encode(&url, mr_str_from(store->listed), true);
    mr_client_encode(&url, mr_str_from(artifact->path), true);
    mr_buf_char(&url, '\0');
    request->url = url.data;
    request->headers = owner_headers(arena);
    return mr_buf_status(&url, err);
}

static mr_status fail(const struct mr_artifact_store *store, const struct mr_client *client,
                      const struct mr_client_answer *answer, struct mr_error *err) {
    char said[400];
    struct mr_client_answer shown = *answer;
    struct mr_str region = mr_client_header(answer, "x-amz-bucket-region");
    if (region.size && store->client.login.region &&
        !mr_str_is(region, store->client.login.region)) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "%s: the bucket is in region %.*s, but was asked for in %s: set "
                       "AWS_DEFAULT_REGION=%.*s",
                       store->place, MR_STR_ARGS(region), store->client.login.region,
                       MR_STR_ARGS(region));
    }
    mr_s3_read_fault(answer->body, said, sizeof(said));
    if (*said) shown.body = mr_str_from(said);
    return mr_client_fail(client, &shown, err);
}

/* --- opening ---------------------------------------------------------------------------------- */

static mr_status read_options(const struct mr_aws *aws, struct mr_client_options *options,
                              struct mr_error *err) {
    MR_TRY(mr_environment_flag("MLFLOW_S3_IGNORE_TLS", &options->is_tls_unchecked, err));
    options->ca_path = mr_environment_get("AWS_CA_BUNDLE");
    if (!options->ca_path) options->ca_path = mr_aws_config(aws, "ca_bundle");
    if (!options->ca_path) options->ca_path = mr_environment_get("REQUESTS_CA_BUNDLE");
    options->advice = "MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION asks for none";
    options->has_no_redirects = true; /* the signature is of one host */
    return MR_OK;
}

static mr_status set_login(const struct mr_aws *aws, const struct bucket *bucket,
                           struct mr_client_options *options, struct mr_error *err) {
    /* s3_artifact_repo.py, _get_s3_client */
    const char *version = mr_environment_get("MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION");
    if (version && strcasecmp(version, "unsigned") == 0) return MR_OK;
    options->login.region = bucket->region;
    options->login.service = "s3";
    return mr_aws_login(aws, options, bucket->region, &options->login, err);
}

mr_status mr_s3_open(const char *uri, bool (*is_cancelled)(void *ctx), void *ctx,
                     struct mr_arena *arena, struct mr_artifact_store *out, struct mr_error *err) {
    static const struct mr_artifact_store_ops ops = {list_all, locate, fail};
    struct bucket bucket = {0};
    struct mr_aws aws;
    struct mr_error fault = {0};
    char shown[512];
    mr_client_show(uri, shown, sizeof(shown));
    MR_TRY(read_uri(uri, &bucket, err));
    MR_TRY(mr_aws_init(&aws, arena, err));
    MR_TRY(find_place(&aws, &bucket, err));
    *out = (struct mr_artifact_store){.ops = &ops, .has_ranges = true};
    MR_TRY(mr_client_options_tries(&out->client, err));
    if (out->client.max_retries > MAX_RETRIES) out->client.max_retries = MAX_RETRIES;
    out->client.is_cancelled = is_cancelled;
    out->client.ctx = ctx;
    MR_TRY(read_options(&aws, &out->client, err));
    mr_status status = set_login(&aws, &bucket, &out->client, &fault);
    if (status != MR_OK) return mr_fail(err, status, "%s: %s", shown, fault.message);
    MR_TRY(bucket_url(&bucket, arena, &out->root, err));
    struct mr_buf prefix, place;
    mr_buf_init(&prefix, arena);
    mr_buf_init(&place, arena);
    mr_buf_append(&prefix, bucket.key.data, bucket.key.size);
    if (bucket.key.size) mr_buf_char(&prefix, '/');
    mr_buf_char(&prefix, '\0');
    mr_client_show(out->root, shown, sizeof(shown));
    mr_buf_format(&place, "%s/%s", shown, prefix.is_failed ? "" : prefix.data);
    if (place.size) place.data[place.size - (bucket.key.size > 0)] = '\0';
    mr_buf_char(&place, '\0');
    out->listed = prefix.data;
    out->place = place.data;
    MR_TRY(mr_buf_status(&prefix, err));
    return mr_buf_status(&place, err);
}
