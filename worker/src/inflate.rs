//! A gzip body (RFC 1952) becomes the block that it holds, under a hard cap.
//!
//! ```text
//! 1f 8b 08 flags  mtime:4 xfl os          10 bytes
//! [extra] [name] [comment] [header crc]   as the flags say
//! deflate stream
//! crc32:4 LE  size:4 LE                   of what was deflated
//! ```
//!
//! The size at the end is read first: it says how much to allocate, and a body that deflates to
//! anything else is refused. So a bomb costs its claim at most, and an honest claim over the cap
//! costs nothing.

use crate::limits;
use crate::refusal::{Code, Refusal};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use std::borrow::Cow;

/// Whether a body is gzip. A Native block that begins so would have 31 columns, more than any
/// table here has, and be refused anyway.
#[must_use]
pub fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

/// The body as it is, or inflated if it is gzip.
///
/// # Errors
/// Those of [`inflate`], at the most bytes of a block.
pub fn plain(body: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    if is_gzip(body) {
        return inflate(body, limits::BODY_BYTES_MAX).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(body))
}

/// Inflates `body` if it deflates to at most `cap_bytes`.
///
/// # Errors
/// `too_large` over the cap; `bad_block` for everything that is not exactly one gzip member.
pub fn inflate(body: &[u8], cap_bytes: usize) -> Result<Vec<u8>, Refusal> {
    let bad = |why: &str| Refusal::new(Code::BadBlock, format!("the gzip body {why}"));
    let stream = after_header(body).ok_or_else(|| bad("has a broken header"))?;
    let (stream, trailer) =
        stream.split_last_chunk::<8>().ok_or_else(|| bad("ends before its checksum"))?;
    let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
    let (crc, size) = (u32::from_le_bytes([c0, c1, c2, c3]), u32::from_le_bytes([s0, s1, s2, s3]));
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > stream.len().saturating_mul(limits::INFLATE_RATIO) {
        return Err(bad("claims a size that it cannot hold"));
    }
    if size > cap_bytes {
        let message = format!("the block has {size} bytes, more than {cap_bytes}");
        return Err(Refusal::new(Code::TooLarge, message));
    }
    let mut block = vec![0; size];
    let (status, read, written) = decompress(
        &mut DecompressorOxide::new(),
        stream,
        &mut block,
        0,
        TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
    );
    match status {
        TINFLStatus::Done if read < stream.len() => Err(bad("goes on after its end")),
        TINFLStatus::Done if written < size => Err(bad("is shorter than it claims")),
        TINFLStatus::Done if crc32fast::hash(&block) != crc => Err(bad("fails its checksum")),
        TINFLStatus::Done => Ok(block),
        TINFLStatus::HasMoreOutput => Err(bad("is longer than it claims")),
        _ => Err(bad("is damaged")),
    }
}

/// What follows the member's header, or `None` for a header that is none.
fn after_header(body: &[u8]) -> Option<&[u8]> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const RESERVED: u8 = 0xe0;
    const DEFLATE: u8 = 8;
    let (&[_, _, method, flags, ..], mut rest) = body.split_first_chunk::<10>()?;
    if method != DEFLATE || flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (&bytes, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(bytes))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec;

    /// A gzip member with these flags and optional header parts.
    fn member(flags: u8, parts: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
        bytes.extend_from_slice(parts);
        bytes.extend_from_slice(&compress_to_vec(plain, 6));
        bytes.extend_from_slice(&crc32fast::hash(plain).to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(plain.len()).unwrap().to_le_bytes());
        bytes
    }

    fn refused(body: &[u8], cap_bytes: usize) -> (Code, String) {
        let refusal = inflate(body, cap_bytes).unwrap_err();
        (refusal.code, refusal.message)
    }

    #[test]
    fn a_member_inflates_with_any_header() {
        let plain = b"hello hello hello";
        for (flags, parts) in [
            (0, &b""[..]),
            (1, b""),
            (2, b"\x12\x34"),
            (4, b"\x03\x00abc"),
            (8, b"name\0"),
            (16, b"\0"),
            (31, b"\x01\x00xname\0comment\0\x00\x00"),
        ] {
            let body = member(flags, parts, plain);
            assert!(is_gzip(&body));
            assert_eq!(inflate(&body, 17).unwrap(), plain, "{flags}");
        }
    }

    #[test]
    fn nothing_inflates_to_nothing() {
        assert_eq!(inflate(&member(0, b"", b""), 0).unwrap(), b"");
    }

    #[test]
    fn the_cap_is_exact_and_a_bomb_is_refused_by_its_claim() {
        let body = member(0, b"", &[7; 5_000]);
        assert_eq!(inflate(&body, 5_000).unwrap().len(), 5_000);
        let (code, message) = refused(&body, 4_999);
        assert_eq!(
            (code, message.as_str()),
            (Code::TooLarge, "the block has 5000 bytes, more than 4999")
        );
        // 64 MB of zeros in 64 KB.
        let bomb = member(0, b"", &vec![0; 64_000_000]);
        assert!(bomb.len() < 70_000);
        assert_eq!(refused(&bomb, 2_000_000).0, Code::TooLarge);
    }

    #[test]
    fn lies_about_size_and_checksum_are_refused() {
        let plain = [7; 5_000];
        let honest = member(0, b"", &plain);
        let claiming = |size: u32| {
            let mut body = honest.clone();
            let at = body.len() - 4;
            body[at..].copy_from_slice(&size.to_le_bytes());
            refused(&body, 2_000_000)
        };
        assert_eq!(
            claiming(4_999),
            (Code::BadBlock, "the gzip body is longer than it claims".into())
        );
        assert_eq!(
            claiming(5_001),
            (Code::BadBlock, "the gzip body is shorter than it claims".into())
        );
        let impossible = "the gzip body claims a size that it cannot hold";
        assert_eq!(claiming(u32::MAX), (Code::BadBlock, impossible.into()));
        let mut body = honest.clone();
        let at = body.len() - 8;
        body[at] ^= 1;
        assert_eq!(refused(&body, 5_000).1, "the gzip body fails its checksum");
    }

    #[test]
    fn a_bomb_with_a_small_claim_stops_at_its_claim() {
        let mut bomb = member(0, b"", &vec![0; 8_000_000]);
        let at = bomb.len() - 4;
        bomb[at..].copy_from_slice(&1_000_u32.to_le_bytes());
        assert_eq!(refused(&bomb, 2_000_000).1, "the gzip body is longer than it claims");
    }

    #[test]
    fn what_follows_the_member_is_refused() {
        let plain = [7; 500];
        let mut garbage = member(0, b"", &plain);
        garbage.extend_from_slice(&crc32fast::hash(&plain).to_le_bytes());
        garbage.extend_from_slice(&500_u32.to_le_bytes());
        assert_eq!(refused(&garbage, 5_000).1, "the gzip body goes on after its end");
        let mut twice = member(0, b"", &plain);
        twice.extend_from_slice(&member(0, b"", &plain));
        assert_eq!(refused(&twice, 5_000).1, "the gzip body goes on after its end");
    }

    #[test]
    fn broken_headers_and_truncated_bodies_are_refused() {
        let header = (Code::BadBlock, "the gzip body has a broken header".to_string());
        let whole = member(0, b"", b"hello hello hello");
        assert_eq!(refused(&whole[..9], 100), header);
        assert_eq!(refused(&[0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 0], 100), header);
        assert_eq!(refused(&member(0x20, b"", b"x"), 100), header);
        // Extra bytes, a name and a header checksum that do not end.
        for flags in [4, 8, 2] {
            let mut body = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
            body.push(255);
            assert_eq!(refused(&body, 100), header, "{flags}");
        }
        assert_eq!(refused(&whole[..17], 100).1, "the gzip body ends before its checksum");
        // Every other truncation is refused too, whatever its last bytes happen to claim.
        for end in 18..whole.len() {
            assert!(inflate(&whole[..end], 100).is_err(), "{end}");
        }
        let mut damaged = whole.clone();
        damaged[10] = 0xff;
        assert_eq!(refused(&damaged, 100).1, "the gzip body is damaged");
    }
}
