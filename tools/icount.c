/* Counts guest instructions between marker instructions: a plugin for QEMU's TCG (plugin interface
 * version 4, QEMU 9.2 and newer).
 *
 *   qemu-system-arm ... -plugin libicount.so,out=FILE[,symbols=on][,mnemonics=on][,stack=LOW-HIGH]
 *
 * A region begins at one marker and ends at the other:
 *
 *             begin                            end
 *   Thumb     mov r10, r10      (0x46d2)       mov r11, r11      (0x46db)
 *   AArch64   mov x10, x10      (0xaa0a03ea)   mov x11, x11      (0xaa0b03eb)
 *   RISC-V    slti x0, x0, 10   (0x00a02013)   slti x0, x0, 11   (0x00b02013)
 *
 * All are no-ops on every such core and no compiler emits them. The markers themselves are not
 * counted, and neither is anything outside a region. The count is exact and the same in every run
 * of the same binary on the same input.
 *
 * `stack` names the RAM from the end of the statics to the top of the stack, in hexadecimal; the
 * plugin then watches every store into it, from reset on. It sees what painting the stack would show,
 * and needs nothing from the firmware.
 *
 * FILE gets one line `region N instructions COUNT` as each region ends, and at the exit of QEMU
 * `stack BYTES`, from the lowest byte stored to the top, and `symbol NAME COUNT` and `mnemonic NAME
 * COUNT`, summed over all regions, largest first.
 *
 * The few entry points used are declared here, so that neither QEMU's nor GLib's headers are needed.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
typedef struct { struct qemu_plugin_scoreboard *score; size_t offset; } counter;
typedef struct {
    const char *target_name;
    struct { int min, cur; } version;
    bool system_emulation;
    int smp_vcpus, max_vcpus;
} plugin_info;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *);
extern const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *, int, counter, uint64_t);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *,
    void (*)(unsigned, uint32_t, uint64_t, void *), int, int, void *);
extern struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t);
extern uint64_t qemu_plugin_u64_get(counter, unsigned);
extern int qemu_plugin_num_vcpus(void);

__attribute__((visibility("default"))) int qemu_plugin_version = 4;

enum { NO_REGISTERS = 0, ADD_U64 = 0, STORES = 2, CPU = 0 };
enum { CAPACITY = 2048 };

/* A histogram: names seen so far, each with its own counter in the scoreboard after the total's. */
struct histogram {
    const char *label;
    bool enabled;
    int first_slot, len;
    char *names[CAPACITY];
    uint64_t at_begin[CAPACITY], sum[CAPACITY];
};

static struct qemu_plugin_scoreboard *score;
static struct histogram symbols = { .label = "symbol", .first_slot = 1 };
static struct histogram mnemonics = { .label = "mnemonic", .first_slot = 1 + CAPACITY };
static uint32_t begin_word, end_word;
static bool in_region;
static uint64_t total_at_begin;
static unsigned long regions;
static uint64_t stack_low, stack_high, lowest_store;
static FILE *out;

static counter slot(int index) {
    counter c = { score, sizeof(uint64_t) * (size_t)index };
    return c;
}

static uint64_t value(int index) { return qemu_plugin_u64_get(slot(index), CPU); }

/* The slot that counts `name`. The last place collects whatever exceeds the capacity. */
static int slot_of(struct histogram *h, const char *name) {
    int i = 0;
    while (i < h->len && strcmp(h->names[i], name)) i++;
    if (i == h->len) {
        if (h->len == CAPACITY) return h->first_slot + CAPACITY - 1;
        h->names[i] = strdup(i == CAPACITY - 1 ? "(others)" : name);
        h->len++;
    }
    return h->first_slot + i;
}

static void histogram_begin(struct histogram *h) {
    /* Names met later in the region start from the zero that is already here. */
    for (int i = 0; i < h->len; i++) h->at_begin[i] = value(h->first_slot + i);
}

static void histogram_end(struct histogram *h) {
    for (int i = 0; i < h->len; i++) h->sum[i] += value(h->first_slot + i) - h->at_begin[i];
}

static void begin(unsigned cpu, void *unused) {
    (void)cpu, (void)unused;
    in_region = true;
    total_at_begin = value(0);
    histogram_begin(&symbols);
    histogram_begin(&mnemonics);
}

static void end(unsigned cpu, void *unused) {
    (void)cpu, (void)unused;
    if (!in_region) return;
    in_region = false;
    fprintf(out, "region %lu instructions %llu\n", regions++, (unsigned long long)(value(0) - total_at_begin));
    fflush(out);
    histogram_end(&symbols);
    histogram_end(&mnemonics);
}

static void store(unsigned cpu, uint32_t info, uint64_t address, void *unused) {
    (void)cpu, (void)info, (void)unused;
    if (address >= stack_low && address < lowest_store) lowest_store = address;
}

static void count(struct qemu_plugin_insn *insn, int index) {
    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, ADD_U64, slot(index), 1);
}

static void translate(plugin_id id, struct qemu_plugin_tb *tb) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t size = qemu_plugin_insn_size(insn);
        uint32_t word = 0;
        qemu_plugin_insn_data(insn, &word, size < sizeof word ? size : sizeof word);
        if (stack_high) qemu_plugin_register_vcpu_mem_cb(insn, store, NO_REGISTERS, STORES, NULL);
        bool is_begin = begin_word ? word == begin_word : size == 2 && word == 0x46d2;
        bool is_end = end_word ? word == end_word : size == 2 && word == 0x46db;
        if (is_begin || is_end) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, is_begin ? begin : end, NO_REGISTERS, NULL);
            continue;
        }
        count(insn, 0);
        if (symbols.enabled) {
            const char *name = qemu_plugin_insn_symbol(insn);
            count(insn, slot_of(&symbols, name ? name : "(no symbol)"));
        }
        if (mnemonics.enabled) {
            char *text = qemu_plugin_insn_disas(insn);
            if (text) {
                text[strcspn(text, " \t")] = 0;
                count(insn, slot_of(&mnemonics, text));
                free(text);
            }
        }
    }
}

static const struct histogram *sorted;

static int by_sum_descending(const void *a, const void *b) {
    uint64_t x = sorted->sum[*(const int *)a], y = sorted->sum[*(const int *)b];
    return x < y ? 1 : x > y ? -1 : 0;
}

static void print(const struct histogram *h) {
    int order[CAPACITY];
    for (int i = 0; i < h->len; i++) order[i] = i;
    sorted = h;
    qsort(order, (size_t)h->len, sizeof *order, by_sum_descending);
    for (int i = 0; i < h->len && h->sum[order[i]]; i++)
        fprintf(out, "%s %s %llu\n", h->label, h->names[order[i]], (unsigned long long)h->sum[order[i]]);
}

static void finish(plugin_id id, void *unused) {
    (void)id, (void)unused;
    if (qemu_plugin_num_vcpus()) {
        if (stack_high) fprintf(out, "stack %llu\n", (unsigned long long)(stack_high - lowest_store));
        print(&symbols);
        print(&mnemonics);
    }
    fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const plugin_info *info, int argc, char **argv) {
    if (!strncmp(info->target_name, "riscv", 5)) begin_word = 0x00a02013, end_word = 0x00b02013;
    if (!strcmp(info->target_name, "aarch64")) begin_word = 0xaa0a03ea, end_word = 0xaa0b03eb;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) out = fopen(argv[i] + 4, "w");
        else if (!strcmp(argv[i], "symbols=on")) symbols.enabled = true;
        else if (!strcmp(argv[i], "mnemonics=on")) mnemonics.enabled = true;
        else if (sscanf(argv[i], "stack=%" SCNx64 "-%" SCNx64, &stack_low, &stack_high) == 2) lowest_store = stack_high;
        else {
            fprintf(stderr, "icount: unknown argument '%s'; known: out=FILE, symbols=on, mnemonics=on, stack=LOW-HIGH\n", argv[i]);
            return 1;
        }
    }
    if (!out) {
        fprintf(stderr, "icount: out=FILE is missing or cannot be written\n");
        return 1;
    }
    score = qemu_plugin_scoreboard_new(sizeof(uint64_t) * (1 + 2 * CAPACITY));
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
