/* SPDX-License-Identifier: MIT */
#include "cli/manifest_show.h"

#include "base/cleanup.h"
#include "cli/table.h"
#include "manifest/yaml_write.h"
#include "qmp/codec.h"
#include "qmp/field.h"

#define EXIT_CHANGES 11
#define EXIT_BLOCKED 7
#define OBJECT_INDENT 4

/* ---- plans ---- */

static void show_steps(struct output *out, const json_t *steps)
{
    struct table table = {.columns = 3};
    const json_t *step;
    size_t i;

    json_array_foreach(steps, i, step) {
        table_add(&table, "%zu.", i + 1);
        table_add(&table, "%s", field_string(step, "what", ""));
        table_add(&table, "%s", field_string(step, "reason", ""));
    }
    table_print(&table, out, 2);
}

void manifest_show_blocks(struct output *out, const json_t *plan)
{
    const json_t *block;
    size_t i;

    json_array_foreach(field_array(plan, "blocked"), i, block) {
        output_style(out, OUTPUT_BAD);
        output_print(out, "  %s", field_bool(block, "restart_required", false)
                                      ? "restart required"
                                      : "blocked");
        output_style(out, OUTPUT_PLAIN);
        output_print(out, "  %s: %s; %s\n", field_string(block, "path", ""),
                     field_string(block, "reason", ""), field_string(block, "fix", ""));
    }
}

int manifest_show_plan(struct output *out, const json_t *plan, const char *comes)
{
    size_t steps = json_array_size(field_array(plan, "operations"));
    size_t blocks = json_array_size(field_array(plan, "blocked"));
    const char *name = field_string(plan, "vm", "the VM");
    bool runs = field_bool(plan, "running", true);

    if (out->json)
        output_json(out, plan, 0);
    if (!runs)
        output_print(out, "%s does not run: %s\n", name, comes);
    else if (steps == 0)
        output_print(out, "%s: %s\n", name,
                     blocks == 0 ? "nothing to do" : "nothing can be done while it runs");
    else
        output_print(out, "%s: %zu change%s to make\n", name, steps, steps == 1 ? "" : "s");
    show_steps(out, runs ? field_array(plan, "operations") : NULL);
    manifest_show_blocks(out, plan);
    if (blocks > 0)
        return EXIT_BLOCKED;
    return runs && steps > 0 ? EXIT_CHANGES : 0;
}

int manifest_show_worse(int first, int second)
{
    /* By what is amiss: nothing, changes to make, something blocked; last, any failure. */
    static const int order[] = {0, 11, 7};
    size_t i;

    for (i = COUNT_OF(order); i-- > 0;) {
        if (first == order[i])
            return second == 0 || (i == 2 && second == 11) ? first : second;
    }
    return first;
}

/* ---- objects ---- */

static const json_t *status_of(const json_t *object)
{
    return json_object_get(object, "status");
}

static const char *name_of(const json_t *object)
{
    return field_string(json_object_get(object, "metadata"), "name", "");
}

static void add_vm_row(struct table *table, const json_t *vm)
{
    table_add(table, "%s", name_of(vm));
    table_add(table, "%s", field_string(status_of(vm), "printableStatus", ""));
    table_add(table, "%s",
              json_is_true(json_object_get(status_of(vm), "ready")) ? "True" : "False");
}

static void add_vmi_row(struct table *table, const json_t *vmi)
{
    const json_t *status = status_of(vmi);
    unsigned sockets;

    table_add(table, "%s", name_of(vmi));
    table_add(table, "%s", field_string(status, "phase", ""));
    if (field_unsigned(json_object_get(status, "currentCPUTopology"), "sockets", &sockets))
        table_add(table, "%u", sockets);
    else
        table_add(table, "-");
    table_add(table, "%s",
              field_string(json_object_get(status, "memory"), "guestCurrent", "-"));
}

static void show_rows(struct output *out, const json_t *object, bool instance)
{
    static const char *const vm_heads[] = {"NAME", "STATUS", "READY"};
    static const char *const vmi_heads[] = {"NAME", "PHASE", "SOCKETS", "MEMORY"};
    const json_t *items = field_array(object, "items"), *item;
    size_t count = instance ? COUNT_OF(vmi_heads) : COUNT_OF(vm_heads), i;
    struct table table = {.columns = count};

    for (i = 0; i < count; i++)
        table_add(&table, "%s", (instance ? vmi_heads : vm_heads)[i]);
    if (items == NULL)
        (instance ? add_vmi_row : add_vm_row)(&table, object);
    json_array_foreach(items, i, item)
        (instance ? add_vmi_row : add_vm_row)(&table, item);
    table_print(&table, out, 0);
}

int manifest_show_object(struct invocation *invocation, const json_t *object, bool instance)
{
    const struct options *options = &invocation->options;
    AUTO_FREE char *text = NULL;

    if (options->output == OUTPUT_YAML) {
        text = yaml_write(object);
        output_print(&invocation->out, "%s", text != NULL ? text : "");
    } else if (invocation->out.json) {
        output_json(&invocation->out, object, options->output == OUTPUT_JSON ? OBJECT_INDENT : 0);
    } else {
        show_rows(&invocation->out, object, instance);
    }
    return 0;
}
