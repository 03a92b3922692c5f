// tallymark: every event counted exactly once, in your own ClickHouse.

import type { Queries } from "./queries.js";
export type { Queries };

/**
 * What {@link init} takes. An option that is unknown, wrong or out of range throws, by its name.
 * `Table` are the names of the tables that may be named.
 */
export interface Options<Table extends string = string> {
  /** The worker's base URL, absolute. Required unless {@link clickhouse} is given. */
  endpoint?: string;
  /** The site's public write key. Required with {@link endpoint}. */
  key?: string;
  /** Straight to ClickHouse, without a worker. Whoever sees the page sees these. */
  clickhouse?: ClickHouse;
  /** The table. Default `"events"`. */
  table?: Table;
  /** Rows that make a batch leave. Default 500, from 1 to 10,000. */
  maxRows?: number;
  /** {@link maxRows} under another name. */
  max_buffer_size?: number;
  /** {@link maxRows} under another name. */
  flush_at?: number;
  /** Bytes of a batch that make it leave. Default 56,000, from 1,000 to 1,000,000. */
  maxBytes?: number;
  /** Milliseconds between two ticks at which what waits leaves. Default 10,000, from 100 to 3,600,000. */
  maxTimeMs?: number;
  /** {@link maxTimeMs} under another name. */
  flush_interval?: number;
  /** Rows that may wait in memory; over it the oldest go, counted as `queue_full`. Default 20,000. */
  maxWaitingRows?: number;
  /** {@link maxWaitingRows} under another name. */
  max_queue_size?: number;
  /**
   * Bytes that what waits may take in the browser's storage; over it the oldest go, counted as
   * `storage_full`. Default 524,288, from 0 to 5,000,000; 0 turns the journal off.
   */
  journalBytes?: number;
  /**
   * What happens to a batch that nobody answers for: it waits in the browser's storage and outlives
   * the page (without storage as `"requeue"`), waits in memory, or is dropped after three tries,
   * counted as `discarded`. Default `"persist"`.
   */
  onFailure?: "persist" | "requeue" | "discard";
  /** Events that a page tells without a call, each off unless named. Default `{}`; not on a server. */
  auto?: Auto;
  /** Sees every event before it counts; what it returns is sent, `null` drops it. */
  beforeSend?: (event: TrackedEvent) => TrackedEvent | null;
  /** Hears of every answer to a batch, in a task of its own. */
  onBatch?: (batch: Batch) => void;
  /** Tells in the console what is sent, tried again and dropped. Default `false`. */
  debug?: boolean;
  /** {@link debug} under another name. */
  enable_logging?: boolean;
}

/**
 * Events that the page tells by itself. With any of them, each change of the address within the
 * document (routes of single-page applications) and each return from the bfcache begins a page view
 * with an id of its own. They are off where the page may not have WebAssembly.
 */
export interface Auto {
  /**
   * `page_view` on the entity `page` / path, once the page is visible and activated; its properties
   * are `title` and `navigation` (`"load"`, `"route"`, `"restore"`).
   */
  pageViews?: boolean;
  /**
   * `engagement` on the same entity: `value` milliseconds during which the page was visible, had the
   * focus, and had had input within the last 30 s; the property `scroll_percent` is how far down it
   * was read. Told when the page hides, at a route and at leaving; several of a page view add up.
   */
  engagement?: boolean;
  /**
   * For elements with `data-tally-view="type:id"`, those added later included: `view` once half of
   * the element (30 % from 242,500 px² on) was in the window of the visible page for one second
   * without a break, once a page view for each `type:id`; and `dwell`, `value` milliseconds in the
   * window, told as engagement is. At most 4,096 elements a page view.
   */
  impressions?: boolean;
  /**
   * `click` for people's clicks on elements with `data-tally-click="type:id"`; `outbound_click` on
   * the entity `link` / origin and path for those on links to another host.
   */
  clicks?: boolean;
}

/** A user that may insert into one table and do nothing else. */
export interface ClickHouse {
  /** Base URL of its HTTP endpoint, absolute. */
  url: string;
  /** Default `"default"`. */
  database?: string;
  /** Default `"default"`. */
  user?: string;
  /** Default `""`. */
  password?: string;
  /** The value of the column `site`, which a worker would know from the key. Default `""`. */
  site?: string;
}

/**
 * What is known of an event. The object is read at the next drain of the queue, at most 50 ms
 * later: do not change it meanwhile.
 */
export interface KnownFields {
  /** What kind of thing it happened to, such as `"post"`. At most 200 bytes. */
  entityType?: string | null;
  /** Which one. At most 512 bytes. */
  entityId?: string | number | bigint | null;
  /** How much. Default 1. Finite. */
  value?: number | null;
  /** Who did it. Left out when nobody is known. At most 512 bytes. */
  userId?: string | number | bigint | null;
  /** The address as text, or its 4 (IPv4) or 8 (IPv6) numbers. A worker sees the page's own. */
  ipAddress?: string | readonly number[] | null;
  /** When it happened, in Unix milliseconds. Default: when `track` is called. */
  occurredAt?: number | Date | null;
}

/** The fields of any event. Every one that is not named in {@link KnownFields} is a property. */
export interface Fields extends KnownFields {
  /**
   * More properties. A name that stands beside this one, too, counts there. Together at most
   * 32,768 bytes of JSON. BigInts become strings of digits, dates ISO 8601, NaN null; undefined,
   * functions and symbols are left out, and so is what cannot be read (cyclic, a getter that
   * throws), counted as `droppedProperties`.
   */
  properties?: Record<string, unknown> | null;
  [property: string]: unknown;
}

/** The fields of an event with these properties, beside the known ones or as `properties`. */
export type FieldsOf<Properties> = KnownFields & (Properties | { properties: Properties });

/** What `track` takes after a name: fields may be left out where no property is required. */
export type TrackArguments<Properties> = {} extends Properties
  ? [fields?: (FieldsOf<Properties> & { properties?: Partial<Properties> | null }) | null]
  : [fields: FieldsOf<Properties>];

/** Any name, any properties: what a site's own declaration of its events takes the place of. */
export type AnyEvents = Record<string, Record<string, unknown>>;

/** An event as {@link Options.beforeSend} sees it: all properties are under `properties`. */
export interface TrackedEvent extends Fields {
  /** What happened. */
  name: string;
  /** Unix milliseconds. */
  occurredAt: number | Date;
  properties: Record<string, unknown>;
}

/** One try of one batch, as it ended. */
export interface Batch {
  /** The batch's id, a UUID of version 7; the same for every try. */
  id: string;
  /** Events in it. */
  rows: number;
  /** Bytes of its body. */
  bytes: number;
  /** Milliseconds from the request to its end. */
  ms: number;
  /** The answer's HTTP status; 0 for none. */
  status: number;
  /** Why it was refused: the worker's code, or ClickHouse's exception code. */
  code?: string;
  /** It is durable; it will be tried again; it was dropped. */
  outcome: "accepted" | "again" | "refused";
}

/** How a flush ended. */
export interface FlushResult {
  /** Whether everything it covered is delivered. */
  ok: boolean;
  /** Events delivered. */
  delivered: number;
  /** Events dropped: refused, too old, or over a limit. */
  dropped: number;
}

/** Why events were dropped. */
export type DropReason =
  | "invalid"
  | "before_send"
  | "sampled"
  | "consent"
  | "queue_full"
  | "storage_full"
  | "too_old"
  | "refused_uncertain"
  | "discarded"
  | `refused_${string}`;

/** Counters since {@link init}; of events unless they say otherwise. */
export interface Stats {
  /**
   * What runs: `"loading"` until the engine is there, `"fallback"` where the page may not have
   * WebAssembly (a CSP without `'wasm-unsafe-eval'`, a browser in lockdown), `"none"` where nothing
   * may be counted (consent denied, or not in the sample).
   */
  engine: "loading" | "wasm" | "fallback" | "none";
  /** Where what waits is safe: in memory it is gone with a crash of the page. */
  storage: "indexeddb" | "memory";
  /** Handed to `track`. */
  tracked: number;
  /** Left in at least one request. */
  sent: number;
  /** Accepted by the receiver, which means durable. */
  delivered: number;
  /** Neither delivered nor dropped yet. */
  waiting: number;
  /** In the browser's storage. */
  stored: number;
  /** Dropped, by reason. */
  dropped: Partial<Record<DropReason, number>>;
  /** Properties (not events) left out because they could not be read. */
  droppedProperties: number;
  /** Requests. */
  requests: number;
  /** Bytes of all bodies, each try counted. */
  bytes: number;
  /** Milliseconds spent on the main thread, `track` and `fetch`'s own work aside. */
  mainThreadMs: number;
}

/** Who acted, for the functions of {@link Posts}. */
export interface Actor {
  userId?: Fields["userId"];
  ipAddress?: Fields["ipAddress"];
}

/** Counts of one post. */
export interface Summary {
  views: number;
  likes: number;
  unlikes: number;
  comments: number;
  shares: number;
  deleted_comments: number;
  net_comments: number;
  net_likes: number;
}

/** Events and counts of posts: entities of the type `post`. */
export interface Posts {
  trackView(id: string | number, actor?: Actor): void;
  trackLike(id: string | number, actor?: Actor): void;
  trackUnlike(id: string | number, actor?: Actor): void;
  /** `id` is the post that is commented on. */
  trackComment(id: string | number, actor?: Actor): void;
  trackShare(id: string | number, actor?: Actor): void;
  /** `id` is the new post's own. */
  trackPost(id: string | number, actor?: Actor): void;
  trackDeletePost(id: string | number, actor?: Actor): void;
  /** `id` is the post that the comment was on, so that net comments can be counted. */
  trackDeleteComment(id: string | number, actor?: Actor): void;

  /** A post's counts; all 0 for one that nobody has seen. */
  getSummary(id: string | number): Promise<Summary>;
  /** Views by hour (`YYYY-MM-DDTHH:00:00Z`) of the last `hours`, 24 by default, ascending. */
  getHourlyViews(
    id: string | number,
    hours?: number,
    options?: { fill?: boolean; refresh?: 1 },
  ): Promise<{ hour: string; views: number }[]>;
  /** The most viewed posts of all time, 10 by default. */
  getTopPosts(
    limit?: number,
    options?: { min_views?: number; refresh?: 1 },
  ): Promise<{ entity_id: string; views: number }[]>;
  /** The counts of many posts in one query; posts without events are not in the map. */
  getBulkSummaries(ids: readonly (string | number)[]): Promise<Map<string, Summary>>;
}

/** A query's answer. */
export interface Answer<Row = Record<string, unknown>> {
  data: Row[];
  columns: { name: string; type: string }[];
  /** When the answer was computed, Unix ms; null if just now. */
  cached_at: number | null;
}

/** What the query functions reject with. */
export interface TallyError extends Error {
  name: "TallyError";
  /** `bad_param`, `unknown_query`, `bad_key`, `forbidden`, `upstream`, `network`, `no_endpoint`. */
  code: string;
  /** The answer's HTTP status; 0 if nothing was sent or answered. */
  status: number;
}

/** Any table, any columns: what a site's own declaration of its tables takes the place of. */
export type AnyTables = Record<string, Record<string, unknown>>;

/**
 * Rows of one table of the site's own, which the worker's `TABLES` declares: a tracker of its own, by
 * the same options, with a buffer, a journal and counters for itself. Each row is stored once.
 */
export interface Table<Row = Record<string, unknown>> {
  /**
   * Adds a row: its columns by their own names, at most 32,760 bytes as JSON. Never throws and
   * never waits. What is no object, cannot be read or is too long counts as `invalid`, and so does a
   * row that the worker refuses. The object is read at the next drain of the queue: do not change it
   * meanwhile.
   */
  track(row: Row): void;
  /** As {@link Tally.flush}, for these rows alone. */
  flush(): Promise<FlushResult>;
  /** As {@link Tally.shutdown}, for these rows alone. */
  shutdown(): Promise<FlushResult>;
  queueLength(): number;
  /** Of these rows alone. */
  stats(): Stats;
}

/**
 * A tracker. `Events` declares a site's events by name, each with its properties; `Tables` its tables,
 * as `cargo xtask tables --types` prints them.
 */
export interface Tally<Events = AnyEvents, Tables = AnyTables> {
  /** Counts an event. Never throws and never waits. */
  track<Name extends keyof Events & string>(
    name: Name,
    ...fields: TrackArguments<Events[Name]>
  ): void;
  posts: Posts;
  /** Asks one of the worker's named queries. Rejects with a {@link TallyError}. */
  query<Name extends keyof Queries>(
    name: Name,
    params: Queries[Name]["params"] & { refresh?: 1 },
  ): Promise<Answer<Queries[Name]["row"]>>;
  /** Asks a query of the worker's own. */
  query<Row = Record<string, unknown>>(
    name: string,
    params?: Record<string, unknown>,
  ): Promise<Answer<Row>>;
  /**
   * Rows of a table that the worker's `TABLES` declares; the same handle for the same name. What
   * `beforeSend` and the properties of {@link track} are to events, rows do without.
   */
  table<Name extends keyof Tables & string>(name: Name): Table<Tables[Name]>;
  /** Sends all events that wait now; resolves when it has settled. Rejects if the engine cannot load. */
  flush(): Promise<FlushResult>;
  /** Stops the timer, then flushes. */
  shutdown(): Promise<FlushResult>;
  /** Events that are neither delivered nor dropped yet. */
  queueLength(): number;
  stats(): Stats;
}

/**
 * Starts a tracker and returns it at once; events are taken from then on.
 *
 * A site may declare its events, and the tables that it has:
 *
 *     const tally = init<{ view: {}; read: { words: number } }, "events" | "my_events">(options);
 *     tally.track("read", { entityType: "post", entityId: "42", words: 300 });
 */
export function init<Events = AnyEvents, Table extends string = string, Tables = AnyTables>(
  options: Options<Table>,
): Tally<Events, Tables>;
