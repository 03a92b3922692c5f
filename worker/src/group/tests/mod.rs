//! Every decision of a shard, with exact values, against a model of its storage.

mod backlog;
mod known;
mod object;
mod refused;
mod simulation;
mod start;
mod storage;
mod tables;
mod window;
mod world;
