//! Signed tokens: a back end lets one page read named queries about named entities, for a while.
//!
//! ```text
//! tt1.<payload>.<signature>      both base64url without padding (RFC 4648, section 5)
//! payload     {"site":"demo","queries":["summary"],"ids":["42"],"exp":1795435200}
//! signature   HMAC-SHA256 (RFC 2104) under TOKEN_SECRET of all that stands before the last dot
//! ```
//! `exp` is in Unix seconds. Without `ids`, the token reads about any entity of the site.

use crate::limits;
use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tallymark::time::UnixMs;

/// What a token begins with; it is no key then.
pub const PREFIX: &str = "tt1.";

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The site whose rows it reads.
    pub site: String,
    /// The queries that it may ask, those for readers too.
    pub queries: Vec<String>,
    /// The entities that it may ask about; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// When it ends, in Unix seconds.
    pub exp: i64,
}

impl Token {
    /// Reads a token that is signed and has not ended.
    ///
    /// # Errors
    /// `bad_key`.
    pub fn verify(text: &str, secret: &str, now: UnixMs) -> Result<Self, Refusal> {
        let bad = |message: &str| Refusal::new(Code::BadKey, message);
        let forged = || bad("the token's signature is wrong");
        if text.len() > limits::TOKEN_BYTES {
            return Err(bad("the token is too long"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(forged)?;
        let payload = signed.strip_prefix(PREFIX).ok_or_else(forged)?;
        // Digests of both are compared: how many bytes are equal tells nothing then.
        let expected = Sha256::digest(hmac_sha256(secret.as_bytes(), signed.as_bytes()));
        let given = base64url(signature).map(Sha256::digest);
        if given != Some(expected) {
            return Err(forged());
        }
        let token: Option<Self> =
            base64url(payload).and_then(|json| serde_json::from_slice(&json).ok());
        let token = token.ok_or_else(|| bad("the token's payload is wrong"))?;
        if now.0 >= token.exp.saturating_mul(1_000) {
            return Err(bad("the token has expired"));
        }
        Ok(token)
    }
}

/// A token with this payload, as a back end would sign it.
#[cfg(test)]
pub fn sign(payload: &str, secret: &str) -> String {
    let encode = |bytes: &[u8]| {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let mut three = [0; 3];
            three[..chunk.len()].copy_from_slice(chunk);
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            for at in 0..=chunk.len() {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]));
            }
        }
        text
    };
    let signed = format!("{PREFIX}{}", encode(payload.as_bytes()));
    let signature = encode(&hmac_sha256(secret.as_bytes(), signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// RFC 2104 with SHA-256, whose blocks have 64 bytes.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    let hashed: [u8; 32] = Sha256::digest(key).into();
    let key = if key.len() > block.len() { &hashed[..] } else { key };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

/// The bytes of base64url without padding; `None` for anything else, bits that are left over
/// included: one token has one spelling.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.extend(u8::try_from(bits >> count));
            bits &= (1 << count) - 1;
        }
    }
    // What a run of the fuzzer has to find: bits that are left over, and so a second spelling.
    #[cfg(planted_bug)]
    let bits = bits & 0;
    (count < 6 && bits == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of thirty-two bytes, yes";
    const NOW: UnixMs = UnixMs(1_795_435_200_000);
    /// Signed by Node: `createHmac("sha256", SECRET).update(signed).digest("base64url")`.
    const GOOD: &str = "tt1.eyJzaXRlIjoiZGVtbyIsInF1ZXJpZXMiOlsic3VtbWFyeSJdLCJpZHMiOlsiNDIiXSwiZXhwIjoxNzk1NDM1MjAxfQ.oXmQWiLBCwHsPqdqmrrwUP6cQt4kvh8hL72m8yGOBFI";

    fn message(text: &str, now: UnixMs) -> String {
        let refused = Token::verify(text, SECRET, now).unwrap_err();
        assert_eq!(refused.code, Code::BadKey);
        refused.message
    }

    #[test]
    fn the_hmac_is_that_of_rfc_4231() {
        let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(
            hex(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hex(hmac_sha256(&[0xaa; 131], text)),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_signed_token_is_read_until_it_ends() {
        let token = Token {
            site: "demo".into(),
            queries: vec!["summary".into()],
            ids: Some(vec!["42".into()]),
            exp: 1_795_435_201,
        };
        assert_eq!(Token::verify(GOOD, SECRET, NOW), Ok(token));
        assert_eq!(message(GOOD, UnixMs(1_795_435_201_000)), "the token has expired");
    }

    #[test]
    fn anything_else_is_refused() {
        let forged = "the token's signature is wrong";
        let (signed, signature) = GOOD.rsplit_once('.').unwrap();
        for text in [
            "",
            "tt1.",
            signed,
            &GOOD.replace("tt1.", "tt2."),
            &GOOD.replace("eyJz", "eyJy"),
            &format!("{signed}.{}", &signature[1..]),
            &format!("{GOOD}="),
            &format!("{signed}."),
        ] {
            assert_eq!(message(text, NOW), forged, "{text}");
        }
        let refused = Token::verify(GOOD, "another secret", NOW).unwrap_err();
        assert_eq!(refused.message, forged);
        let long = format!("tt1.{}", "x".repeat(limits::TOKEN_BYTES));
        assert_eq!(message(&long, NOW), "the token is too long");
        // Signed, but no payload of ours: {"site":"demo"}
        let other = "tt1.eyJzaXRlIjoiZGVtbyJ9.czMoi54GXMNKMB2K6gExqakpDAwFZb6p-BzHcVAJ73E";
        assert_eq!(message(other, NOW), "the token's payload is wrong");
    }

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(base64url(""), Some(vec![]));
        assert_eq!(base64url("_-A"), Some(vec![0xff, 0xe0]));
        for text in ["A", "AB", "AAB", "+/", "AA==", "A A", "AAAAA"] {
            assert_eq!(base64url(text), None, "{text}");
        }
    }
}
