// Puts strings and numbers where the wasm side reads them: the engine's inbox.

const encoder = new TextEncoder();

/** Ends every string, so that a high surrogate that ends one cannot fuse with the next one's low. */
const END = "\n";

/**
 * Writes both into the inbox of `engine`: one text encoded at once, the strings' UTF-16 lengths,
 * the numbers. One `encodeInto` a string would cost 450 ns each.
 */
export function putInbox(engine, memory, strings, numbers) {
  const text = strings.join(END) + END;
  // Reserving may move the memory, so every view is made after the last reservation.
  const lengthsAt = engine.lengths(strings.length);
  const numbersAt = engine.numbers(numbers.length);
  let bytes = text.length;
  let textAt = engine.text(bytes);
  const encode = () => encoder.encodeInto(text, new Uint8Array(memory.buffer, textAt, bytes)).read;
  if (encode() < text.length) {
    // Not all ASCII: a unit of UTF-16 takes three bytes at most.
    bytes *= 3;
    textAt = engine.text(bytes);
    encode();
  }
  const lengths = new Uint32Array(memory.buffer, lengthsAt, strings.length);
  for (let at = 0; at < lengths.length; at++) lengths[at] = strings[at].length;
  new Float64Array(memory.buffer, numbersAt, numbers.length).set(numbers);
}
