// Cuts a batch in two: `src/js/split.rs`, fetched when a receiver finds a batch too large.

const wasm = new URL("tallymark_split_bg.wasm", import.meta.url);

/** The halves of a block, as the engine takes them; `instanceOf(url)` makes an instance. */
export async function inTwo(block, instanceOf) {
  const { memory, split_room, split_in_two, split_halves } = await instanceOf(wasm);
  const room = split_room(block.length);
  new Uint8Array(memory.buffer, room, block.length).set(block);
  const bytes = split_in_two();
  return new Uint8Array(memory.buffer, split_halves(), bytes).slice();
}
