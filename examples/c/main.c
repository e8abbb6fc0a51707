/* Runs every golden sample of two models and compares every output. */

#include <stdio.h>
#include <string.h>

#include "inkling_series.h"
#include "inkling_series_golden.h"
#include "inkling_simple.h"
#include "inkling_simple_golden.h"

/* Two models may share an arena that is large enough for either, if they run one after the other. */
#define MOST(a, b) ((a) > (b) ? (a) : (b))
static uint32_t arena[MOST(INKLING_SIMPLE_ARENA_WORDS, INKLING_SERIES_ARENA_WORDS)];

static int check_simple(void) {
    int wrong = 0;
    for (int i = 0; i < INKLING_SIMPLE_GOLDEN; i++) {
        inkling_simple_output_t logits[INKLING_SIMPLE_OUTPUTS];
        const void *inputs[] = {inkling_simple_golden_inputs[i]};
        void *outputs[] = {logits};
        memset(arena, 0xa5, sizeof arena);
        if (inkling_simple_infer(inputs, outputs, arena) != 0 ||
            memcmp(logits, inkling_simple_golden_outputs[i], sizeof logits) != 0) {
            printf("simple: sample %d differs\n", i);
            wrong++;
        }
    }
    return wrong;
}

static int check_series(void) {
    int wrong = 0;
    for (int i = 0; i < INKLING_SERIES_GOLDEN; i++) {
        inkling_series_output_t values[INKLING_SERIES_OUTPUTS];
        const void *inputs[] = {inkling_series_golden_inputs[i]};
        void *outputs[] = {values};
        if (inkling_series_infer(inputs, outputs, arena) != 0 ||
            memcmp(values, inkling_series_golden_outputs[i], sizeof values) != 0) {
            printf("series: sample %d differs\n", i);
            wrong++;
        }
    }
    return wrong;
}

int main(void) {
    /* Flash can lose bits: to be asked at boot. */
    if (!inkling_simple_verify() || !inkling_series_verify()) {
        printf("the weights are spoiled\n");
        return 2;
    }
    const void *inputs[] = {inkling_simple_golden_inputs[0]};
    int32_t logits[INKLING_SIMPLE_OUTPUTS];
    void *outputs[] = {logits};
    void *nothing[] = {NULL};
    int wrong = check_simple() + check_series();
    /* What cannot work is said, not tried. */
    wrong += inkling_simple_infer(NULL, outputs, arena) != -1;
    wrong += inkling_simple_infer(inputs, nothing, arena) != -1;
    wrong += inkling_simple_infer(inputs, outputs, (char *)arena + 1) != -2;
    inkling_simple_infer(inputs, outputs, arena);
    int best = 0;
    for (int i = 1; i < INKLING_SIMPLE_OUTPUTS; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    printf("the first image is a %s\n", inkling_simple_labels[best]);
    printf("%d + %d samples, %d wrong\n", INKLING_SIMPLE_GOLDEN, INKLING_SERIES_GOLDEN, wrong);
    return wrong != 0;
}
