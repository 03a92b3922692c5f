//! Where a checked batch goes: to the group-maker, or straight into ClickHouse, one insert a batch.

use crate::batch::Head;
use crate::config::Config;
use crate::group::shard_of;
use crate::insert;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::tables::Declared;
use crate::upstream::Request;
use crate::zstd;
use tallymark::rng::Uuid;

/// The variable `SINK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Durable Objects make groups of batches.
    Group,
    /// One insert a batch; needs nothing but `fetch`.
    Direct,
    /// The same into ClickHouse's own queue.
    AsyncInsert,
}

impl Sink {
    /// Reads the variable.
    ///
    /// # Errors
    /// What it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "group" => Ok(Self::Group),
            "direct" => Ok(Self::Direct),
            "async_insert" => Ok(Self::AsyncInsert),
            _ => Err("must be \"group\", \"direct\" or \"async_insert\"".into()),
        }
    }

    /// The variable's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Direct => "direct",
            Self::AsyncInsert => "async_insert",
        }
    }
}

/// A batch for a shard of the group-maker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The shard.
    pub shard: u32,
    /// The batch's site.
    pub site: String,
    /// Its table.
    pub table: &'static str,
    /// Its id.
    pub id: Uuid,
    /// Its block, complete.
    pub block: Vec<u8>,
}

/// The question to a shard whether it took a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The shard.
    pub shard: u32,
    /// The batch's site.
    pub site: String,
    /// Its table.
    pub table: &'static str,
    /// Its id.
    pub id: Uuid,
}

/// What is done with a batch next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Its shard takes it.
    Put(Put),
    /// Its shard is asked whether it took it, while batches went to groups: those are inserted
    /// under their group's token, so that the table cannot drop a second insert of theirs.
    Ask {
        /// The question.
        asked: Asked,
        /// What follows if it did not.
        then: Box<Next>,
    },
    /// It is inserted.
    Insert(Request),
    /// ClickHouse is asked whether it has it, and unless it might take it twice, it is inserted.
    LookUp {
        /// The question.
        question: Request,
        /// The insert.
        insert: Request,
    },
}

/// Hands a batch on.
///
/// # Errors
/// `too_large` for a block that no group's row could hold.
pub fn next(config: &Config, head: Head, block: Vec<u8>) -> Result<Next, Refusal> {
    let (table, id): (&str, Uuid) = (&head.table.name, head.id);
    let shard = |site: &str| shard_of(site, table, id, config.group.shards);
    let insert = match config.sink {
        Sink::Group if block.len() > limits::GROUP_BLOCK_BYTES => {
            let most = limits::GROUP_BLOCK_BYTES;
            let message = format!("the block has {} bytes, more than {most}", block.len());
            return Err(Refusal::new(Code::TooLarge, message));
        }
        Sink::Group => {
            let shard = shard(&head.site);
            return Ok(Next::Put(Put { shard, site: head.site, table, id, block }));
        }
        Sink::Direct => insert::request(config, table, id, zstd::raw(&block)),
        Sink::AsyncInsert => insert::queued(config, table, id, zstd::raw(&block)),
    };
    let then = unless_known(config, &head, insert);
    if !config.has_groups {
        return Ok(then);
    }
    let asked = Asked { shard: shard(&head.site), site: head.site, table, id };
    Ok(Next::Ask { asked, then: Box::new(then) })
}

/// Hands on a batch whose id may be far older than a group remembers any: whatever the sink is, it
/// is an insert of its own.
#[must_use]
pub fn one_insert(config: &Config, head: &Head, block: &[u8]) -> Next {
    let insert = insert::request(config, &head.table.name, head.id, zstd::raw(block));
    unless_known(config, head, insert)
}

fn unless_known(config: &Config, head: &Head, insert: Request) -> Next {
    // Both by the client's clock, as its age is everywhere.
    let age_ms = head.id.v7_time().map_or(0, |time| head.sent_at.since_ms(time));
    // A table without its batches' ids cannot be asked; its tokens are all that there is.
    if age_ms <= limits::LOOK_UP_AGE_MS || !Declared::holds_batches(head.table) {
        return Next::Insert(insert);
    }
    Next::LookUp { question: insert::look_up(config, &head.table.name, head.id), insert }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, config};
    use tallymark::schema::EVENTS;
    use tallymark::time::UnixMs;

    /// A batch of this age.
    fn head(age_ms: i64) -> Head {
        Head {
            site: "open".into(),
            is_server: false,
            table: &EVENTS,
            // Its time is NOW.
            id: Uuid::parse(b"01a20846-fe00-7000-8000-000000000001").unwrap(),
            sent_at: UnixMs(NOW + age_ms),
            bot_hint: String::new(),
        }
    }

    /// What is done with a block of a few bytes.
    fn next(config: &Config, head: Head, block: Vec<u8>) -> Next {
        super::next(config, head, block).unwrap()
    }

    fn sink(sink: Sink) -> Config {
        Config { sink, ..config() }
    }

    #[test]
    fn a_group_gets_the_batch_at_its_shard() {
        let mut config = sink(Sink::Group);
        config.group.shards = 7;
        let Next::Put(put) = next(&config, head(0), b"block".to_vec()) else { panic!() };
        assert_eq!(put.shard, shard_of("open", "events", put.id, 7));
        assert_eq!((put.site.as_str(), put.table, &*put.block), ("open", "events", &b"block"[..]));
    }

    #[test]
    fn a_block_that_no_group_s_row_could_hold_is_too_large_for_a_group_alone() {
        let config = sink(Sink::Group);
        let block = vec![0; limits::GROUP_BLOCK_BYTES];
        let larger = vec![0; limits::GROUP_BLOCK_BYTES + 1];
        assert!(matches!(next(&config, head(0), block), Next::Put(_)));
        let refused = super::next(&config, head(0), larger.clone()).unwrap_err();
        let message = "the block has 1999001 bytes, more than 1999000";
        assert_eq!((refused.code, refused.message.as_str()), (Code::TooLarge, message));
        let direct = super::next(&sink(Sink::Direct), head(0), larger).unwrap();
        assert!(matches!(direct, Next::Insert(_)));
    }

    #[test]
    fn a_young_batch_is_inserted_and_an_older_one_looked_up_first() {
        let config = sink(Sink::Direct);
        let id = head(0).id;
        let insert = insert::request(&config, "events", id, zstd::raw(b"block"));
        let next = |age_ms| next(&config, head(age_ms), b"block".to_vec());
        assert_eq!(next(60_000), Next::Insert(insert.clone()));
        let question = insert::look_up(&config, "events", id);
        assert_eq!(next(60_001), Next::LookUp { question, insert });
    }

    #[test]
    fn d13_where_shards_may_have_taken_a_batch_its_shard_is_asked_first() {
        for of in [Sink::Direct, Sink::AsyncInsert] {
            let mut config = Config { has_groups: true, ..sink(of) };
            config.group.shards = 7;
            let id = head(0).id;
            let shard = shard_of("open", "events", id, 7);
            let asked = Asked { shard, site: "open".into(), table: "events", id };
            for age_ms in [0, 60_001] {
                let without = next(&sink(of), head(age_ms), b"block".to_vec());
                let then = Box::new(without);
                let expected = Next::Ask { asked: asked.clone(), then };
                assert_eq!(next(&config, head(age_ms), b"block".to_vec()), expected);
            }
        }
    }

    #[test]
    fn an_insert_of_its_own_is_one_with_each_sink_and_looked_up_when_it_is_older() {
        for config in [sink(Sink::Group), sink(Sink::Direct), sink(Sink::AsyncInsert)] {
            let config = Config { has_groups: true, ..config };
            let id = head(0).id;
            let insert = insert::request(&config, "events", id, zstd::raw(b"block"));
            let next = |age_ms| one_insert(&config, &head(age_ms), b"block");
            assert_eq!(next(60_000), Next::Insert(insert.clone()));
            let question = insert::look_up(&config, "events", id);
            assert_eq!(next(60_001), Next::LookUp { question, insert });
        }
    }

    #[test]
    fn a_table_without_its_batches_ids_is_not_asked() {
        let config = Config { sink: Sink::Direct, ..crate::testing::config_with_tables() };
        let table = config.tables.writable("my_feature_events", "open").unwrap();
        let head = Head { table, ..head(60_001) };
        let insert = insert::request(&config, "my_feature_events", head.id, zstd::raw(b"block"));
        assert_eq!(next(&config, head, b"block".to_vec()), Next::Insert(insert));
    }

    #[test]
    fn the_server_s_own_queue_takes_one_batch_an_insert() {
        let config = sink(Sink::AsyncInsert);
        let insert = insert::queued(&config, "events", head(0).id, zstd::raw(b"block"));
        assert_eq!(next(&config, head(0), b"block".to_vec()), Next::Insert(insert));
    }

    #[test]
    fn the_variable_reads_back() {
        for sink in [Sink::Group, Sink::Direct, Sink::AsyncInsert] {
            assert_eq!(Sink::parse(sink.name()), Ok(sink));
        }
    }
}
