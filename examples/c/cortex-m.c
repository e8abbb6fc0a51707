/* Start-up of a Cortex-M that QEMU emulates; standard output and the end go through semihosting
   (newlib's rdimon). */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern uint32_t data_start, data_end, data_load, bss_start, bss_end, stack_top;
extern void initialise_monitor_handles(void);
int main(void);

void reset(void) {
    memcpy(&data_start, &data_load, (char *)&data_end - (char *)&data_start);
    memset(&bss_start, 0, (char *)&bss_end - (char *)&bss_start);
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xf << 20; /* the FPU */
#endif
    initialise_monitor_handles();
    exit(main());
}

/* Not an endless loop: a test that fails must end. */
static void fault(void) { _Exit(3); }

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))&stack_top, reset, fault, fault, fault, fault, fault,
};
