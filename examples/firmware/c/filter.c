/* A first-order low-pass filter in Q15, with nothing but the headers of a freestanding compiler. */

#include <stddef.h>
#include <stdint.h>

/* One byte with gcc on bare arm, four elsewhere: rustc must agree. */
enum quality { POOR, FAIR, GOOD };

/* In .data, so that the startup code has to have copied it from flash. */
static int32_t gain = 1 << 15;

static int16_t saturate(int32_t value) {
    return value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : (int16_t)value;
}

void filter_set_gain(int32_t q15) { gain = q15; }
int32_t filter_gain(void) { return gain; }
size_t filter_size_of_quality(void) { return sizeof(enum quality); }

enum quality filter_quality(int32_t error) {
    return error > 100 ? POOR : error > 10 ? FAIR : GOOD;
}

/* state += alpha * (input - state), then the gain. */
int16_t filter_step(int32_t *state, int16_t input, int32_t alpha) {
    *state += (int32_t)(((int64_t)alpha * (((int32_t)input << 8) - *state)) >> 15);
    return saturate((int32_t)(((int64_t)(*state >> 8) * gain) >> 15));
}

/* Floats travel in registers with a hard-float ABI and on the stack's side with a soft one. */
float filter_mix(float a, float b, float share) { return a * share + b * (1.0f - share); }
