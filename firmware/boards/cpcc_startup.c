/* Start-up of a Cortex-M without vendor code: vector table, memory initialisation, FPU or Helium enabled. */
#include <stddef.h>
#include <stdint.h>

extern uint32_t _estack[], _sidata[], _sdata[], _edata[], _sbss[], _ebss[];
int main(void);
void Reset_Handler(void);
void Default_Handler(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)

/* Stops in the debugger, and in the emulator with a message; never returns into broken state. */
void Default_Handler(void) {
  for (;;) {
    __asm__ volatile("bkpt #0");
  }
}

#define WEAK __attribute__((weak, alias("Default_Handler")))
void NMI_Handler(void) WEAK;
void HardFault_Handler(void) WEAK;
void MemManage_Handler(void) WEAK;
void BusFault_Handler(void) WEAK;
void UsageFault_Handler(void) WEAK;
void SVC_Handler(void) WEAK;
void DebugMon_Handler(void) WEAK;
void PendSV_Handler(void) WEAK;
void SysTick_Handler(void) WEAK;

typedef void (*vector_t)(void);

/* The first entry is the initial stack pointer, which is no function: hence the union. */
typedef union {
  uint32_t *stack;
  vector_t handler;
  uintptr_t reserved;
} entry_t;

__attribute__((section(".isr_vector"), used)) const entry_t cpcc_vectors[16] = {
    {.stack = _estack},
    {.handler = Reset_Handler},
    {.handler = NMI_Handler},
    {.handler = HardFault_Handler},
    {.handler = MemManage_Handler},
    {.handler = BusFault_Handler},
    {.handler = UsageFault_Handler},
    {.reserved = 0},
    {.reserved = 0},
    {.reserved = 0},
    {.reserved = 0},
    {.handler = SVC_Handler},
    {.handler = DebugMon_Handler},
    {.reserved = 0},
    {.handler = PendSV_Handler},
    {.handler = SysTick_Handler},
};

#if defined(__GNUC__) && !defined(__clang__)
/* GCC calls these even from freestanding code; zig brings its own. The attribute keeps GCC from turning the loop of
 * memcpy into a call of memcpy. */
#define C_LIBRARY __attribute__((weak, used, optimize("no-tree-loop-distribute-patterns")))
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

C_LIBRARY void *memcpy(void *to, const void *from, size_t size) {
  uint8_t *target = to;
  const uint8_t *source = from;
  for (size_t i = 0; i < size; i++) {
    target[i] = source[i];
  }
  return to;
}

C_LIBRARY void *memset(void *to, int value, size_t size) {
  uint8_t *target = to;
  for (size_t i = 0; i < size; i++) {
    target[i] = (uint8_t)value;
  }
  return to;
}
#endif

__attribute__((noreturn, used)) void Reset_Handler(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  CPACR |= 0xFu << 20; /* full access to CP10 and CP11 */
  __asm__ volatile("dsb\n isb");
#endif
  const uint32_t *source = _sidata;
  for (uint32_t *p = _sdata; p < _edata;) {
    *p++ = *source++;
  }
  for (uint32_t *p = _sbss; p < _ebss;) {
    *p++ = 0;
  }
  (void)main();
  for (;;) {
  }
}
