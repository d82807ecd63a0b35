/* SPDX-License-Identifier: MIT */
/* What people write on a command line, and other short texts: sizes, NBD URIs, options, ids, image
 * files, base64. What is accepted, is written again and read again, says the same. The first byte
 * chooses the reader. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/printable.h"
#include "cli/suggest.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/image.h"
#include "vmm/nbd.h"
#include "vmm/operation_kind.h"

#define WORDS_MAX 24

/* What size_format() writes, without its space, is what size_parse() reads. */
static void check_size(uint64_t bytes)
{
    char text[SIZE_TEXT_MAX];
    uint64_t again = bytes + 1;
    char *space;

    MUST(size_format(bytes, text) == text && strlen(text) < sizeof(text));
    space = strchr(text, ' ');
    MUST(space != NULL);
    memmove(space, space + 1, strlen(space));
    MUST((size_parse(text, &again, NULL) == 0) == (bytes <= INT64_MAX));
    MUST(bytes > INT64_MAX || again == bytes);
}

static void read_size(const char *text)
{
    struct error error = ERROR_INIT;
    uint64_t bytes = 7;

    if (size_parse(text, &bytes, &error) < 0) {
        MUST(error.code == ERROR_INVALID && bytes == 7);
        return;
    }
    MUST(bytes <= INT64_MAX && text[0] >= '0' && text[0] <= '9');
    check_size(bytes);
}

/* A part as a URI holds it, with everything in it percent-encoded. */
static void put_encoded(char *uri, size_t size, const char *part)
{
    size_t used = strlen(uri);

    for (; *part != '\0' && used + 4 < size; part++, used += 3)
        (void)snprintf(uri + used, size - used, "%%%02x", (unsigned)(unsigned char)*part);
}

static void read_nbd(const char *text)
{
    static struct nbd nbd, again;
    static char uri[8192];
    struct error error = ERROR_INIT;
    const bool v6 = true;

    if (nbd_parse(text, &nbd, &error) < 0) {
        MUST(error.code == ERROR_INVALID && error.fix[0] != '\0');
        return;
    }
    MUST(nbd_is_uri(text) && (nbd.host[0] == '\0') == (nbd.socket[0] == '/'));
    MUST(text_check_utf8("", nbd.export_name, NULL) == 0);
    MUST(text_check_utf8("", nbd.socket, NULL) == 0);
    if (nbd.host[0] != '\0')
        (void)snprintf(uri, sizeof(uri), strchr(nbd.host, ':') != NULL && v6 ? "nbd://[%s]:%s/"
                                                                             : "nbd://%s:%s/",
                       nbd.host, nbd.port);
    else
        (void)snprintf(uri, sizeof(uri), "nbd+unix:///");
    put_encoded(uri, sizeof(uri), nbd.export_name);
    if (nbd.host[0] == '\0') {
        (void)strcat(uri, "?socket=/");
        put_encoded(uri, sizeof(uri), nbd.socket + 1);
    }
    MUST(nbd_parse(uri, &again, NULL) == 0);
    MUST(strcmp(nbd.host, again.host) == 0 && strcmp(nbd.port, again.port) == 0);
    MUST(strcmp(nbd.socket, again.socket) == 0);
    MUST(strcmp(nbd.export_name, again.export_name) == 0);
    {
        AUTO_JSON json_t *node = nbd_node(&nbd);
        AUTO_FREE char *dump = codec_dump(node, 0);

        MUST(dump != NULL && strcmp(field_string(node, "driver", ""), "nbd") == 0);
    }
}

/* Words are separated by line ends. */
static void read_options(char *text)
{
    char *words[WORDS_MAX];
    const char *operands[WORDS_MAX];
    struct options options;
    struct error error = ERROR_INIT;
    size_t operand_count = 0;
    int count = 0, status;

    words[count++] = (char *)(uintptr_t) "vmplug";
    while (text != NULL && count < WORDS_MAX - 1)
        words[count++] = strsep(&text, "\n");
    words[count] = NULL;
    status = options_parse(&options, count, words, operands, &operand_count, &error);
    MUST((status == 0) == (error.code == ERROR_NONE) && operand_count < (size_t)count);
    MUST(status == 0 || (error.code == ERROR_INVALID && error.why[0] != '\0'));
    (void)options_check_taken(&options, OPTIONS_VM, "status", NULL);
}

static void read_text(const char *text)
{
    AUTO_FREE char *copy = strdup(text);
    AUTO_FREE char *twice = NULL;
    AUTO_FREE char *lines = strdup(text);
    AUTO_JSON json_t *value = codec_string(text);
    struct suggestion suggestion = {.typed = text};
    char small[9];
    size_t i;

    MUST(copy != NULL && lines != NULL && value != NULL);
    text_make_printable(copy);
    MUST(strlen(copy) <= strlen(text) && text_check_utf8("", copy, NULL) == 0);
    for (i = 0; copy[i] != '\0'; i++)
        MUST((unsigned char)copy[i] >= 0x20 && copy[i] != 0x7f);
    twice = strdup(copy);
    MUST(twice != NULL);
    text_make_printable(twice);
    MUST(strcmp(copy, twice) == 0);
    text_copy(small, sizeof(small), text);
    MUST(strlen(small) < sizeof(small) && text_check_utf8("", small, NULL) == 0);
    printable_text(lines);
    MUST(strlen(lines) <= strlen(text) && text_check_utf8("", lines, NULL) == 0);
    MUST(printable_width(lines) <= strlen(lines));
    suggest_consider(&suggestion, "memory");
    if (strlen(text) < 64)
        MUST(suggest_distance(text, text) == 0 &&
             suggest_distance(text, "cpu") == suggest_distance("cpu", text));
}

static void read_base64(const char *text)
{
    unsigned char bytes[256], small[8];
    size_t size = 0, fit = 0;

    memset(bytes, 0, sizeof(bytes));
    if (!base64_decode(text, bytes, sizeof(bytes), &size))
        return;
    MUST(size <= strlen(text) / 4 * 3);
    MUST(base64_decode(text, small, sizeof(small), &fit) == (size <= sizeof(small)));
    MUST(size > sizeof(small) || (fit == size && memcmp(bytes, small, size) == 0));
}

/* The table in vmm/image.h; the first byte says what the name ends in. */
static void read_image(struct script *script)
{
    static const char *const suffixes[] = {".qcow2", ".raw", ".iso", ".img", "", ".QCOW2"};
    size_t which = script_byte(script) % COUNT_OF(suffixes);
    bool qcow2 = script->size >= 4 && memcmp(script->at, "QFI\xfb", 4) == 0;
    char path[64];
    struct error error = ERROR_INIT;
    static struct image image;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/tmp/vmplug-fuzz-%ld%s", (long)getpid(), suffixes[which]);
    file = fopen(path, "wb");
    MUST(file != NULL);
    (void)fwrite(script->at, 1, script->size, file);
    (void)fclose(file);
    if (image_inspect(path, NULL, false, &image, &error) < 0) {
        MUST(error.code == ERROR_BLOCKED);
        MUST(which % 5 == 0 ? !qcow2 : qcow2 && which >= 3);
    } else {
        AUTO_JSON json_t *node = image_node(&image, "n", true);

        MUST(node != NULL && strcmp(image.format, which % 5 == 0 ? "qcow2" : "raw") == 0);
        MUST(image.header_ignored == (qcow2 && which % 5 != 0));
    }
    (void)unlink(path);
}

/* What is chosen is an id to QEMU (util/id.c), is free, and is the wanted one if there is one. */
static void choose_id(const char *text)
{
    static struct operation operation;
    struct inventory before = {.names = json_pack("{s:b, s:b}", "x", true, "vmplug-0", true)};
    const char *id = operation.result.id;
    size_t i;

    operation.before = &before;
    operation.request.id = text[0] != '\0' ? text : NULL;
    if (operation_choose_id(&operation, "vmplug-", 0, 31, NULL) == 0) {
        MUST(strlen(id) > 0 && strlen(id) <= 31 && !inventory_name_taken(&before, id));
        MUST((id[0] | 0x20) >= 'a' && (id[0] | 0x20) <= 'z');
        for (i = 0; id[i] != '\0'; i++)
            MUST(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._",
                        id[i]) != NULL);
        MUST(strcmp(id, text[0] != '\0' ? text : "vmplug-1") == 0);
    }
    json_decref(before.names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {.at = data, .size = size};
    uint8_t which = script_byte(&script);
    AUTO_FREE char *text = script_text(&script);
    uint64_t number;

    if (text == NULL)
        return 0;
    switch (which % 8) {
    case 0:
        read_size(text);
        break;
    case 1:
        number = (uint64_t)script_u32(&script) << 32;
        check_size(number | script_u32(&script));
        break;
    case 2:
        read_nbd(text);
        break;
    case 3:
        read_options(text);
        break;
    case 4:
        read_text(text);
        break;
    case 5:
        read_base64(text);
        break;
    case 6:
        choose_id(text);
        break;
    default:
        read_image(&script);
        break;
    }
    return 0;
}
