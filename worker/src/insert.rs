//! A completed block becomes one insert, and ClickHouse's answer becomes ours.
//!
//! The body is a zstd frame of raw, uncompressed blocks: its checksum is what counts. One flipped
//! bit on the way was stored as wrong data in 375 of 400 plain Native bodies, in none of 400 gzip
//! or zstd bodies (measured, 26.7.2.1). Gzip's CRC-32 takes three times as long in wasm.
//!
//! ```text
//! 28 b5 2f fd  a4              zstd: one segment, its size in 4 bytes, a checksum at the end
//! 10 27 02 00                  141,072 bytes in all
//! 00 00 10  131,072 bytes      a raw block: size << 3, the largest that there may be
//! 81 38 01  10,000 bytes       the last one
//! low half of XXH64:4 LE
//! ```

use crate::answer::Answer;
use crate::config::Config;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::upstream::{Outcome, Reply, Request};
use crate::xxh64;
use tallymark::rng::Uuid;
use tallymark::schema::Table;
use tallymark::time::UnixMs;

/// The most bytes in a block of a frame (RFC 8878, 3.1.1.2.4).
const RAW_BYTES: usize = 131_072;

/// ClickHouse's codes for data that it read to the end and will never take: the same bytes again
/// would be refused again. Everything else may be trouble that passes.
///
/// `INCORRECT_DATA`, for JSON text that is none, is the only one that a checked block can still
/// earn (26.7.2.1); the others stand for the same should a server check more.
const FINAL_CODES: [&str; 1] = ["117"];

/// The one insert of a batch.
///
/// `async_insert=0`: the token must cover exactly this insert. A column unknown to the server is
/// an error, because skipping it would lose data silently.
#[must_use]
pub fn request(config: &Config, table: &Table, id: Uuid, block: &[u8]) -> Request {
    let statement = format!("INSERT INTO {} FORMAT Native", table.name);
    let token = id.to_text();
    let parameters = [
        ("query", statement.as_str()),
        ("async_insert", "0"),
        ("insert_deduplication_token", std::str::from_utf8(&token).unwrap_or_default()),
        ("input_format_skip_unknown_fields", "0"),
    ];
    let mut request = Request::new(config, &config.insert_user, &parameters);
    request.headers.push(("content-encoding", "zstd".into()));
    request.body = zstd_raw(block);
    request.answer_bytes = limits::INSERT_ANSWER_BYTES;
    request
}

/// What the client is told: accepted only after ClickHouse's own `200`.
#[must_use]
pub fn answer(outcome: &Outcome, now: UnixMs) -> Answer {
    let line = match outcome.success() {
        Ok(_) => return Answer::accepted(now, false),
        Err(line) => format!("insert: {line}"),
    };
    let refusal = match outcome {
        Outcome::Answer(Reply { exception_code: Some(code), .. })
            if FINAL_CODES.contains(&code.as_str()) =>
        {
            Refusal::new(Code::BadBlock, format!("ClickHouse refuses the block with code {code}"))
        }
        _ => Refusal::new(Code::Busy, "the batch could not be stored; send it again, unchanged"),
    };
    Answer::from(refusal).logged(line)
}

/// `block` as one zstd frame (RFC 8878).
fn zstd_raw(block: &[u8]) -> Vec<u8> {
    const HEADER: [u8; 5] = [0x28, 0xb5, 0x2f, 0xfd, 0xa4];
    let parts = block.len() / RAW_BYTES + 1;
    let mut out = Vec::with_capacity(HEADER.len() + 4 + parts * 3 + block.len() + 4);
    out.extend_from_slice(&HEADER);
    // A block is far below 2^32 bytes.
    out.extend_from_slice(&(block.len() as u32).to_le_bytes());
    let mut rest = block;
    loop {
        let (part, after) = rest.split_at(rest.len().min(RAW_BYTES));
        let [b0, b1, b2, _] =
            ((part.len() as u32) << 3 | u32::from(after.is_empty())).to_le_bytes();
        out.extend_from_slice(&[b0, b1, b2]);
        out.extend_from_slice(part);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    // The low half, as the RFC says.
    out.extend_from_slice(&(xxh64::hash(block) as u32).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, config};
    use tallymark::schema::EVENTS;

    fn sent(block: &[u8]) -> Request {
        let id = Uuid::parse(b"0198c9a0-0000-7000-8000-000000000001").unwrap();
        request(&config(), &EVENTS, id, block)
    }

    #[test]
    fn d13_an_insert_carries_the_batch_s_id_as_its_token_and_no_password_in_the_url() {
        let request = sent(b"block");
        assert_eq!(
            request.url,
            "http://ch.test:8123/?database=tallymark\
             &query=INSERT%20INTO%20events%20FORMAT%20Native&async_insert=0\
             &insert_deduplication_token=0198c9a0-0000-7000-8000-000000000001\
             &input_format_skip_unknown_fields=0"
        );
        let headers = [
            ("x-clickhouse-user", "writer".to_owned()),
            ("x-clickhouse-key", "in".to_owned()),
            ("content-encoding", "zstd".to_owned()),
        ];
        assert_eq!(request.headers, headers);
        assert_eq!((request.timeout_ms, request.answer_bytes), (10_000, 65_536));
    }

    #[test]
    fn the_container_is_zstd_of_raw_blocks_byte_for_byte() {
        let expected = [
            &[0x28, 0xb5, 0x2f, 0xfd, 0xa4][..],
            &[3, 0, 0, 0],
            &[3 << 3 | 1, 0, 0],
            b"abc",
            // Of 44bc2cf5ad770999, the XXH64 of "abc".
            &[0x99, 0x09, 0x77, 0xad],
        ];
        assert_eq!(sent(b"abc").body, expected.concat());
    }

    #[test]
    fn the_container_holds_the_block_at_every_edge_of_a_raw_block() {
        for (bytes, expected) in [
            (0, &[0][..]),
            (131_071, &[131_071]),
            (131_072, &[131_072]),
            (131_073, &[131_072, 1]),
            (262_144, &[131_072, 131_072]),
            (300_000, &[131_072, 131_072, 37_856]),
        ] {
            let block: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
            let body = sent(&block).body;
            let (mut rest, mut held, mut sizes) =
                (&body[9..body.len() - 4], Vec::new(), Vec::new());
            let mut last = false;
            while let [b0, b1, b2, after @ ..] = rest {
                assert!(!last);
                let header = u32::from_le_bytes([*b0, *b1, *b2, 0]);
                let (part, after) = after.split_at((header >> 3) as usize);
                sizes.push(part.len());
                held.extend_from_slice(part);
                (rest, last) = (after, header & 7 == 1);
            }
            assert!(last && held == block, "{bytes}");
            assert_eq!(sizes, expected);
        }
    }

    fn told(outcome: &Outcome) -> (u16, String, Option<String>) {
        let answer = answer(outcome, UnixMs(NOW));
        (answer.status, String::from_utf8(answer.body).unwrap(), answer.log)
    }

    fn reply(status: u16, code: Option<&str>, has_query_id: bool) -> Outcome {
        let exception_code = code.map(str::to_owned);
        Outcome::Answer(Reply { status, exception_code, has_query_id, body: Vec::new() })
    }

    #[test]
    fn only_clickhouse_s_own_200_accepts() {
        let accepted = r#"{"now":1795435200000,"known":false}"#;
        assert_eq!(told(&reply(200, None, true)), (202, accepted.into(), None));
    }

    #[test]
    fn everything_uncertain_is_busy_and_tells_the_operator_why() {
        let busy = r#"{"code":"busy","message":"the batch could not be stored; send it again, unchanged"}"#;
        for (outcome, line) in [
            (Outcome::TimedOut, "insert: ClickHouse did not answer in time"),
            (Outcome::Failed, "insert: ClickHouse cannot be reached, or its answer is broken"),
            (reply(200, None, false), "insert: 200 came back, but not from ClickHouse"),
            (reply(200, Some("241"), true), "insert: ClickHouse answered 200, exception code 241"),
            (reply(403, None, false), "insert: 403 came back, but not from ClickHouse"),
            (reply(500, Some("252"), true), "insert: ClickHouse answered 500, exception code 252"),
            (reply(400, Some("60"), true), "insert: ClickHouse answered 400, exception code 60"),
        ] {
            assert_eq!(told(&outcome), (503, busy.into(), Some(line.into())), "{outcome:?}");
        }
    }

    #[test]
    fn data_that_can_never_be_stored_is_refused_for_good() {
        let (status, body, _) = told(&reply(400, Some("117"), true));
        let expected =
            r#"{"code":"bad_block","message":"ClickHouse refuses the block with code 117"}"#;
        assert_eq!((status, body.as_str()), (400, expected));
    }
}
