// tallymark with people: identity, consent, samples.

import type {
  AnyEvents,
  AnyTables,
  Fields,
  FlushResult,
  Options,
  Queries,
  Tally,
} from "./index.js";
export type * from "./index.js";

/** What {@link init} takes beside the usual {@link Options}; checked as they are. */
export interface PeopleOptions<Table extends string = string> extends Options<Table> {
  /**
   * Whether anything may be counted. `"pending"`: events wait in memory with their times, at most
   * {@link Options.maxWaitingRows}; nothing is fetched and no storage is touched until
   * {@link People.consent} says more. `"denied"`: events are dropped, counted as `consent`, and
   * everything that was ever stored is purged. Default `"granted"`, unless the visitor has said no by
   * {@link People.consent} on an earlier page, which only their yes there ends.
   */
  consent?: "granted" | "pending" | "denied";
  /**
   * What Global Privacy Control (`navigator.globalPrivacyControl`) means where it is on.
   * `"anonymous"`: as if {@link visitor} were off, and {@link People.identify} is not remembered for
   * later events; a user that a call names itself is sent. `"deny"`: consent is denied until
   * `consent("granted")`. `"ignore"`: nothing. Default `"anonymous"`.
   */
  gpc?: "anonymous" | "deny" | "ignore";
  /**
   * Keeps a visitor's id (the column `visitor_id`) and their session in localStorage, over pages and
   * tabs; a session ends after 30 minutes without an event. Never a cookie. Default `false`: nothing
   * about the visitor is kept, and each page load is a session of its own.
   */
  visitor?: boolean;
  /**
   * Share of sessions that are counted, from 0 to 1. Each event carries it as the property
   * `$sample_rate`: divide by it to scale counts. Events of the other sessions are counted as
   * `sampled`, and their pages fetch no engine. The lot is drawn once a page, or with
   * {@link visitor} once a session. Default 1.
   */
  sample?: number;
  /**
   * Takes mails, network addresses, tokens and secret parameters out of the page's columns (path,
   * referrer, campaign) and of properties that are URLs, and a referrer's query altogether. They
   * become `{mail}`, `{ip}`, `{token}`, `{removed}`. Default `false`.
   */
  redact?: boolean;
  /** Which group types also become `$group_<index>`, by {@link People.capture}; an index is 0 to 4. */
  groupTypeIndex?: Readonly<Record<string, number>>;
  /** {@link groupTypeIndex} under another name. */
  group_type_index?: Readonly<Record<string, number>>;
}

/** What is known of one user, as the query `user_metrics` has it. */
export type UserMetrics = Omit<Queries["user_metrics"]["row"], "user_id">;

/** Events and counts of users: entities of the type `User`. */
export interface Users {
  /** `Follow` on `userId` by `followerId`: value 1, or −1 for the end of one. Default a follow. */
  recordFollow(followerId: string | number, userId: string | number, isFollow?: boolean): void;
  /**
   * `Upload` of a thing, by a user. Models, posts and images are counted by the types `Model`,
   * `Post` and `Image`; each `contentId` once, however often it is recorded.
   */
  recordUpload(userId: string | number, contentType: string, contentId: string | number): void;
  /** `Engagement` of a user: a score that was computed elsewhere. */
  recordEngagement(userId: string | number, score: number): void;

  /** In one query; users of whom nothing is known are not in the map. Kept for an hour at the edge. */
  getUserMetrics<Id extends string | number>(
    ids: readonly Id[],
    options?: { live?: boolean; refresh?: 1 },
  ): Promise<Map<Id, UserMetrics>>;
  getUserFollowerCount(
    id: string | number,
    options?: { mode?: "rows" | "last"; refresh?: 1 },
  ): Promise<number>;
  /** 1 for the highest score of the site, 0 without a score; as of the last minute. */
  getUserRank(id: string | number, options?: { refresh?: 1 }): Promise<number>;
  /** Over the last 30 days unless `days` says otherwise. */
  calculateEngagementScore(
    id: string | number,
    options?: { days?: number; weights?: Record<string, number>; refresh?: 1 },
  ): Promise<number>;
}

/** One fact about an entity, for {@link People.entityMetric}. */
export interface EntityMetric {
  /** At most 200 bytes. */
  entityType: string;
  /** At most 512 bytes. */
  entityId: string | number | bigint;
  /** The event's name: `View`, `Download`, `Like`, … At most 200 bytes. */
  metricType: string;
  /** Default 1. Finite. */
  metricValue?: number;
  /** Who did it. At most 512 bytes. */
  userId?: Fields["userId"];
}

/** A tracker that knows people. What it says keeps its place among the calls of `track`. */
export interface People<Events = AnyEvents, Tables = AnyTables> extends Tally<Events, Tables> {
  /** An event of the user `distinctId`; groups become the property `$groups`. */
  capture(
    distinctId: string | number,
    event: keyof Events & string,
    properties?: Record<string, unknown>,
    groups?: Record<string, string | number>,
  ): void;
  /**
   * The event `$identify` with the properties, and with all of them as `$set`. From then on every
   * event that names no user is this one's, until {@link reset}; it is not kept over pages.
   */
  identify(distinctId: string | number, properties?: Record<string, unknown>): void;
  /** Properties for every event to come until {@link reset}; an event's own count more. */
  register(properties: Record<string, unknown>): void;
  /**
   * Ends what {@link identify} and {@link register} said, and begins another visitor's session and
   * page view, `seq` from 0.
   */
  reset(): void;
  /** The event `$groupidentify` of a group, whose properties are `$group_set`. */
  groupIdentify(type: string, key: string | number, properties?: Record<string, unknown>): void;
  /** The event `$create_alias`: two ids of one user. */
  alias(distinctId: string | number, alias: string | number): void;
  /**
   * Counts a fact and sends it at once, with all that waits; those of one task go in one request. Who
   * need not wait for it uses {@link track}. Resolves when that has settled: `ok` says that
   * everything that left with it is delivered. Rejects if the engine cannot load.
   */
  entityMetric(metric: EntityMetric): Promise<FlushResult>;
  /**
   * The visitor's word. `"granted"` sends what waits, in order. `"denied"` drops it, counted as
   * `consent`, purges what was ever stored, in this page's journal and others', and is remembered
   * (one word in localStorage) for the site's pages to come, and told to its open tabs; resolves when
   * that is done. Granted again, what comes from then on is counted. While it is pending, `flush`
   * waits for it.
   */
  consent(state: "granted" | "denied"): Promise<void>;
  users: Users;
}

/** As `init` of `tallymark`, for pages that know people. */
export function init<Events = AnyEvents, Table extends string = string, Tables = AnyTables>(
  options: PeopleOptions<Table>,
): People<Events, Tables>;
