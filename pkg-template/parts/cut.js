// Cuts a batch in two: `src/js/split.rs`, loaded when a receiver finds a batch too large.

/** The halves of a block, as the engine takes them, by an instance of the module that cuts. */
export function cut(block, { memory, split_room, split_in_two, split_halves }) {
  const room = split_room(block.length);
  new Uint8Array(memory.buffer, room, block.length).set(block);
  const bytes = split_in_two();
  return new Uint8Array(memory.buffer, split_halves(), bytes).slice();
}
