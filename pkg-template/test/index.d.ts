// A kit for your own tests: the tracker itself, in a world that the test moves. Nothing global is
// replaced, nothing waits for real, and the same seed gives the same ids.

import type { Options, Tally } from "../index.js";

/** What the kit starts with. */
export interface KitOptions {
  /** The clock, in Unix milliseconds. Default: the beginning of 2026, UTC. */
  now?: number;
  /** Gives ids and the waits between tries. Default 1. */
  seed?: number;
  /** What answers a named query: its rows, or a function of the parameters that gives them. */
  queries?: Record<string, QueryAnswer>;
}

export type QueryAnswer =
  readonly object[] | ((params: Record<string, unknown>) => readonly object[]);

/** What the tracker sent. */
export interface KitRequest {
  url: string;
  method: string;
  body?: Uint8Array;
  /** What it was answered; 0 for no answer, undefined as long as it is under way. */
  status?: number;
}

/** What comes back. */
export interface KitAnswer {
  status: number;
  body?: string;
  headers?: Record<string, string>;
}

/** What the network does with a request: an answer, or null for none. `sleep` is of the kit's time. */
export type Behaviour = (
  request: KitRequest,
  forward: () => KitAnswer,
  sleep: (ms: number) => Promise<void>,
) => KitAnswer | null | Promise<KitAnswer | null>;

/** The receiver gets it and its answer arrives. */
export const pass: Behaviour;
/** Nothing arrives anywhere. */
export const noAnswer: Behaviour;
/** The receiver gets it, its answer is lost: the case that makes others count twice. */
export const lostAnswer: Behaviour;
/** Something answers before the receiver gets it: `answer(500)`, `answer(429, { retryAfter: 7 })`. */
export function answer(
  status: number,
  options?: {
    /** One of the worker's codes, such as `"bad_key"`: the body is then its refusal. */
    code?: string;
    /** Seconds, as the header `Retry-After`. */
    retryAfter?: number;
    body?: string;
    headers?: Record<string, string>;
  },
): Behaviour;
/** The same, `ms` later. The tracker gives a request up after 30,000. */
export function late(ms: number, behaviour?: Behaviour): Behaviour;

/** An event as it was stored; what was not given is empty, `value` 1. */
export interface StoredEvent {
  name: string;
  entityType: string;
  entityId: string;
  value: number;
  userId: string;
  /** Unix milliseconds. */
  occurredAt: number;
  properties: Record<string, unknown>;
}

/** A row by the names of the table's columns; which ones is up to the tracker. */
export interface StoredRow {
  name: string;
  entity_type: string;
  entity_id: string;
  value: number;
  user_id: string;
  occurred_at: number;
  properties: Record<string, unknown>;
  page_id: string;
  seq: number;
  /** Of the batch that it came in. */
  id: string | null;
  table: string;
  [column: string]: unknown;
}

/** A receiver in memory that keeps each batch once. */
export interface Receiver {
  /** What it keeps, in the order in which it came. */
  rows: StoredRow[];
  /**
   * Answers a request as the worker does (`/v1/batch`, `/v1/events`, `/v1/query`), or as ClickHouse
   * does (`?query=INSERT INTO …`). No key is checked, and no clock corrected.
   */
  receive(request: { url: string; method: string; body?: Uint8Array | string }): KitAnswer;
}

/** A receiver by itself, for a server of your own. `now` defaults to the real clock. */
export function makeReceiver(options?: {
  now?: () => number;
  queries?: Record<string, QueryAnswer>;
}): Receiver;

/** A world with a tracker or more. */
export interface Kit {
  /** As `init` of the package; the endpoint and the key are there. Its storage is memory. */
  init(options?: Options): Tally;
  /** The clock, in Unix milliseconds: it stands still unless it is moved. */
  now(): number;
  /** Lets `ms` go by: timers run, requests are answered, promises settle. */
  pass(ms: number): Promise<void>;
  /** Lets as much time go by as the promise needs to settle. Throws if nothing can settle it. */
  until<Value>(promise: Promise<Value>): Promise<Value>;
  /** What happens to the requests to come, one each. */
  next(...behaviours: Behaviour[]): void;
  /** What happens to all others. Default {@link pass}. */
  always(behaviour: Behaviour): void;
  /** All requests so far, queries included. */
  readonly requests: KitRequest[];
  /** What the receiver keeps, as fields of `track`. */
  readonly events: StoredEvent[];
  /** What the receiver keeps, by column. */
  readonly rows: StoredRow[];
  readonly receiver: Receiver;
}

/** Makes a kit. There is one at a time: trackers of an earlier one live in the new one's world. */
export function makeKit(options?: KitOptions): Kit;
