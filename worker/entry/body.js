// Bodies under a cap, counted while they arrive: a runtime's own limit may be far away or none.

// The whole body, or null when it has more than `capBytes`.
export async function readUnder(message, capBytes) {
  if (!message.body) return new Uint8Array();
  const reader = message.body.getReader();
  const chunks = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(chunks, bytes);
    bytes += value.byteLength;
    if (bytes > capBytes) {
      await reader.cancel();
      return null;
    }
    chunks.push(value);
  }
}

function joined(chunks, bytes) {
  if (chunks.length === 1) return chunks[0];
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
