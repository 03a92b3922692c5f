// One shard of the group-maker as a Durable Object: it does what the core says, in order, and
// brings back what came of it. Nothing is decided here.

import { DurableObject } from "cloudflare:workers";
import { GroupShard, Worker } from "#glue";
import { instance, replaceAfter } from "./instance.js";
import { Rows } from "./storage.js";
import { post } from "./upstream.js";

// The first shard's storage tells all others how many there were: a new one has no memory of it.
const FIRST = "0";

export class GroupMaker extends DurableObject {
  #maker;

  constructor(ctx, env) {
    super(ctx, env);
    this.#maker = new Maker(ctx, env);
    ctx.blockConcurrencyWhile(() => this.#maker.start());
  }

  // How many shards there are, once that is durable.
  async shards() {
    await this.ctx.storage.sync();
    return this.#maker.rows.shards();
  }

  // "accepted", "known" or "busy".
  put(site, table, id, block) {
    return this.#maker.call("put", site, table, id, block);
  }

  // Whether it took a batch: "known", "unknown" or "busy".
  ask(site, table, id) {
    return this.#maker.call("ask", site, table, id);
  }

  // What waits, as JSON; a sentence if nothing is taken.
  status() {
    return this.#maker.status();
  }

  // Reads, lists, replays or discards a group that was set aside: its body, what it holds as JSON, no
  // bytes, or nothing.
  admin(action, group) {
    return this.#maker.admin(action, group);
  }

  alarm() {
    if (!this.#maker.problem) this.#maker.tell("alarm");
  }
}

// Drives the core. Its effects are the methods that are named as they are; what may be called from
// outside is the class above alone.
class Maker {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
    this.calls = new Map();
    this.nextCall = 0;
    this.made = instance();
  }

  async start() {
    try {
      await this.open();
    } catch (error) {
      replaceAfter(error, this.made);
      throw error;
    }
  }

  async open() {
    this.rows = new Rows(this.ctx.storage);
    this.shard = new GroupShard(new Worker(this.env, crypto.getRandomValues(new Uint32Array(8))));
    const own = this.rows.shards();
    if (own !== undefined) this.shard.storedShards(own);
    const first = own ?? (await this.shardsOfFirst());
    if (first !== undefined) this.shard.shardsOfFirst(first);
    this.rows.feed(this.shard);
    const seed = crypto.getRandomValues(new BigUint64Array(4));
    this.problem = this.shard.open(...clocks(), seed);
    if (this.problem) console.error(`tallymark: ${this.problem}`);
    this.run();
  }

  async shardsOfFirst() {
    const { GROUPS } = this.env;
    const first = GROUPS.idFromName(FIRST);
    return this.ctx.id.equals(first) ? undefined : GROUPS.get(first).shards();
  }

  // A call that the core answers.
  call(what, ...args) {
    if (this.problem) return "busy";
    return new Promise((resolve) => {
      const call = this.nextCall;
      this.nextCall = (call + 1) >>> 0;
      this.calls.set(call, resolve);
      this.tell(what, call, ...args);
    });
  }

  status() {
    const { storedBytes } = this.rows;
    return this.problem ?? this.guarded(() => this.shard.status(...clocks(), storedBytes));
  }

  async admin(action, group) {
    if (this.problem) return undefined;
    const body = () => this.rows.bodyAside(group);
    if (action === "read") return body();
    if (action === "list")
      return this.guarded(() => this.shard.list(group, body() ?? new Uint8Array()));
    const found = this.tell(action, group);
    await this.ctx.storage.sync();
    return found ? new Uint8Array() : undefined;
  }

  // Tells the core what happened, then does what it says until it wants to be woken.
  tell(what, ...args) {
    return this.guarded(() => {
      const told = this.shard[what](...clocks(), ...args);
      this.run();
      return told;
    });
  }

  // What breaks here may leave storage and memory apart, and only a start brings them together. So
  // does a trap elsewhere in the isolate: the shard went with the instance that it was made in.
  guarded(call) {
    try {
      return call();
    } catch (error) {
      console.error(`tallymark: ${error?.stack ?? error}`);
      replaceAfter(error, this.made);
      return this.restart();
    }
  }

  run() {
    for (;;) {
      const effect = this.shard.poll();
      this[effect.kind](effect);
      if (effect.kind === "wake") return;
    }
  }

  wake({ at }) {
    clearTimeout(this.timer);
    if (at === undefined) return;
    const wait = Math.max(0, at - performance.now());
    this.timer = setTimeout(() => this.tell("timeout"), wait);
  }

  answer({ put, taken }) {
    this.calls.get(put)(taken);
    this.calls.delete(put);
  }

  look({ put, hour, part }) {
    const slices = this.rows.slices(hour, part);
    const lengths = Uint32Array.from(slices, (slice) => slice.length);
    this.shard.looked(...clocks(), put, joined(slices), lengths);
  }

  writeGroup(row) {
    try {
      this.rows.writeGroup(row);
    } catch (error) {
      this.shard.writeFailed(...clocks(), row.group, String(error));
    }
  }

  sync({ group }) {
    this.ctx.storage.sync().then(
      () => this.tell("synced", group),
      (error) => this.tell("storageLost", String(error)),
    );
  }

  // A body is read when it is sent: what waits costs no memory.
  insert({ group, request }) {
    const body = this.rows.body(group);
    post(
      { ...request, body },
      {
        answered: (...answer) => this.tell("answered", group, ...answer),
        lost: (timedOut) => this.tell("lost", group, timedOut),
      },
    );
  }

  load({ group }) {
    this.shard.loaded(...clocks(), group, this.rows.body(group));
  }

  split({ group, rows }) {
    this.rows.split(group, rows);
  }

  moveKnown({ groups, slices }) {
    const isMoved = this.tried(() => this.rows.moveKnown(groups, slices));
    this.shard.moved(...clocks(), isMoved);
  }

  writeShards({ shards }) {
    this.rows.writeShards(shards);
  }

  clearBody({ group }) {
    this.tried(() => this.rows.clearBody(group));
  }

  giveUp({ group, givenUp }) {
    this.tried(() => this.rows.giveUp(group, givenUp));
  }

  setAside({ group, code }) {
    this.tried(() => this.rows.setAside(group, code));
  }

  reopen({ group }) {
    this.tried(() => this.rows.setAside(group, null));
  }

  dropSlices({ before }) {
    this.tried(() => this.rows.dropSlices(before));
  }

  alarm({ at }) {
    this.ctx.storage.setAlarm(at);
  }

  log({ line }) {
    console.error(`tallymark: ${line}`);
  }

  restart() {
    this.ctx.abort("the group-maker starts again from its storage");
  }

  // For a write whose failure does no harm: a start finds the row as it was, and does it again.
  tried(write) {
    try {
      write();
      return true;
    } catch (error) {
      console.error(`tallymark: ${error}`);
      return false;
    }
  }
}

// Both clocks; the second never runs backwards.
function clocks() {
  return [Date.now(), Math.floor(performance.now())];
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
