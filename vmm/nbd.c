/* SPDX-License-Identifier: MIT */
#include "vmm/nbd.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define TCP "nbd://"
#define UNIX "nbd+unix://"
#define DEFAULT_PORT "10809"
#define OPEN_TIMEOUT_S 3 /* QEMU stands still until the server has answered (since QEMU 7.0) */
#define HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Also schemes that it can't be, such as nbds:// for TLS, so that they are refused as what they are
 * and not as a file that is missing. */
bool nbd_is_uri(const char *text)
{
    size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz+");

    return has_prefix(text, "nbd") && has_prefix(text + scheme, "://");
}

static int hex(char digit)
{
    if (!isxdigit((unsigned char)digit))
        return -1;
    return isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10;
}

/* False when it does not fit, is no UTF-8, or has in it what no name has. */
static bool decode(const char *text, size_t length, char *to, size_t size)
{
    size_t used = 0, i;
    int byte;

    for (i = 0; i < length; i++) {
        byte = (unsigned char)text[i];
        if (byte == '%') {
            if (length - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return false;
            byte = 16 * hex(text[i + 1]) + hex(text[i + 2]);
            i += 2;
        }
        if (iscntrl(byte) || used == size - 1)
            return false;
        to[used++] = (char)byte;
    }
    to[used] = '\0';
    return text_check_utf8("the URI", to, NULL) == 0;
}

/* [host] or [host:port]; returns false when it is neither. */
static bool read_server(const char *text, size_t length, struct nbd *nbd)
{
    bool bracketed = *text == '[';
    const char *host = bracketed ? text + 1 : text, *end = text + length, *rest;
    size_t host_length = strspn(host, bracketed ? "0123456789abcdefABCDEF:." : HOST_CHARACTERS);
    unsigned long port;

    rest = host + host_length;
    if (bracketed && (rest >= end || *rest++ != ']'))
        return false;
    if (host_length == 0 || host_length >= sizeof(nbd->host) || rest > end)
        return false;
    (void)snprintf(nbd->host, sizeof(nbd->host), "%.*s", (int)host_length, host);
    (void)snprintf(nbd->port, sizeof(nbd->port), "%s", DEFAULT_PORT);
    if (rest == end)
        return true;
    length = strspn(rest + 1, "0123456789");
    port = strtoul(rest + 1, NULL, 10);
    (void)snprintf(nbd->port, sizeof(nbd->port), "%lu", port & 0xffff);
    return *rest == ':' && length > 0 && length < sizeof(nbd->port) && rest + 1 + length == end &&
           port > 0 && port <= 65535;
}

/* Behind the server there is "/export", "/" or nothing; returns where that ends. */
static const char *read_export(const char *text, struct nbd *nbd)
{
    size_t length = strcspn(text, "?#");

    if (length > 0 && !decode(text + 1, length - 1, nbd->export_name, sizeof(nbd->export_name)))
        return NULL;
    return text + length;
}

static int parse_tcp(const char *uri, struct nbd *nbd, struct error *error)
{
    const char *server = uri + strlen(TCP);
    size_t length = strcspn(server, "/?#");
    const char *rest;

    if (!read_server(server, length, nbd))
        return error_set(error, ERROR_INVALID, "write nbd://host[:port]/export",
                         "%s names no host, or none that is well-formed", uri);
    rest = read_export(server + length, nbd);
    if (rest == NULL || *rest != '\0')
        return error_set(error, ERROR_INVALID,
                         "write nbd://host[:port]/export, with %%3F for '?' and %%23 for '#'",
                         "%s has no well-formed export's name at its end", uri);
    return 0;
}

static int parse_unix(const char *uri, struct nbd *nbd, struct error *error)
{
    const char *fix = "write nbd+unix:///export?socket=PATH";
    const char *path = uri + strlen(UNIX), *rest;

    if (*path != '/' && *path != '?')
        return error_set(error, ERROR_INVALID, fix, "%s names a host beside a socket", uri);
    rest = read_export(path, nbd);
    if (rest == NULL)
        return error_set(error, ERROR_INVALID, fix, "%s has no well-formed export's name", uri);
    if (!has_prefix(rest, "?socket=/") || strpbrk(rest, "&#") != NULL ||
        !decode(rest + strlen("?socket="), strlen(rest) - strlen("?socket="), nbd->socket,
                sizeof(nbd->socket)))
        return error_set(error, ERROR_INVALID, fix,
                         "%s names no socket by its absolute path of at most 107 bytes", uri);
    return 0;
}

int nbd_parse(const char *uri, struct nbd *ret, struct error *error)
{
    struct nbd nbd = {.host = ""};
    int status = -1;

    if (has_prefix(uri, TCP))
        status = parse_tcp(uri, &nbd, error);
    else if (has_prefix(uri, UNIX))
        status = parse_unix(uri, &nbd, error);
    else
        (void)error_set(error, ERROR_INVALID,
                        "write nbd://host[:port]/export or nbd+unix:///export?socket=PATH",
                        "%s is of a kind that vmplug does not know", uri);
    if (status == 0)
        *ret = nbd;
    return status;
}

json_t *nbd_node(const struct nbd *nbd)
{
    json_t *server = nbd->host[0] != '\0'
                         ? json_pack("{s:s, s:s, s:s}", "type", "inet", "host", nbd->host, "port",
                                     nbd->port)
                         : json_pack("{s:s, s:s}", "type", "unix", "path", nbd->socket);

    return json_pack("{s:s, s:o, s:s, s:i}", "driver", "nbd", "server", server, "export",
                     nbd->export_name, "open-timeout", OPEN_TIMEOUT_S);
}
