//! `/v1/admin/groups/…`: groups that were set aside, for whoever has the admin key.

use crate::answer::Answer;
use crate::config::Config;
use crate::limits;
use crate::refusal::{Code, Refusal};
use sha2::{Digest as _, Sha256};
use tallymark::rng::Uuid;

/// A secret's digest. Two are compared, never the secrets: the time that takes tells nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Digest(..)")
    }
}

/// What is done with a group that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its body is sent to the caller.
    Read,
    /// It is tried again, as it is.
    Replay,
    /// It is given up; its ids stay known.
    Discard,
}

impl Action {
    /// As the entry calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Replay => "replay",
            Self::Discard => "discard",
        }
    }
}

/// One group of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The shard.
    pub shard: u32,
    /// The group.
    pub group: Uuid,
    /// What is done with it.
    pub action: Action,
}

impl Target {
    /// Reads `<shard>/<group>`, with `/replay` or `/discard`.
    ///
    /// # Errors
    /// `not_found`.
    pub fn parse(path: &str, config: &Config) -> Result<Self, Refusal> {
        let mut parts = path.split('/');
        let mut next = || parts.next().unwrap_or_default();
        let (shard, group) = (next().parse::<u32>(), Uuid::parse(next().as_bytes()));
        let action = match next() {
            "" => Action::Read,
            "replay" => Action::Replay,
            "discard" => Action::Discard,
            _ => return Err(no_group()),
        };
        match (shard, group, parts.next()) {
            (Ok(shard), Some(group), None) if shard < config.group.shards => {
                Ok(Self { shard, group, action })
            }
            _ => Err(no_group()),
        }
    }
}

/// Whether the header `Authorization` has the admin key as a bearer token.
///
/// # Errors
/// `forbidden` when there is no admin key, `bad_key` for any other.
pub fn authorize(authorization: Option<&str>, config: &Config) -> Result<(), Refusal> {
    let Some(key) = config.admin_key else {
        return Err(Refusal::new(Code::Forbidden, "this worker has no ADMIN_KEY"));
    };
    let given = authorization
        .and_then(|value| value.strip_prefix("Bearer "))
        .filter(|given| given.len() <= limits::KEY_BYTES)
        .map(Digest::of);
    if given == Some(key) {
        return Ok(());
    }
    Err(Refusal::new(Code::BadKey, "the admin key must come as Authorization: Bearer <key>"))
}

/// What came of it: the body for [`Action::Read`], anything for the others, `None` for no such
/// group.
#[must_use]
pub fn answer(action: Action, found: Option<Vec<u8>>) -> Answer {
    match (action, found) {
        (_, None) => no_group().into(),
        (Action::Read, Some(body)) => {
            let mut answer = Answer::json(200, body);
            for (name, value) in &mut answer.headers {
                if *name == "content-type" {
                    *value = "application/zstd".into();
                }
            }
            answer
        }
        (Action::Replay | Action::Discard, Some(_)) => Answer::json(200, "{\"ok\":true}"),
    }
}

fn no_group() -> Refusal {
    Refusal::new(Code::NotFound, "no such group is set aside")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    const ID: &str = "01a2084a-5500-7000-8000-000000000001";
    const KEY: &str = "an admin key of some length";

    #[test]
    fn a_path_names_shard_group_and_action() {
        for (end, action) in
            [("", Action::Read), ("/replay", Action::Replay), ("/discard", Action::Discard)]
        {
            let target = Target::parse(&format!("0/{ID}{end}"), &config()).unwrap();
            let group = Uuid::parse(ID.as_bytes()).unwrap();
            assert_eq!(target, Target { shard: 0, group, action });
        }
    }

    #[test]
    fn any_other_path_is_not_found() {
        for path in [
            String::new(),
            format!("1/{ID}"),
            format!("x/{ID}"),
            "0/x".into(),
            format!("0/{ID}/drop"),
            format!("0/{ID}/replay/now"),
        ] {
            let code = Target::parse(&path, &config()).unwrap_err().code;
            assert_eq!(code, Code::NotFound, "{path}");
        }
    }

    #[test]
    fn only_the_admin_key_itself_opens() {
        let bearer = |key: &str| format!("Bearer {key}");
        let with = |key: Option<&str>| Config { admin_key: key.map(Digest::of), ..config() };
        let code = |header: Option<&str>, config: &Config| {
            authorize(header, config).map_err(|refusal| refusal.code)
        };
        let config = with(Some(KEY));
        assert_eq!(code(Some(&bearer(KEY)), &config), Ok(()));
        for header in [None, Some(KEY), Some("Bearer "), Some("Bearer an admin key of some")] {
            assert_eq!(code(header, &config), Err(Code::BadKey), "{header:?}");
        }
        assert_eq!(code(Some(&bearer(&"x".repeat(129))), &config), Err(Code::BadKey));
        assert_eq!(code(Some(&bearer("")), &with(None)), Err(Code::Forbidden));
    }

    #[test]
    fn a_body_comes_as_it_is_and_an_action_says_ok() {
        let read = answer(Action::Read, Some(vec![1, 2]));
        assert_eq!((read.status, read.body), (200, vec![1, 2]));
        assert!(read.headers.contains(&("content-type", "application/zstd".into())));
        assert_eq!(answer(Action::Replay, Some(Vec::new())).body, b"{\"ok\":true}");
        assert_eq!(answer(Action::Discard, None).status, 404);
    }
}
