//! `/v1/admin/groups/…`: groups that were set aside, for whoever has the admin key.

use crate::answer::Answer;
use crate::config::Config;
use crate::refusal::{Code, Refusal};
use crate::url::Url;
use tallymark::rng::Uuid;

/// What is done with a group that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its body is sent to the caller.
    Read,
    /// It is told what it holds, before it may be tried again (see [`crate::replay`]).
    List,
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
            Self::List => "list",
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
    /// Reads `<shard>/<group>`, with `/replay` or `/discard`, where there are shards. Only with
    /// `force=1` a replay begins with the replay.
    ///
    /// # Errors
    /// `not_found`, `bad_param`.
    pub fn parse(path: &str, url: &Url<'_>, config: &Config) -> Result<Self, Refusal> {
        let mut parts = path.split('/');
        let mut next = || parts.next().unwrap_or_default();
        let (shard, group) = (next().parse::<u32>(), Uuid::parse(next().as_bytes()));
        let action = match next() {
            "" => Action::Read,
            "replay" if is_forced(url)? => Action::Replay,
            "replay" => Action::List,
            "discard" => Action::Discard,
            _ => return Err(no_group()),
        };
        match (shard, group, parts.next()) {
            (Ok(shard), Some(group), None) if config.has_groups && shard < config.group.shards => {
                Ok(Self { shard, group, action })
            }
            _ => Err(no_group()),
        }
    }
}

/// Whether the admin says that he has looked.
fn is_forced(url: &Url<'_>) -> Result<bool, Refusal> {
    let mut parameters = url.parameters();
    match (parameters.next(), parameters.next()) {
        (None, _) => Ok(false),
        (Some((name, value)), None) if name == "force" && value == "1" => Ok(true),
        _ => Err(Refusal::new(Code::BadParam, "the parameter is force=1")),
    }
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
        (Action::List | Action::Replay | Action::Discard, Some(_)) => {
            Answer::json(200, "{\"ok\":true}")
        }
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

    fn grouping() -> Config {
        Config { has_groups: true, ..config() }
    }

    #[test]
    fn a_path_names_shard_group_and_action() {
        for (end, action) in [
            ("", Action::Read),
            ("/replay", Action::List),
            ("/replay?force=1", Action::Replay),
            ("/discard", Action::Discard),
        ] {
            let target = parse(&format!("0/{ID}{end}"), &grouping()).unwrap();
            let group = Uuid::parse(ID.as_bytes()).unwrap();
            assert_eq!(target, Target { shard: 0, group, action });
        }
    }

    fn parse(path: &str, config: &Config) -> Result<Target, Refusal> {
        let path = format!("/{path}");
        let url = Url::parse(&path);
        Target::parse(&url.path[1..], &url, config)
    }

    #[test]
    fn a_replay_is_forced_by_force_1_alone() {
        for end in ["?force=0", "?force", "?forced=1", "?force=1&a=b"] {
            let refused = parse(&format!("0/{ID}/replay{end}"), &grouping()).unwrap_err();
            assert_eq!(
                (refused.code, &*refused.message),
                (Code::BadParam, "the parameter is force=1")
            );
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
            let code = parse(&path, &grouping()).unwrap_err().code;
            assert_eq!(code, Code::NotFound, "{path}");
        }
        // Where no shard is bound there is no group either.
        let code = parse(&format!("0/{ID}"), &config()).unwrap_err().code;
        assert_eq!(code, Code::NotFound);
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
