// What a shard says to do: plain objects, made in one crossing each. Bytes are copied out of wasm's
// memory here, because that memory moves when it grows.

export const writeShards = (shards) => ({ kind: "writeShards", shards });

export const answer = (put, taken) => ({ kind: "answer", put, taken });

export const look = (put, hour, part) => ({ kind: "look", put, hour, part });

export const writeGroup = (group, table, members, body) => ({
  kind: "writeGroup",
  group: group.slice(),
  table,
  members: members.slice(),
  body: body.slice(),
});

export const sync = (group) => ({ kind: "sync", group: group.slice() });

export const insert = (group, request) => ({ kind: "insert", group: group.slice(), request });

export const clearBody = (group) => ({ kind: "clearBody", group: group.slice() });

export const giveUp = (group, givenUp) => ({ kind: "giveUp", group: group.slice(), givenUp });

export const load = (group) => ({ kind: "load", group: group.slice() });

export const split = (group, ...rows) => ({ kind: "split", group: group.slice(), rows });

export const setAside = (group, code) => ({ kind: "setAside", group: group.slice(), code });

export const reopen = (group) => ({ kind: "reopen", group: group.slice() });

// Ids come one behind the other, 16 bytes each.
export const moveKnown = (ids, slices) => ({
  kind: "moveKnown",
  groups: Array.from({ length: ids.length / 16 }, (_, at) => ids.slice(at * 16, at * 16 + 16)),
  slices,
});

export const slice = (hour, part, run, keys) => ({ hour, part, run, keys: keys.slice() });

export const dropSlices = (before) => ({ kind: "dropSlices", before });

export const alarm = (at) => ({ kind: "alarm", at });

export const restart = () => ({ kind: "restart" });

export const log = (line) => ({ kind: "log", line });

export const wake = (at) => ({ kind: "wake", at });
