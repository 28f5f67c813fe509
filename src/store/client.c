#include "store/client.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/number.h"
#include "store/curl_int.h"

#define MAX_HEAD_BYTES ((size_t)64 << 10)
#define MAX_FAULT_BYTES ((size_t)64 << 10) /* the body of an error: more is not read */
#define MAX_REDIRECTS 30                   /* requests.Session.max_redirects */
#define MAX_WAIT_S 120.0                   /* urllib3's Retry.DEFAULT_BACKOFF_MAX */
#define MAX_TOTAL_TIMEOUTS 5 /* an answer in memory is whole by then, however it drips */
#define MIN_BYTES_PER_S 16   /* what is slower than that for as long as the timeout has died */

struct mr_client {
    const struct mr_curl *curl;
    CURL *easy;
    struct mr_client_options options;
    char fault[CURL_ERROR_SIZE]; /* libcurl's own words */
    mr_login_kind login_kind;    /* that was sent */
    const char *login_source;
};

/* One request, until its answer or a redirect. */
struct exchange {
    struct mr_client *client;
    const struct mr_client_request *request;
    struct mr_client_answer *answer;
    struct mr_buf head, body;
    bool has_begun; /* the body */
    bool is_cut;    /* what is left of the body of an error is not read */
    mr_status status;
    struct mr_error *err;
};

mr_status mr_client_new(const struct mr_client_options *options, struct mr_client **out,
                        struct mr_error *err) {
    const struct mr_curl *curl;
    MR_TRY(mr_curl_open(&curl, err));
    struct mr_client *client = calloc(1, sizeof(*client));
    CURL *easy = client ? curl->easy_init() : NULL;
    if (!easy) {
        free(client);
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    client->curl = curl;
    client->easy = easy;
    client->options = *options;
    *out = client;
    return MR_OK;
}

void mr_client_free(struct mr_client *client) {
    if (!client) return;
    client->curl->easy_cleanup(client->easy);
    free(client);
}

/* --- what libcurl calls ----------------------------------------------------------------------- */

static bool is_good(long status) {
    return status == 200 || status == 206;
}

static size_t take_head(char *data, size_t size, size_t n, void *ctx) {
    struct exchange *exchange = ctx;
    size *= n;
    /* The head of an interim answer, or of a proxy's, came before. */
    if (size >= 5 && memcmp(data, "HTTP/", 5) == 0) exchange->head.size = 0;
    if (exchange->head.size + size > MAX_HEAD_BYTES) {
        exchange->status = mr_fail(exchange->err, MR_E_TOO_LARGE,
                                   "%s: the head of the answer is larger than %zu bytes",
                                   exchange->answer->url, MAX_HEAD_BYTES);
        return 0;
    }
    mr_buf_append(&exchange->head, data, size);
    return size;
}

/* Tells the sink of the answer, once, when its head is known to be whole. */
static mr_status begin_body(struct exchange *exchange) {
    if (exchange->has_begun) return MR_OK;
    exchange->has_begun = true;
    long status = 0;
    exchange->client->curl->easy_getinfo(exchange->client->easy, CURLINFO_RESPONSE_CODE, &status);
    exchange->answer->status = (int)status;
    exchange->answer->head = mr_buf_str(&exchange->head);
    const struct mr_client_sink *sink = exchange->request->sink;
    return sink && is_good(status) ? sink->begin(sink->ctx, exchange->answer, exchange->err)
                                   : MR_OK;
}

static mr_status keep_body(struct exchange *exchange, const char *data, size_t size) {
    bool is_fault = !is_good(exchange->answer->status);
    size_t max_bytes = is_fault ? MAX_FAULT_BYTES : exchange->request->max_bytes;
    size_t room = max_bytes - exchange->body.size;
    if (size > room && !is_fault) {
        return mr_fail(exchange->err, MR_E_TOO_LARGE, "%s: the answer is larger than %zu bytes",
                       exchange->answer->url, max_bytes);
    }
    exchange->is_cut = size > room;
    mr_buf_append(&exchange->body, data, exchange->is_cut ? room : size);
    return mr_buf_status(&exchange->body, exchange->err);
}

static size_t take_body(char *data, size_t size, size_t n, void *ctx) {
    struct exchange *exchange = ctx;
    size *= n;
    exchange->status = begin_body(exchange);
    const struct mr_client_sink *sink = exchange->request->sink;
    if (exchange->status == MR_OK) {
        exchange->status = sink && is_good(exchange->answer->status)
                               ? sink->write(sink->ctx, data, size, exchange->err)
                               : keep_body(exchange, data, size);
    }
    bool goes_on = exchange->status == MR_OK && !exchange->is_cut;
    return goes_on ? size : CURL_WRITEFUNC_ERROR;
}

static int ask_whether_cancelled(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total,
                                 curl_off_t up_now) {
    (void)total, (void)now, (void)up_total, (void)up_now;
    const struct mr_client_options *options = &((struct exchange *)ctx)->client->options;
    return options->is_cancelled && options->is_cancelled(options->ctx);
}

/* --- a request -------------------------------------------------------------------------------- */

/* Where a request goes: a URL without the credential in it, and what is sent along. */
struct target {
    CURLU *url;
    char *text, *user, *password; /* libcurl's; NULL: none */
    struct mr_login login;
};

static void free_target(const struct mr_curl *curl, struct target *target) {
    curl->free(target->text);
    curl->free(target->user);
    curl->free(target->password);
    curl->url_cleanup(target->url);
    *target = (struct target){0};
}

/* Servers compare the Host header with the names they know, and requests sends small letters. */
static void lower_host(const struct mr_curl *curl, CURLU *url) {
    char *host = NULL;
    if (curl->url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK) return;
    for (char *c = host; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 'a' - 'A');
    }
    curl->url_set(url, CURLUPART_HOST, host, 0);
    curl->free(host);
}

static mr_status set_target(struct mr_client *client, const char *url, struct target *target,
                            struct mr_error *err) {
    const struct mr_curl *curl = client->curl;
    *target = (struct target){.url = curl->url(), .login = client->options.login};
    if (!target->url) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    char shown[512];
    if (curl->url_set(target->url, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "%s is no URL",
                       mr_client_show(url, shown, sizeof(shown)));
    }
    CURLUcode has_user = curl->url_get(target->url, CURLUPART_USER, &target->user, CURLU_URLDECODE);
    curl->url_get(target->url, CURLUPART_PASSWORD, &target->password, CURLU_URLDECODE);
    curl->url_set(target->url, CURLUPART_USER, NULL, 0);
    curl->url_set(target->url, CURLUPART_PASSWORD, NULL, 0);
    curl->url_set(target->url, CURLUPART_FRAGMENT, NULL, 0);
    lower_host(curl, target->url);
    if (curl->url_get(target->url, CURLUPART_URL, &target->text, 0) != CURLUE_OK) {
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    if (has_user == CURLUE_OK) {
        target->login = (struct mr_login){.kind = MR_LOGIN_BASIC,
                                          .source = "the URL",
                                          .user = target->user,
                                          .secret = target->password ? target->password : ""};
    }
    return MR_OK;
}

/* Whether a credential for one URL may go to the other: requests.Session.should_strip_auth, the
 * other way round. */
static bool is_same_server(const struct mr_curl *curl, CURLU *from, CURLU *to) {
    static const CURLUPart parts[] = {CURLUPART_HOST, CURLUPART_PORT, CURLUPART_SCHEME};
    char *texts[2][3] = {{NULL}};
    CURLU *urls[2] = {from, to};
    bool is_known = true;
    for (int u = 0; u < 2; u++) {
        for (int p = 0; p < 3; p++) {
            is_known &= curl->url_get(urls[u], parts[p], &texts[u][p], CURLU_DEFAULT_PORT) ==
                        CURLUE_OK;
        }
    }
    bool is_same = is_known && strcasecmp(texts[0][0], texts[1][0]) == 0;
    if (is_same) {
        bool is_upgrade = strcmp(texts[0][1], "80") == 0 && strcmp(texts[1][1], "443") == 0 &&
                          strcmp(texts[0][2], "http") == 0 && strcmp(texts[1][2], "https") == 0;
        is_same = is_upgrade ||
                  (strcmp(texts[0][1], texts[1][1]) == 0 && strcmp(texts[0][2], texts[1][2]) == 0);
    }
    for (int i = 0; i < 6; i++) curl->free(texts[i / 3][i % 3]);
    return is_same;
}

static void set_login(struct mr_client *client, const struct mr_login *login) {
    CURL *easy = client->easy;
    const struct mr_curl *curl = client->curl;
    client->login_kind = login->kind;
    client->login_source = login->source;
    if (login->kind == MR_LOGIN_NONE) {
        curl->easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
        const char *file = getenv("NETRC"); /* requests.utils.get_netrc_auth */
        if (file && *file) curl->easy_setopt(easy, CURLOPT_NETRC_FILE, file);
        return;
    }
    if (login->kind == MR_LOGIN_BEARER) {
        curl->easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl->easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, login->secret);
        return;
    }
    curl->easy_setopt(easy, CURLOPT_USERNAME, login->user);
    curl->easy_setopt(easy, CURLOPT_PASSWORD, login->secret);
    if (login->kind == MR_LOGIN_BASIC) {
        curl->easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    } else {
        char what[256];
        snprintf(what, sizeof(what), "aws:amz:%s:%s", login->region, login->service);
        curl->easy_setopt(easy, CURLOPT_AWS_SIGV4, what);
    }
}

static void set_tls(struct mr_client *client) {
    CURL *easy = client->easy;
    const struct mr_curl *curl = client->curl;
    const struct mr_client_options *options = &client->options;
    struct stat info;
    if (options->is_tls_unchecked) {
        curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    } else if (options->ca_path) {
        bool is_folder = stat(options->ca_path, &info) == 0 && S_ISDIR(info.st_mode);
        curl->easy_setopt(easy, CURLOPT_CAINFO, is_folder ? NULL : options->ca_path);
        curl->easy_setopt(easy, CURLOPT_CAPATH, is_folder ? options->ca_path : NULL);
    }
    if (options->client_cert_path) {
        curl->easy_setopt(easy, CURLOPT_SSLCERT, options->client_cert_path);
        curl->easy_setopt(easy, CURLOPT_SSLKEY, options->client_cert_path);
    }
}

/* libcurl reads all variables of proxies but HTTP_PROXY in capitals, which Python's
 * urllib.request.getproxies_environment does unless it runs as a CGI. */
static void set_proxy(struct mr_client *client, const char *url) {
    if (client->options.has_no_proxy) {
        client->curl->easy_setopt(client->easy, CURLOPT_PROXY, "");
        return;
    }
    const char *proxy = getenv("HTTP_PROXY");
    if (proxy && *proxy && !getenv("http_proxy") && !getenv("REQUEST_METHOD") &&
        strncasecmp(url, "http:", 5) == 0) {
        client->curl->easy_setopt(client->easy, CURLOPT_PROXY, proxy);
    }
}

static void set_times(struct mr_client *client, const struct mr_client_request *request) {
    const struct mr_curl *curl = client->curl;
    long timeout_s = (long)client->options.timeout_s;
    curl->easy_setopt(client->easy, CURLOPT_CONNECTTIMEOUT, timeout_s);
    curl->easy_setopt(client->easy, CURLOPT_LOW_SPEED_LIMIT, (long)MIN_BYTES_PER_S);
    curl->easy_setopt(client->easy, CURLOPT_LOW_SPEED_TIME, timeout_s);
    if (!request->sink) {
        curl->easy_setopt(client->easy, CURLOPT_TIMEOUT, timeout_s * MAX_TOTAL_TIMEOUTS);
    }
    curl->easy_setopt(client->easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

struct headers {
    const struct mr_curl *curl;
    struct curl_slist *list;
    bool is_short; /* memory */
};

static void add_header(struct headers *headers, const char *line) {
    struct curl_slist *longer = line ? headers->curl->slist_append(headers->list, line) : NULL;
    if (longer) headers->list = longer;
    headers->is_short |= !longer;
}

static void add_value(struct headers *headers, const char *name, const char *value) {
    size_t size = strlen(name) + strlen(": ") + strlen(value) + 1;
    char *line = malloc(size);
    if (line) snprintf(line, size, "%s: %s", name, value);
    add_header(headers, line);
    free(line);
}

/* The request's own headers and those of every request. NULL: out of memory. */
static struct curl_slist *make_headers(const struct mr_client *client,
                                       const struct mr_client_request *request,
                                       const struct mr_login *login) {
    struct headers headers = {.curl = client->curl};
    add_header(&headers, "Accept: */*");
    if (request->json) add_header(&headers, "Content-Type: application/json");
    if (client->options.workspace) {
        add_value(&headers, "X-MLFLOW-WORKSPACE", client->options.workspace);
    }
    if (login->kind == MR_LOGIN_SIGV4) {
        /* S3 wants it, and libcurl before 8 does not send it: of an empty body. */
        add_header(&headers, "x-amz-content-sha256: "
                             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        if (login->session_token) {
            add_value(&headers, "X-Amz-Security-Token", login->session_token);
        }
    }
    for (const char *const *own = request->headers; own && *own; own++) add_header(&headers, *own);
    if (!headers.is_short) return headers.list;
    client->curl->slist_free_all(headers.list);
    return NULL;
}

static void set_request(struct exchange *exchange, const struct target *target, bool is_post) {
    struct mr_client *client = exchange->client;
    const struct mr_client_request *request = exchange->request;
    const struct mr_curl *curl = client->curl;
    CURL *easy = client->easy;
    curl->easy_setopt(easy, CURLOPT_URL, target->text);
    curl->easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* names of objects may be dots */
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(easy, CURLOPT_USERAGENT, "mlrace/" MR_VERSION);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, client->fault);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl->easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl->easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, ask_whether_cancelled);
    curl->easy_setopt(easy, CURLOPT_XFERINFODATA, exchange);
    curl->easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    if (is_post) curl->easy_setopt(easy, CURLOPT_POSTFIELDS, request->json);
    if (request->method) curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->has_range) {
        char range[64];
        unsigned long long from = request->first_byte, n = request->n_bytes;
        int size = snprintf(range, sizeof(range), "%llu-", from);
        if (n) snprintf(range + size, sizeof(range) - (size_t)size, "%llu", from + n - 1);
        curl->easy_setopt(easy, CURLOPT_RANGE, range);
    }
    set_times(client, request);
    set_tls(client);
    set_proxy(client, target->text);
    set_login(client, &target->login);
}

/* Why libcurl has no answer for us. */
static mr_status fail_transfer(const struct exchange *exchange, CURLcode code) {
    const struct mr_client *client = exchange->client;
    const char *why = client->fault[0] ? client->fault : client->curl->easy_strerror(code);
    const char *advice = "";
    mr_status status = MR_E_UNAVAILABLE;
    switch (code) {
    case CURLE_OUT_OF_MEMORY: return mr_fail(exchange->err, MR_E_NO_MEMORY, "out of memory");
    case CURLE_ABORTED_BY_CALLBACK: why = "interrupted"; break;
    case CURLE_OPERATION_TIMEDOUT:
        advice = "; MLFLOW_HTTP_REQUEST_TIMEOUT sets how many seconds it may take";
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        advice = "; MLFLOW_TRACKING_SERVER_CERT_PATH can name the certificates to trust";
        status = MR_E_IO;
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: status = MR_E_INVALID_PARAMETER; break;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE: status = MR_E_IO; break;
    default: break;
    }
    return mr_fail(exchange->err, status, "%s: %s%s", exchange->answer->url, why, advice);
}

/* One request and its answer; no redirects. */
static mr_status perform(struct exchange *exchange, const struct target *target, bool is_post) {
    struct mr_client *client = exchange->client;
    const struct mr_curl *curl = client->curl;
    curl->easy_reset(client->easy);
    client->fault[0] = '\0';
    exchange->head.size = exchange->body.size = 0;
    exchange->has_begun = exchange->is_cut = false;
    exchange->status = MR_OK;
    struct curl_slist *headers = make_headers(client, exchange->request, &target->login);
    if (!headers) return mr_fail(exchange->err, MR_E_NO_MEMORY, "out of memory");
    set_request(exchange, target, is_post);
    curl->easy_setopt(client->easy, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl->easy_perform(client->easy);
    curl->easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    curl->slist_free_all(headers);
    if (exchange->status != MR_OK) return exchange->status;
    if (code != CURLE_OK && !exchange->is_cut) return fail_transfer(exchange, code);
    MR_TRY(begin_body(exchange)); /* of an empty body */
    mr_buf_char(&exchange->body, '\0');
    MR_TRY(mr_buf_status(&exchange->head, exchange->err));
    MR_TRY(mr_buf_status(&exchange->body, exchange->err));
    exchange->answer->head = mr_buf_str(&exchange->head);
    exchange->answer->body = (struct mr_str){exchange->body.data, exchange->body.size - 1};
    return MR_OK;
}

/* Where an answer sends us; NULL: nowhere. libcurl's, until the next request. */
static char *redirect_of(const struct mr_client *client, int status) {
    char *location = NULL;
    bool is_redirect = status == 301 || status == 302 || status == 303 || status == 307 ||
                       status == 308;
    if (!is_redirect || client->options.has_no_redirects) return NULL;
    client->curl->easy_getinfo(client->easy, CURLINFO_REDIRECT_URL, &location);
    return location;
}

/* Follow a redirect: target becomes the new one. */
static mr_status move_target(struct mr_client *client, const char *location, struct target *target,
                             struct mr_error *err) {
    struct target next;
    mr_status status = set_target(client, location, &next, err);
    if (status == MR_OK && !next.user) {
        bool keeps = is_same_server(client->curl, target->url, next.url);
        next.login = keeps ? target->login : (struct mr_login){0};
        /* The texts of a URL's credential move with it. */
        next.user = target->user;
        next.password = target->password;
        target->user = target->password = NULL;
    }
    free_target(client->curl, target);
    *target = next;
    return status;
}

static mr_status keep_url(struct mr_arena *arena, const char *url, struct mr_client_answer *out,
                          struct mr_error *err) {
    char shown[512];
    out->url = mr_arena_strdup(arena, mr_str_from(mr_client_show(url, shown, sizeof(shown))));
    return out->url ? MR_OK : mr_arena_fail(arena, err);
}

static mr_status exchange_all(struct mr_client *client, struct exchange *exchange,
                              struct target *target, struct mr_arena *arena, struct mr_error *err) {
    bool is_post = exchange->request->json != NULL;
    for (int n_redirects = 0;; n_redirects++) {
        MR_TRY(keep_url(arena, target->text, exchange->answer, err));
        MR_TRY(perform(exchange, target, is_post));
        int status = exchange->answer->status;
        char *location = redirect_of(client, status);
        if (!location) return MR_OK;
        if (n_redirects == MAX_REDIRECTS) {
            return mr_fail(err, MR_E_IO, "%s: more than %d redirects", exchange->answer->url,
                           MAX_REDIRECTS);
        }
        /* requests.Session.rebuild_method */
        if (status <= 303) is_post = false;
        MR_TRY(move_target(client, location, target, err));
    }
}

mr_status mr_client_try(struct mr_client *client, const struct mr_client_request *request,
                        struct mr_arena *arena, struct mr_client_answer *out,
                        struct mr_error *err) {
    *out = (struct mr_client_answer){0};
    struct exchange exchange = {.client = client, .request = request, .answer = out, .err = err};
    mr_buf_init(&exchange.head, arena);
    mr_buf_init(&exchange.body, arena);
    struct target target;
    mr_status status = set_target(client, request->url, &target, err);
    if (status == MR_OK) status = exchange_all(client, &exchange, &target, arena, err);
    if (target.url) free_target(client->curl, &target);
    return status;
}

/* --- again ------------------------------------------------------------------------------------ */

/* mlflow/utils/request_utils.py, _TRANSIENT_FAILURE_RESPONSE_CODES. */
static bool is_transient(int status) {
    static const int codes[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (status == codes[i]) return true;
    }
    return false;
}

static double chance(void) {
    uint32_t bits = 0;
    ssize_t n = getrandom(&bits, sizeof(bits), GRND_NONBLOCK);
    (void)n; /* none: no jitter */
    return bits / 4294967296.0;
}

/* urllib3.util.Retry.sleep: what Retry-After says, else get_backoff_time. */
static double wait_of(const struct mr_client_options *options, unsigned n_tries,
                      const struct mr_client_answer *answer) {
    double seconds;
    struct tm date = {0};
    if (answer && !options->ignores_retry_after) {
        struct mr_str value = mr_client_header(answer, "Retry-After");
        char text[40] = "";
        if (value.size && value.size < sizeof(text)) memcpy(text, value.data, value.size);
        if (mr_float_parse(value, &seconds) && seconds >= 0) return fmin(seconds, MAX_WAIT_S);
        if (strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date)) {
            return fmax(0, fmin(difftime(timegm(&date), time(NULL)), MAX_WAIT_S));
        }
    }
    seconds = n_tries > 1 ? options->backoff_s * exp2(n_tries - 1) : 0;
    return fmin(seconds + options->jitter_s * chance(), MAX_WAIT_S);
}

static bool is_cancelled(const struct mr_client_options *options) {
    return options->is_cancelled && options->is_cancelled(options->ctx);
}

bool mr_client_wait(struct mr_client *client, unsigned *n_tries, mr_status status,
                    const struct mr_client_answer *answer, const char *reason) {
    const struct mr_client_options *options = &client->options;
    bool can_help = status == MR_OK ? is_transient(answer->status) : status == MR_E_UNAVAILABLE;
    if (!can_help || *n_tries >= options->max_retries || is_cancelled(options)) return false;
    ++*n_tries;
    double left_s = wait_of(options, *n_tries, status == MR_OK ? answer : NULL);
    if (reason) {
        mr_log_info("%s; again in %.1f s (retry %u of %u)", reason, left_s, *n_tries,
                    options->max_retries);
    } else {
        mr_log_info("%s answered %d; again in %.1f s (retry %u of %u)", answer->url, answer->status,
                    left_s, *n_tries, options->max_retries);
    }
    for (; left_s > 0 && !is_cancelled(options); left_s -= 0.1) {
        struct timespec piece = {.tv_nsec = (long)(fmin(left_s, 0.1) * 999999999)};
        nanosleep(&piece, NULL);
    }
    return !is_cancelled(options);
}

mr_status mr_client_send(struct mr_client *client, const struct mr_client_request *request,
                         struct mr_arena *arena, struct mr_client_answer *out,
                         struct mr_error *err) {
    struct mr_error fault = {0};
    for (unsigned n_tries = 0;;) {
        mr_status status = mr_client_try(client, request, arena, out, &fault);
        if (!mr_client_wait(client, &n_tries, status, out,
                            status == MR_OK ? NULL : fault.message)) {
            if (status == MR_OK) return MR_OK;
            return mr_fail(err, status, "%s", fault.message);
        }
    }
}

mr_status mr_client_fail(const struct mr_client *client, const struct mr_client_answer *answer,
                         struct mr_error *err) {
    char said[400];
    mr_client_quote(answer, said, sizeof(said));
    bool is_down = answer->status == 502 || answer->status == 503 || answer->status == 504;
    mr_status code = answer->status == 404   ? MR_E_NOT_FOUND
                     : answer->status == 429 ? MR_E_BUSY
                     : is_down               ? MR_E_UNAVAILABLE
                                             : MR_E_IO;
    if (answer->status != 401 && answer->status != 403) {
        return mr_fail(err, code, "%s answered %d%s%s", answer->url, answer->status,
                       *said ? ": " : "", said);
    }
    static const char *const kinds[] = {"", "a user name and password", "a token", "an access key"};
    if (client->login_kind != MR_LOGIN_NONE) {
        return mr_fail(err, code, "%s answered %d%s%s; it was sent %s, from %s", answer->url,
                       answer->status, *said ? ": " : "", said, kinds[client->login_kind],
                       client->login_source);
    }
    const char *advice = client->options.advice;
    return mr_fail(err, code, "%s answered %d%s%s; it was sent no credential%s%s", answer->url,
                   answer->status, *said ? ": " : "", said, advice ? ": " : "",
                   advice ? advice : "");
}
