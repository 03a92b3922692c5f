// Bodies under a cap, counted while they arrive: a runtime's own limit may be far away or none.

// The whole body, whose length is known to be harmless.
export async function readAll(message) {
  return new Uint8Array(await message.arrayBuffer());
}

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
      await discard(reader, capBytes);
      return null;
    }
    chunks.push(value);
  }
}

// Reads on, as much again at most: an answer to who is still sending is lost with the connection,
// and a client without an answer would send the same again.
async function discard(reader, leftBytes) {
  for (let left = leftBytes; left >= 0;) {
    const { done, value } = await reader.read();
    if (done) return;
    left -= value.byteLength;
  }
  await reader.cancel();
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
