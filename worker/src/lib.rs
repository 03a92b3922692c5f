//! The edge of tallymark: a synchronous, pure core that decides, and a thin entry in JavaScript
//! (`entry/`) that awaits.
//!
//! A request is one [`exchange::Exchange`]. The entry does what the last [`exchange::Step`] says
//! (read a body, fetch, respond), hands back what came of it, and gets the next one.
//!
//! # Code map
//!
//! | module | job |
//! |---|---|
//! | [`limits`] | every bound of the edge, with its reason |
//! | [`config`] | the environment's variables become typed configuration |
//! | [`sites`] | write keys, the sites that they belong to, and their origins |
//! | [`url`] | path and parameters of a request |
//! | [`routes`] | method and path choose one route |
//! | [`refusal`] | every refusal: its status, its code, its text |
//! | [`answer`] | what is sent back, with headers that let a page read it |
//! | [`batch`] | `/v1/batch` up to the body: version, key, origin, table, id, times |
//! | [`limit`] | how many requests a key may make from one address |
//! | [`inflate`] | a gzip body under a cap |
//! | [`enrich`] | what only the edge knows: corrected clock, address, place, bot |
//! | [`events`] | `/v1/events` and `/ingest-events`: JSON becomes a block |
//! | [`members`] | a JSON object whose doubled names are seen |
//! | [`tables`] | tables of one's own: DDL, check and type from one declaration |
//! | [`cdc`] | `/v1/cdc`: changes of a database become events by rules |
//! | [`block`] | a batch's body becomes the block that is stored |
//! | [`xxh64`] | the checksum of what is inserted |
//! | [`insert`] | a checked batch becomes one insert; ClickHouse's answer becomes ours |
//! | [`zstd`] | the container of an insert's body |
//! | [`sink`] | where a checked batch goes: a group, or an insert of its own |
//! | [`group`] | the group-maker: batches of one short window become one insert |
//! | [`access`] | who asks a query: public key, reader key, token, admin |
//! | [`token`] | signed tokens that name queries and entities |
//! | [`sql`] | `/v1/sql`: the admin's own statements, as the reading user |
//! | [`admin`] | `/v1/admin/migrate` |
//! | [`query`] | named queries: files, parameters, request, result |
//! | [`exception`] | what a code of ClickHouse's means to whoever runs the worker |
//! | [`form`] | a statement and its parameters, apart from each other |
//! | [`upstream`] | a request to ClickHouse and what can come of it |
//! | [`migrate`] | the files of `schema/`, applied in order, recorded |
//! | [`health`] | `/v1/health` |
//! | [`aside`] | `/v1/admin/groups/…`: groups that were set aside |
//! | [`replay`] | before such a group is tried again: does its table have any of it? |
//! | [`assets`] | `/tallymark/<file>` |
//! | [`worker`] | what all requests of an isolate share |
//! | [`exchange`] | one request from begin to end |
//!
//! # Invariants
//!
//! * No IO, no clock, no randomness: the entry passes `now` in.
//! * Nothing is acknowledged before the sink has said that it is durable.
//! * SQL is in `schema/` and `queries/`, plus the `INSERT` of [`insert`], its look-up, that of [`replay`], the
//!   question of [`health`], `CREATE DATABASE` in [`admin`], and what [`migrate`] asks about migrations, fills
//!   rollups with and deletes events by; a shard's own tables are in `entry/storage.js`.
//! * A credential is never part of a URL.
//! * No serde on a batch's way.

pub mod access;
pub mod admin;
pub mod answer;
pub mod aside;
pub mod assets;
pub mod batch;
pub mod block;
pub mod cdc;
pub mod config;
pub mod enrich;
pub mod events;
pub mod exception;
pub mod exchange;
pub mod form;
pub mod group;
pub mod health;
pub mod inflate;
pub mod insert;
pub mod limit;
pub mod limits;
pub mod members;
pub mod migrate;
pub mod query;
pub mod refusal;
pub mod replay;
pub mod routes;
pub mod sink;
pub mod sites;
pub mod sql;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod token;
pub mod upstream;
pub mod url;
#[cfg(feature = "wasm")]
pub mod wasm;
#[cfg(feature = "wasm")]
pub mod wasm_group;
pub mod worker;
pub mod xxh64;
pub mod zstd;
