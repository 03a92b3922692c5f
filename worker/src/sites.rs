//! Sites: which key belongs to which site, and which origins may use it.

use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::url::Url;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// One entry of the variable `SITES`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The site's name, the first column of every table.
    #[serde(rename = "site")]
    pub name: String,
    /// Its public write key, which also reads the public queries.
    pub key: String,
    /// Who holds the key.
    #[serde(default)]
    pub kind: Kind,
    /// Origins (`https://example.com`) whose pages may use the key; `"*"` allows any and none.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Keys of back ends, which also read the queries for readers. No page shows them, so they
    /// are bound to no origin.
    #[serde(default)]
    pub reader_keys: Vec<String>,
}

/// Who holds a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Every page of the site, and so everybody who looks: bound to origins.
    #[default]
    Page,
    /// A server of the site's, secretly: it needs no origin and is believed about addresses and
    /// old facts (`/v1/events`).
    Server,
}

/// All sites of this worker, found by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sites {
    /// Sorted by the key's digest. Looking up by digest takes no time that depends on how much
    /// of a key was guessed.
    by_digest: Vec<([u8; 32], Site)>,
    /// Names of the sites by their reader keys' digests, sorted.
    readers: Vec<([u8; 32], String)>,
}

impl Sites {
    /// Reads `[{"site", "key", "origins"}]`; the error is a sentence on the variable's value that
    /// repeats no key.
    pub fn parse(json: &str) -> Result<Self, String> {
        let sites: Vec<Site> = serde_json::from_str(json).map_err(|error| {
            format!(
                "must be JSON [{{\"site\", \"key\", \"origins\": []}}]: line {}, column {}",
                error.line(),
                error.column()
            )
        })?;
        if sites.is_empty() || sites.len() > limits::SITES {
            return Err(format!("must list 1 to {} sites", limits::SITES));
        }
        for (index, site) in sites.iter().enumerate() {
            site.check().map_err(|why| format!("entry {index}: {why}"))?;
        }
        let mut readers: Vec<_> = sites
            .iter()
            .flat_map(|site| site.reader_keys.iter().map(|key| (digest(key), site.name.clone())))
            .collect();
        readers.sort();
        let mut by_digest: Vec<_> =
            sites.into_iter().map(|site| (digest(&site.key), site)).collect();
        by_digest.sort_by_key(|(digest, _)| *digest);
        let twice = by_digest.windows(2).find(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        if let Some([_, (_, site)]) = twice {
            return Err(format!("site {:?} has a key that another entry has too", site.name));
        }
        let mut digests = readers.iter().map(|(digest, _)| *digest).collect::<Vec<_>>();
        digests.extend(by_digest.iter().map(|(digest, _)| *digest));
        digests.sort_unstable();
        let all = digests.len();
        digests.dedup();
        if digests.len() < all {
            return Err("a reader key is there twice, or is a public key too".into());
        }
        Ok(Self { by_digest, readers })
    }

    /// The name of the site that this public key names, wherever it comes from.
    ///
    /// # Errors
    /// `bad_key`.
    pub fn named_by(&self, key: &str) -> Result<&str, Refusal> {
        self.find(key).map(|site| site.name.as_str())
    }

    /// The name of the site that this reader key belongs to.
    #[must_use]
    pub fn reader(&self, key: &str) -> Option<&str> {
        let digest = (key.len() <= limits::KEY_BYTES).then(|| digest(key))?;
        let at = self.readers.binary_search_by_key(&digest, |(key, _)| *key).ok()?;
        self.readers.get(at).map(|(_, site)| site.as_str())
    }

    /// The site that `key` belongs to, if `origin` may use it.
    ///
    /// # Errors
    /// `bad_key` when no site has the key, `bad_origin` when the site does not allow the origin.
    pub fn authorize(&self, key: &str, origin: Option<&str>) -> Result<&Site, Refusal> {
        let site = self.find(key)?;
        if site.allows(origin) {
            return Ok(site);
        }
        Err(Refusal::new(
            Code::BadOrigin,
            match origin {
                Some(_) if site.is_server() => "a server's key is not for pages".into(),
                Some(origin) => format!("the site of this key does not list the origin {origin}"),
                None => "the site of this key takes requests of listed origins only".into(),
            },
        ))
    }
}

impl Sites {
    fn find(&self, key: &str) -> Result<&Site, Refusal> {
        // The bound comes first: nobody's key is worth hashing a URL's length for.
        let found = (key.len() <= limits::KEY_BYTES)
            .then(|| digest(key))
            .and_then(|digest| self.by_digest.binary_search_by_key(&digest, |(key, _)| *key).ok())
            .and_then(|at| self.by_digest.get(at));
        let unknown = || Refusal::new(Code::BadKey, "no site has this key (parameter k)");
        found.map(|(_, site)| site).ok_or_else(unknown)
    }
}

impl Site {
    /// Whether the key is a server's.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.kind == Kind::Server
    }

    /// Whether pages of `origin` may use the key. Without an origin the caller is no page.
    fn allows(&self, origin: Option<&str>) -> bool {
        if self.is_server() {
            // A page that has the key gave it away: better to fail at the first try than later.
            return origin.is_none();
        }
        self.origins.iter().any(|allowed| allowed == "*" || Some(allowed.as_str()) == origin)
    }

    /// What is wrong with this entry, if anything.
    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.len() > limits::SITE_BYTES {
            return Err(format!("\"site\" must have 1 to {} bytes", limits::SITE_BYTES));
        }
        if self.key.is_empty() || self.key.len() > limits::KEY_BYTES {
            return Err(format!("\"key\" must have 1 to {} bytes", limits::KEY_BYTES));
        }
        if self.name.chars().any(char::is_control) {
            return Err("\"site\" must have no line break and no other control character".into());
        }
        for (name, list, most) in [
            ("reader_keys", &self.reader_keys, limits::READER_KEYS),
            ("origins", &self.origins, limits::ORIGINS),
        ] {
            if list.len() > most {
                return Err(format!("{name:?} must list at most {most}"));
            }
        }
        let bad_reader = |key: &String| key.is_empty() || key.len() > limits::KEY_BYTES;
        if self.reader_keys.iter().any(bad_reader) {
            return Err(format!(
                "each of \"reader_keys\" must have 1 to {} bytes",
                limits::KEY_BYTES
            ));
        }
        if self.is_server() {
            return match self.origins.is_empty() {
                true => Ok(()),
                false => Err("a server's key has no \"origins\"".into()),
            };
        }
        if self.origins.is_empty() {
            return Err("\"origins\" must list at least one origin, or \"*\" for any".into());
        }
        match self.origins.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(bad) => Err(format!(
                "{bad:?} in \"origins\" must be \"*\" or like \"https://example.com\", lower case, \
                 without a path"
            )),
        }
    }
}

/// Whether `text` is spelled as a browser sends `Origin`, or is `*`: a misspelled one would
/// refuse every page without a word.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |host: &str| {
        !host.is_empty()
            && text.len() <= limits::ORIGIN_BYTES
            && host.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte)
            })
    };
    text == "*" || host.is_some_and(plain)
}

/// The origin that a request comes from.
///
/// A page's `GET` to its own origin carries no `Origin`, but browsers say
/// `Sec-Fetch-Site: same-origin`, which no script can forge; then it is the worker's own.
#[must_use]
pub fn caller<'a>(
    origin: Option<&'a str>,
    fetch_site: Option<&str>,
    url: &Url<'a>,
) -> Option<&'a str> {
    origin.or_else(|| (fetch_site == Some("same-origin")).then_some(url.origin))
}

/// A key's digest: comparing digests takes no time that depends on how much was guessed.
#[must_use]
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"[
        {"site": "demo", "key": "pk_demo", "origins": ["https://example.com", "http://127.0.0.1:8787"]},
        {"site": "open", "key": "pk_open", "origins": ["*"]}
    ]"#;

    fn code(sites: &Sites, key: &str, origin: Option<&str>) -> Result<String, Code> {
        sites.authorize(key, origin).map(|site| site.name.clone()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_key_works_from_its_own_origins_only() {
        let sites = Sites::parse(TWO).unwrap();
        assert_eq!(code(&sites, "pk_demo", Some("https://example.com")), Ok("demo".into()));
        assert_eq!(code(&sites, "pk_demo", Some("http://127.0.0.1:8787")), Ok("demo".into()));
        for origin in [
            None,
            Some("null"),
            Some(""),
            Some("http://example.com"),
            Some("https://example.com:8443"),
            Some("https://example.com.evil.test"),
            Some("https://sub.example.com"),
        ] {
            assert_eq!(code(&sites, "pk_demo", origin), Err(Code::BadOrigin), "{origin:?}");
        }
    }

    #[test]
    fn a_star_allows_any_origin_and_none() {
        let sites = Sites::parse(TWO).unwrap();
        for origin in [None, Some("null"), Some("https://anything.test")] {
            assert_eq!(code(&sites, "pk_open", origin), Ok("open".into()));
        }
    }

    #[test]
    fn a_server_s_key_needs_no_origin_and_takes_none() {
        let sites = Sites::parse(r#"[{"site":"demo","key":"sk_demo","kind":"server"}]"#).unwrap();
        assert_eq!(code(&sites, "sk_demo", None), Ok("demo".into()));
        let refusal = sites.authorize("sk_demo", Some("https://example.com")).unwrap_err();
        let message = "a server's key is not for pages";
        assert_eq!((refusal.code, refusal.message.as_str()), (Code::BadOrigin, message));
    }

    #[test]
    fn unknown_keys_are_refused_whatever_their_shape() {
        let sites = Sites::parse(TWO).unwrap();
        let long = "k".repeat(limits::KEY_BYTES + 1);
        for key in ["", "pk_dem", "pk_demo2", "PK_DEMO", "*", &long] {
            assert_eq!(code(&sites, key, Some("https://example.com")), Err(Code::BadKey), "{key}");
        }
    }

    #[test]
    fn a_bad_origin_is_named_in_the_message() {
        let sites = Sites::parse(TWO).unwrap();
        assert_eq!(
            sites.authorize("pk_demo", Some("https://x.test")).unwrap_err().message,
            "the site of this key does not list the origin https://x.test"
        );
    }

    #[test]
    fn a_site_s_name_is_one_line_and_its_lists_have_an_end() {
        let site = |name: &str, origins: usize, readers: usize| {
            let origins: Vec<_> = (0..origins).map(|at| format!("https://{at}.test")).collect();
            let readers: Vec<_> = (0..readers).map(|at| format!("rk_{at}")).collect();
            let site = serde_json::json!([{
                "site": name, "key": "pk", "origins": origins, "reader_keys": readers
            }]);
            Sites::parse(&site.to_string()).map(|_| ())
        };
        assert_eq!(site("Ünï site", 100, 100), Ok(()));
        let control = "entry 0: \"site\" must have no line break and no other control character";
        for name in ["a\nb", "\ta", "a\u{7f}"] {
            assert_eq!(site(name, 1, 0), Err(control.into()), "{name:?}");
        }
        assert_eq!(site("a", 101, 0), Err("entry 0: \"origins\" must list at most 100".into()));
        assert_eq!(site("a", 1, 101), Err("entry 0: \"reader_keys\" must list at most 100".into()));
    }

    #[test]
    fn a_reader_key_belongs_to_its_site_and_is_no_public_key() {
        let json = r#"[{"site":"a","key":"pk","origins":["*"],"reader_keys":["rk_1","rk_2"]},
                       {"site":"b","key":"pk_b","origins":["*"],"reader_keys":["rk_3"]}]"#;
        let sites = Sites::parse(json).unwrap();
        let found = ["rk_1", "rk_2", "rk_3"].map(|key| sites.reader(key));
        assert_eq!(found, [Some("a"), Some("a"), Some("b")]);
        let long = "k".repeat(limits::KEY_BYTES + 1);
        for key in ["", "pk", "rk_", "RK_1", &long] {
            assert_eq!(sites.reader(key), None, "{key}");
        }
        assert_eq!(code(&sites, "rk_1", None), Err(Code::BadKey));
        for (reader, message) in [
            ("", "entry 0: each of \"reader_keys\" must have 1 to 128 bytes"),
            ("pk_b", "a reader key is there twice, or is a public key too"),
            ("rk_3", "a reader key is there twice, or is a public key too"),
        ] {
            let json = json.replace("rk_1", reader);
            assert_eq!(Sites::parse(&json).unwrap_err(), message);
        }
    }

    #[test]
    fn same_origin_gets_count_as_the_worker_s_own_origin() {
        let url = Url::parse("https://example.com/v1/query/top?k=pk_demo");
        let own = Some("https://example.com");
        assert_eq!(caller(None, Some("same-origin"), &url), own);
        assert_eq!(caller(None, Some("cross-site"), &url), None);
        assert_eq!(caller(None, None, &url), None);
        assert_eq!(
            caller(Some("https://x.test"), Some("same-origin"), &url),
            Some("https://x.test")
        );
    }

    #[test]
    fn what_is_wrong_with_sites_is_said_without_a_key() {
        let site = |name: &str, key: &str, origins: &str| {
            format!(r#"[{{"site":"{name}","key":"{key}","origins":{origins}}}]"#)
        };
        let origin = |origin: &str| site("a", "secret", &format!("[\"{origin}\"]"));
        let bad_origin = |origin: &str| {
            format!(
                "entry 0: \"{origin}\" in \"origins\" must be \"*\" or like \
                 \"https://example.com\", lower case, without a path"
            )
        };
        let shape = |line, column| {
            format!(
                "must be JSON [{{\"site\", \"key\", \"origins\": []}}]: line {line}, column {column}"
            )
        };
        let twice = r#"[{"site":"a","key":"secret","origins":["*"]},
                        {"site":"b","key":"secret","origins":["*"]}]"#;
        for (json, message) in [
            ("".into(), shape(1, 0)),
            ("{}".into(), shape(1, 0)),
            (
                r#"[{"site":"a","key":"secret"}]"#.into(),
                "entry 0: \"origins\" must list at least one origin, or \"*\" for any".into(),
            ),
            (r#"[{"site":"a","key":"secret","kind":"admin"}]"#.into(), shape(1, 42)),
            (
                r#"[{"site":"a","key":"secret","kind":"server","origins":["*"]}]"#.into(),
                "entry 0: a server's key has no \"origins\"".into(),
            ),
            (r#"[{"site":"a","key":"secret","origins":["*"],"x":1}]"#.into(), shape(1, 47)),
            ("[]".into(), "must list 1 to 10000 sites".into()),
            (site("", "secret", r#"["*"]"#), "entry 0: \"site\" must have 1 to 64 bytes".into()),
            (site("a", "", r#"["*"]"#), "entry 0: \"key\" must have 1 to 128 bytes".into()),
            (
                site("a", "secret", "[]"),
                "entry 0: \"origins\" must list at least one origin, or \"*\" for any".into(),
            ),
            (origin("https://example.com/"), bad_origin("https://example.com/")),
            (origin("https://Example.com"), bad_origin("https://Example.com")),
            (origin("example.com"), bad_origin("example.com")),
            (origin("https://"), bad_origin("https://")),
            (origin(""), bad_origin("")),
            (twice.into(), "site \"b\" has a key that another entry has too".into()),
        ] {
            let found = Sites::parse(&json).unwrap_err();
            assert_eq!(found, message, "{json}");
            assert!(!found.contains("secret"));
        }
    }
}
