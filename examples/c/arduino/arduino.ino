// Sketch for the library that `converter library --arduino` writes; copy its --out into the sketchbook's
// `libraries` folder.
#include <Inkling.h>

static uint32_t arena[INKLING_SIMPLE_ARENA_WORDS];
static uint8_t image[INKLING_SIMPLE_INPUT_BYTES];  // 0 is background

void setup() { Serial.begin(115200); }

void loop() {
  int32_t logits[INKLING_SIMPLE_OUTPUTS];
  const void *inputs[] = {image};
  void *outputs[] = {logits};
  if (inkling_simple_infer(inputs, outputs, arena) != 0) return;
  int best = 0;
  for (int i = 1; i < INKLING_SIMPLE_OUTPUTS; i++) {
    if (logits[i] > logits[best]) best = i;
  }
  Serial.println(inkling_simple_labels[best]);
  delay(1000);
}
