//! Which batch is which: the key under which an id is known, and the shard that it belongs to.

use sha2::{Digest, Sha256};
use tallymark::rng::Uuid;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Bytes of a [`Member`] in a row.
const MEMBER_BYTES: usize = 28;

/// A batch as it is remembered: by site, table and id together, so that no site can make another's
/// batch look known.
///
/// 128 bits of SHA-256. Two keys that collide would lose a batch, and nobody can look for such a
/// pair of somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// The key of a batch.
    #[must_use]
    pub fn new(site: &str, table: &str, batch: Uuid) -> Self {
        let (key, _) = digests(site, table, batch);
        Self(key)
    }

    /// Which of a slice's parts holds it.
    #[must_use]
    pub const fn part(self) -> u8 {
        let [first, ..] = self.0;
        first
    }
}

/// The shard of a batch, of `shards`: every try of it goes to the same one, which alone knows
/// whether it has it.
///
/// ```
/// use tallymark::rng::Uuid;
/// use tallymark_worker::group::shard_of;
///
/// let id = Uuid::parse(b"01a2084a-5500-7000-8000-000000000001").ok_or("no UUID")?;
/// assert_eq!(shard_of("open", "events", id, 4), shard_of("open", "events", id, 4));
/// assert!(shard_of("open", "events", id, 4) < 4);
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn shard_of(site: &str, table: &str, batch: Uuid, shards: u32) -> u32 {
    let (_, route) = digests(site, table, batch);
    // The remainder is below `shards`, so it fits again.
    u32::try_from(route % u64::from(shards.max(1))).unwrap_or_default()
}

/// Two independent parts of one digest: for the key, and for the route. Were they the same bits,
/// all keys of a shard would crowd in a few parts of its slices.
fn digests(site: &str, table: &str, batch: Uuid) -> ([u8; 16], u64) {
    let mut hash = Sha256::new();
    // Neither a site nor a table has a zero byte in its name; the lengths are told all the same.
    for text in [site, table] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(batch.0);
    let digest: [u8; 32] = hash.finalize().into();
    let mut key = [0; 16];
    let mut route = [0; 8];
    for (to, from) in key.iter_mut().chain(route.iter_mut()).zip(digest) {
        *to = from;
    }
    (key, u64::from_le_bytes(route))
}

/// The hour of a batch's own time, since 1970; ids are remembered in slices by it.
#[must_use]
pub fn hour_of(batch: Uuid) -> u32 {
    let hour = batch.v7_time().map_or(0, |time| time.0 / HOUR_MS);
    u32::try_from(hour).unwrap_or_default()
}

/// One batch in a group's row.
///
/// ```text
/// hour:4 LE  key:16  rows:4 LE  block bytes:4 LE
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The hour of its id.
    pub hour: u32,
    /// What it is known by.
    pub key: Key,
    /// Its rows.
    pub rows: u32,
    /// The bytes of its block, before the container.
    pub block_bytes: u32,
}

/// Members as a row holds them, in the order of their blocks.
#[must_use]
pub fn encode_members(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::with_capacity(members.len() * MEMBER_BYTES);
    for member in members {
        out.extend_from_slice(&member.hour.to_le_bytes());
        out.extend_from_slice(&member.key.0);
        out.extend_from_slice(&member.rows.to_le_bytes());
        out.extend_from_slice(&member.block_bytes.to_le_bytes());
    }
    out
}

/// Reads what [`encode_members`] wrote; `None` for anything else.
#[must_use]
pub fn decode_members(mut bytes: &[u8]) -> Option<Vec<Member>> {
    let mut members = Vec::with_capacity(bytes.len() / MEMBER_BYTES);
    while !bytes.is_empty() {
        let hour = u32::from_le_bytes(take(&mut bytes)?);
        let key = Key(take(&mut bytes)?);
        let rows = u32::from_le_bytes(take(&mut bytes)?);
        let block_bytes = u32::from_le_bytes(take(&mut bytes)?);
        members.push(Member { hour, key, rows, block_bytes });
    }
    Some(members)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Uuid {
        Uuid::parse(text.as_bytes()).unwrap()
    }

    const ID: &str = "01a2084a-5500-7000-8000-000000000001";

    #[test]
    fn a_key_tells_site_table_and_id_apart() {
        let one = Key::new("a", "events", id(ID));
        assert_eq!(one, Key::new("a", "events", id(ID)));
        for other in [
            Key::new("b", "events", id(ID)),
            Key::new("a", "event", id(ID)),
            // The border between the two texts is part of the key.
            Key::new("ae", "vents", id(ID)),
            Key::new("a", "events", id("01a2084a-5500-7000-8000-000000000002")),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn shards_share_batches_evenly_and_never_change_their_mind() {
        let mut found = [0; 4];
        for at in 0..4_000_u32 {
            let mut batch = id(ID);
            batch.0[12..].copy_from_slice(&at.to_be_bytes());
            let shard = shard_of("open", "events", batch, 4);
            assert_eq!(shard, shard_of("open", "events", batch, 4));
            found[shard as usize] += 1;
        }
        // Seeded by nothing: these are SHA-256's own numbers.
        assert!(found.iter().all(|count| (900..1_100).contains(count)), "{found:?}");
        assert_eq!(shard_of("open", "events", id(ID), 0), 0);
    }

    #[test]
    fn the_hour_is_the_id_s_own() {
        // 2026-11-23T12:00:00Z.
        assert_eq!(hour_of(id(ID)), 498_732);
        assert_eq!(hour_of(id("0198c9a0-0000-4000-8000-000000000000")), 0);
    }

    #[test]
    fn members_read_back_and_a_torn_row_does_not() {
        let members = [
            Member { hour: 498_732, key: Key([7; 16]), rows: 30, block_bytes: 4_000 },
            Member { hour: 1, key: Key([8; 16]), rows: 1, block_bytes: 9 },
        ];
        let bytes = encode_members(&members);
        assert_eq!(bytes.len(), 56);
        assert_eq!(decode_members(&bytes).unwrap(), members);
        assert_eq!(decode_members(&bytes[..55]), None);
        assert_eq!(decode_members(&[]).unwrap(), []);
    }
}
