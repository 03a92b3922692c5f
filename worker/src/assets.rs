//! `GET /tallymark/<file>`: the tracker's own files, from the site's own host.

use crate::answer::Answer;
use crate::routes::not_found;

/// The headers of a file that is there; the entry relays its body under them. `404` for another.
///
/// # Errors
/// That `404`.
pub fn headers(file: &str, status: u16) -> Result<Answer, Answer> {
    let content_type = content_type(file).filter(|_| status == 200).ok_or_else(not_found)?;
    let headers = vec![
        ("access-control-allow-origin", "*".into()),
        ("cache-control", "public, max-age=31536000, immutable".into()),
        ("content-type", content_type.into()),
        ("cross-origin-resource-policy", "cross-origin".into()),
        ("x-content-type-options", "nosniff".into()),
    ];
    Ok(Answer { status: 200, headers, body: Vec::new(), log: None })
}

/// The type of a file by its name; `None` for a name that none of ours has. Some runtimes' file
/// services do not know wasm, and a browser compiles it as it streams only under its own type.
#[must_use]
pub fn content_type(file: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let (stem, end) = file.rsplit_once('.')?;
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
    fn files_are_immutable_and_of_their_own_type() {
        let answer = headers("tracker.js", 200).unwrap();
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
    }
}
