//! `GET /tallymark/<file>`: the tracker's own files, from the site's own host.

use crate::answer::Answer;
use crate::limits;
use crate::routes::not_found;

/// The headers of a file that is there; the entry relays its body under them. `404` for another.
///
/// # Errors
/// That `404`.
pub fn headers(file: &str, status: u16) -> Result<Answer, Answer> {
    let content_type = content_type(file).filter(|_| status == 200).ok_or_else(not_found)?;
    let headers = vec![
        ("access-control-allow-origin", "*".into()),
        ("cache-control", cache_control(file).into()),
        ("content-type", content_type.into()),
        ("cross-origin-resource-policy", "cross-origin".into()),
        ("x-content-type-options", "nosniff".into()),
    ];
    Ok(Answer { status: 200, headers, body: Vec::new(), log: None })
}

/// A name with a hash of its content (`engine-4Z4AD4I7.js`, as the build names what it splits off)
/// never means anything else; any other is asked for again after minutes, or no release would ever
/// reach who has been here before.
fn cache_control(file: &str) -> &'static str {
    const HASH_BYTES: usize = 8;
    let stem = file.rsplit_once('.').map_or("", |(stem, _)| stem);
    let hash = stem.rsplit_once('-').map_or("", |(_, hash)| hash);
    let is_hash = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if hash.len() == HASH_BYTES && hash.bytes().all(is_hash) {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=300"
    }
}

/// The type of a file by its name; `None` for a name that none of ours has. Some runtimes' file
/// services do not know wasm, and a browser compiles it as it streams only under its own type.
#[must_use]
pub fn content_type(file: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let (stem, end) = file.rsplit_once('.')?;
    if file.len() > limits::ASSET_NAME_BYTES {
        return None;
    }
    if stem.is_empty() || stem.starts_with('.') || !file.bytes().all(plain) {
        return None;
    }
    match end {
        "js" => Some("text/javascript; charset=utf-8"),
        "wasm" => Some("application/wasm"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_a_hash_is_immutable() {
        for file in ["index.js", "tallymark_bg.wasm", "engine-abcdefgh.js", "engine-4Z4AD4I.js"] {
            assert_eq!(cache_control(file), "public, max-age=300", "{file}");
        }
        assert_eq!(cache_control("engine-4Z4AD4I7.js"), "public, max-age=31536000, immutable");
    }

    #[test]
    fn files_have_their_own_type() {
        let answer = headers("engine-4Z4AD4I7.js", 200).unwrap();
        assert_eq!(answer.status, 200);
        let expected = [
            ("access-control-allow-origin", "*"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("content-type", "text/javascript; charset=utf-8"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-content-type-options", "nosniff"),
        ];
        let found = answer.headers.iter().map(|(name, value)| (*name, value.as_str()));
        assert!(found.eq(expected));
        assert_eq!(content_type("core_bg.wasm"), Some("application/wasm"));
    }

    #[test]
    fn other_names_and_missing_files_are_not_found() {
        assert_eq!(headers("tracker.js", 404).unwrap_err().status, 404);
        assert_eq!(headers("tracker.js", 304).unwrap_err().status, 404);
        for file in
            ["", "js", ".js", "..js", "../secret.js", "a/b.js", "%2e.js", "a.html", "a.js.map"]
        {
            assert_eq!(content_type(file), None, "{file}");
        }
        let long = |bytes: usize| format!("{}.js", "a".repeat(bytes - 3));
        assert!(content_type(&long(255)).is_some());
        // A file service may fail at it, instead of not finding it.
        assert_eq!(content_type(&long(256)), None);
    }
}
