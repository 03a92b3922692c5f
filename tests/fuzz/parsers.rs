//! What holds for the edge's small parsers, whatever they are given: URLs, signed tokens, and the rules
//! of `CDC_RULES`.

use serde_json::Value;
use sha2::{Digest, Sha256};
use tallymark::block;
use tallymark::time::UnixMs;
use tallymark_worker::cdc::{Changes, Rules};
use tallymark_worker::config::Config;
use tallymark_worker::token::{PREFIX, Token};
use tallymark_worker::url::{Url, push_escaped};

/// 2026-11-23T12:00:00Z, in Unix milliseconds.
const NOW: i64 = 1_795_435_200_000;
const SECRET: &str = "a-secret-of-at-least-thirty-two-characters";
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Panics if anything that should hold does not hold for this text as a URL.
pub fn url_holds(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    let url = Url::parse(&text);
    assert!(url.path.starts_with('/') || url.path.is_empty() || text.contains(url.path));
    assert!(!url.path.contains(['?', '#']) && !url.query.contains('#'));
    let found: Vec<_> = url.parameters().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    let expected: Vec<_> = url
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescaped(name), unescaped(value))
        })
        .collect();
    assert_eq!(found, expected, "the twins disagree: a parameter");
    let doubled = found
        .iter()
        .enumerate()
        .find(|(at, (name, _))| found[..*at].iter().any(|(before, _)| before == name));
    assert_eq!(url.doubled().as_deref(), doubled.map(|(_, (name, _))| name.as_str()));
    let mut escaped = String::from("http://h/?a=");
    push_escaped(&mut escaped, &text);
    assert!(escaped.is_ascii() && escaped.matches(['&', '#', ' ', '\n']).count() == 0);
    let back: Vec<_> = Url::parse(&escaped).parameters().map(|(_, v)| v.into_owned()).collect();
    assert_eq!(back, [text.into_owned()], "what was escaped reads back otherwise");
}

/// The naive twin of a parameter's escapes: over and over from the left.
fn unescaped(text: &str) -> String {
    let text = text.replace('+', " ").into_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let escape = text.get(at + 1..at + 3).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        match escape.filter(|_| text[at] == b'%') {
            Some(two) => {
                let two = std::str::from_utf8(two).unwrap();
                out.push(u8::from_str_radix(two, 16).unwrap());
                at += 3;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Panics if anything that should hold does not hold for this text as a token, and as the payload of
/// one that is signed.
pub fn token_holds(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    // Nobody signed it.
    assert!(Token::verify(&text, SECRET, UnixMs(NOW)).is_err());
    let signed = sign(body);
    let token: Option<Token> = serde_json::from_slice(body).ok();
    let expected = token.filter(|token| NOW < token.exp.saturating_mul(1_000));
    let is_short = signed.len() <= tallymark_worker::limits::TOKEN_BYTES;
    assert_eq!(
        Token::verify(&signed, SECRET, UnixMs(NOW)).ok(),
        expected.clone().filter(|_| is_short)
    );
    assert!(
        Token::verify(&signed, "another-secret-of-thirty-two-characters", UnixMs(NOW)).is_err()
    );
    // One character otherwise, wherever: another token, or the same in a second spelling.
    let at = body.iter().fold(signed.len() - 1, |at, byte| at ^ usize::from(*byte));
    for at in [at % signed.len(), signed.len() - 1] {
        for by in [1, 2] {
            let mut changed = signed.clone().into_bytes();
            let digit = DIGITS.iter().position(|digit| *digit == changed[at]).unwrap_or(0);
            changed[at] = DIGITS[(digit ^ by) & 63];
            let changed = String::from_utf8(changed).unwrap();
            let taken = Token::verify(&changed, SECRET, UnixMs(NOW)).is_ok();
            assert!(!taken || changed == signed, "a changed token is taken");
        }
    }
}

fn sign(payload: &[u8]) -> String {
    let signed = format!("{PREFIX}{}", base64url(payload));
    let mut block = [0_u8; 64];
    block[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(&signed);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    let signature = outer.chain_update(inner.finalize()).finalize();
    format!("{signed}.{}", base64url(&signature))
}

fn base64url(bytes: &[u8]) -> String {
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
}

const ENVIRONMENT: &str = r#"{
    "CLICKHOUSE_URL": "http://ch.test:8123",
    "CLICKHOUSE_INSERT_USER": "writer",
    "CLICKHOUSE_READ_USER": "reader",
    "SITES": "[{\"site\":\"a\",\"key\":\"page\",\"origins\":[\"*\"]}]"
}"#;

/// A change of each kind for the rules to be tried on.
const CHANGES: &str = r#"
{"before":null,"after":{"id":1,"n":1,"t":5,"s":"x"},"op":"c","source":{"name":"s","db":"d","schema":"a","table":"b","txId":1,"lsn":1,"ts_ms":1795435200000}}
{"before":{"id":1,"n":1},"after":{"id":1,"n":3,"t":5,"s":null},"op":"u","source":{"name":"s","db":"d","schema":"a","table":"b","txId":2,"lsn":2,"ts_ms":1795435200000}}
{"before":{"id":1,"n":3},"after":null,"op":"d","source":{"name":"s","db":"d","schema":"a","table":"b","txId":3,"lsn":3,"ts_ms":1795435200000}}
{"before":null,"after":{"id":2,"n":1e300},"op":"r","source":{"name":"s","db":"d","schema":"a","table":"b","ts_ms":1795435200000}}"#;

/// Panics if anything that should hold does not hold for this text as rules.
pub fn rules_hold(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    let rules = match Rules::parse(&text) {
        Ok(rules) => rules,
        Err(message) => return assert!(!message.is_empty()),
    };
    if text.is_empty() {
        return assert!(rules.is_empty());
    }
    let listed: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(rules.is_empty(), listed.is_empty());
    for rule in &listed {
        // serde takes a rule as an array of its members too.
        let Value::Object(rule) = rule else { continue };
        let list =
            |name: &str| rule.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let table = rule.get("table").and_then(Value::as_str).unwrap_or_default();
        let parts = table.split('.').filter(|part| !part.is_empty()).count();
        assert_eq!(parts, 2, "a rule of no table is taken");
        let updates = list("on").iter().any(|op| op == "update");
        assert!(!list("on").is_empty(), "a rule without an occasion is taken");
        assert!(updates || list("changed").is_empty(), "a rule that nothing can meet is taken");
    }
    let config = Config::read(&serde_json::from_str(ENVIRONMENT).unwrap()).unwrap();
    let config = Config { cdc_rules: rules, ..config };
    let mut changes = Changes::read(CHANGES.as_bytes(), "a", UnixMs(NOW), &config).unwrap();
    while let Some((head, block)) = changes.next_batch() {
        let block = block::walk(&block).unwrap();
        assert!(block.rows() <= listed.len() && head.id.v7_time().is_some());
        assert!(block.column("name").unwrap().texts().unwrap().all(|name| !name.is_empty()));
    }
}
