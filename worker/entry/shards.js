// Calls to the shards of the group-maker, which are Durable Objects named by their number.

const shard = (namespace, number) => namespace.get(namespace.idFromName(String(number)));

// What the shard said of a batch, or undefined when it could not be asked.
export async function putBatch(namespace, { shard: number, site, table, id, block }) {
  return said(shard(namespace, number).put(site, table, id, block));
}

export async function askForBatch(namespace, { shard: number, site, table, id }) {
  return said(shard(namespace, number).ask(site, table, id));
}

async function said(call) {
  try {
    return await call;
  } catch (error) {
    // It is starting again: what it was told before may be durable, or not.
    console.error(`tallymark: ${error}`);
    return undefined;
  }
}

// Every shard's status: JSON, or a sentence.
export function askShards(namespace, { count }) {
  const ask = (number) =>
    shard(namespace, number)
      .status()
      .catch((error) => `the shard does not answer: ${error}`);
  return Promise.all(Array.from({ length: count }, (_, number) => ask(number)));
}

// A group's body, what it holds, no bytes, or undefined for no such group.
export const askAdmin = (namespace, { shard: number, action, group }) =>
  shard(namespace, number).admin(action, group);
