//! Who asks a query: a page by its site's public key, a back end by a reader key, whoever holds a
//! signed token, or the admin.
//!
//! A public key comes as the parameter `k`. Reader keys, tokens and the admin's key come as
//! `Authorization: Bearer …`; a token may also be `k`, as it is made for pages and ends by itself.

use crate::config::Config;
use crate::limits;
use crate::query::{Access, Ask, Given, Query};
use crate::refusal::{Code, Refusal};
use crate::sites::digest;
use crate::token::{self, Token};
use tallymark::time::UnixMs;

/// What a request may ask, and about which site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The site whose rows are read.
    pub site: String,
    scope: Scope,
}

/// How far a grant goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Public,
    Reader,
    Admin,
    Token(Token),
}

impl Grant {
    /// Reads the key `k` and the header `Authorization`.
    ///
    /// # Errors
    /// `bad_key`, `bad_origin`.
    pub fn read(
        key: &str,
        authorization: Option<&str>,
        caller: Option<&str>,
        now: UnixMs,
        config: &Config,
    ) -> Result<Self, Refusal> {
        let Some(bearer) = authorization.map(bearer) else {
            if key.starts_with(token::PREFIX) {
                return Self::token(key, now, config);
            }
            let site = config.sites.authorize(key, caller)?.name.clone();
            return Ok(Self { site, scope: Scope::Public });
        };
        if bearer.starts_with(token::PREFIX) {
            return Self::token(bearer, now, config);
        }
        if let Some(site) = config.sites.reader(bearer) {
            return Ok(Self { site: site.into(), scope: Scope::Reader });
        }
        admin(authorization, config)?;
        // The admin's key belongs to no site: `k` says which, from anywhere.
        let site = config.sites.named_by(key)?.into();
        Ok(Self { site, scope: Scope::Admin })
    }

    fn token(text: &str, now: UnixMs, config: &Config) -> Result<Self, Refusal> {
        let Some(secret) = &config.token_secret else {
            return Err(Refusal::new(Code::BadKey, "this worker takes no tokens (TOKEN_SECRET)"));
        };
        let token = Token::verify(text, &secret.0, now)?;
        Ok(Self { site: token.site.clone(), scope: Scope::Token(token) })
    }

    /// Whether it covers this question.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn check(&self, ask: &Ask, query: &Query) -> Result<(), Refusal> {
        let wants = |message: &str| Err(Refusal::new(Code::Forbidden, message));
        match (&self.scope, query.head.access) {
            (Scope::Token(token), Access::Public | Access::Reader) => {
                if !token.queries.contains(&query.head.name) {
                    return wants("the token does not name this query");
                }
                match &token.ids {
                    Some(ids) if !asks_about(ask, ids) => {
                        wants("the token does not name this entity")
                    }
                    _ => Ok(()),
                }
            }
            (Scope::Admin, _) | (_, Access::Public) | (Scope::Reader, Access::Reader) => Ok(()),
            (_, Access::Admin) => wants("this query wants the admin's key"),
            (_, Access::Reader) => wants("this query wants a reader key or a token"),
        }
    }
}

/// Whether the question is about some of these entities and no other. The parameters `id` and
/// `ids` name entities; a question without them is about all.
fn asks_about(ask: &Ask, ids: &[String]) -> bool {
    let named = |given: &Given| given.as_str().is_some_and(|id| ids.iter().any(|own| own == id));
    match (ask.params.get("id"), ask.params.get("ids")) {
        (Some(id), None) => named(id),
        (None, Some(Given::Array(all))) => all.iter().all(named),
        _ => false,
    }
}

/// Whether the header holds the admin's key.
///
/// # Errors
/// `forbidden` where there is none, `bad_key` for another.
pub fn admin(authorization: Option<&str>, config: &Config) -> Result<(), Refusal> {
    let Some(expected) = config.admin_digest else {
        let none = "this worker has no admin key (ADMIN_KEY)";
        return Err(Refusal::new(Code::Forbidden, none));
    };
    let given = authorization.map(bearer).filter(|key| key.len() <= limits::KEY_BYTES);
    if given.is_some_and(|key| digest(key) == expected) {
        return Ok(());
    }
    Err(Refusal::new(Code::BadKey, "Authorization: Bearer must hold a key that may do this"))
}

/// What stands behind `Bearer`; all of it where that is missing, which is no key.
fn bearer(authorization: &str) -> &str {
    let cut = authorization.split_at_checked(7);
    cut.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer ")).map_or("", |(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Catalogue, FILES};
    use crate::testing::{ADMIN_KEY, NOW, config, sign};
    use serde_json::json;

    fn read(key: &str, authorization: Option<&str>) -> Result<Grant, Code> {
        Grant::read(key, authorization, None, UnixMs(NOW), &config())
            .map_err(|refused| refused.code)
    }

    fn check(grant: &Grant, name: &str, params: serde_json::Value) -> Result<(), String> {
        let catalogue = Catalogue::parse(&FILES).unwrap();
        let ask = Ask { name: name.into(), params: serde_json::from_value(params).unwrap() };
        grant.check(&ask, catalogue.find(name).unwrap()).map_err(|refused| refused.message)
    }

    fn token(queries: &[&str], ids: Option<&[&str]>) -> String {
        let mut payload = json!({"site": "demo", "queries": queries, "exp": NOW / 1_000 + 1});
        if let Some(ids) = ids {
            payload["ids"] = json!(ids);
        }
        sign(&payload.to_string())
    }

    #[test]
    fn a_public_key_asks_public_queries_alone() {
        let grant = read("pk_open", None).unwrap();
        assert_eq!(grant.site, "open");
        assert_eq!(check(&grant, "summary", json!({"id": "a"})), Ok(()));
        let wants = "this query wants a reader key or a token";
        assert_eq!(check(&grant, "loss", json!({})), Err(wants.into()));
        assert_eq!(read("pk_other", None), Err(Code::BadKey));
        assert_eq!(read("pk_demo", None), Err(Code::BadOrigin));
    }

    #[test]
    fn a_reader_key_asks_queries_for_readers_too_and_needs_no_origin() {
        let grant = read("", Some("Bearer rk_demo")).unwrap();
        assert_eq!(grant.site, "demo");
        assert_eq!(check(&grant, "loss", json!({})), Ok(()));
        assert_eq!(check(&grant, "top", json!({})), Ok(()));
        // No page may show it, so it is no parameter.
        assert_eq!(read("rk_demo", None), Err(Code::BadKey));
        for wrong in ["rk_demo", "Bearer", "Bearer ", "Bearer  rk_demo", "Basic rk_demo", "ßßßß rk"]
        {
            assert_eq!(read("", Some(wrong)), Err(Code::BadKey), "{wrong}");
        }
    }

    #[test]
    fn the_admin_asks_everything_of_the_site_that_k_names() {
        let bearer = format!("bearer {ADMIN_KEY}");
        let grant = read("pk_demo", Some(&bearer)).unwrap();
        assert_eq!(grant.site, "demo");
        assert_eq!(check(&grant, "loss", json!({})), Ok(()));
        assert_eq!(read("", Some(&bearer)), Err(Code::BadKey));
    }

    #[test]
    fn a_token_asks_what_it_names_about_whom_it_names() {
        let text = token(&["summary", "summaries", "top", "loss"], Some(&["a", "b"]));
        for grant in
            [read(&text, None).unwrap(), read("", Some(&format!("Bearer {text}"))).unwrap()]
        {
            assert_eq!(grant.site, "demo");
            assert_eq!(check(&grant, "summary", json!({"id": "a"})), Ok(()));
            assert_eq!(check(&grant, "summaries", json!({"ids": ["b", "a"]})), Ok(()));
            assert_eq!(check(&grant, "summaries", json!({"ids": []})), Ok(()));
            let entity = Err("the token does not name this entity".to_owned());
            assert_eq!(check(&grant, "summary", json!({"id": "c"})), entity);
            assert_eq!(check(&grant, "summary", json!({"id": 5})), entity);
            assert_eq!(check(&grant, "summaries", json!({"ids": ["a", "c"]})), entity);
            assert_eq!(check(&grant, "summaries", json!({"ids": "a"})), entity);
            assert_eq!(check(&grant, "top", json!({})), entity);
            let query = Err("the token does not name this query".to_owned());
            assert_eq!(check(&grant, "daily", json!({"id": "a"})), query);
        }
        let all = read(&token(&["top", "loss"], None), None).unwrap();
        assert_eq!(check(&all, "top", json!({})), Ok(()));
        assert_eq!(check(&all, "loss", json!({})), Ok(()));
    }

    #[test]
    fn only_the_admin_key_itself_opens() {
        let admin = |header: Option<&str>| admin(header, &config()).map_err(|refused| refused.code);
        assert_eq!(admin(Some(&format!("Bearer {ADMIN_KEY}"))), Ok(()));
        let almost = format!("Bearer {}", &ADMIN_KEY[1..]);
        let long = format!("Bearer {}", "x".repeat(129));
        for header in [None, Some(ADMIN_KEY), Some("Bearer "), Some(&*almost), Some(&*long)] {
            assert_eq!(admin(header), Err(Code::BadKey), "{header:?}");
        }
    }

    #[test]
    fn without_a_secret_no_token_and_without_a_key_no_admin() {
        let mut config = config();
        (config.token_secret, config.admin_digest) = (None, None);
        let read = |key: &str, authorization| {
            let read = Grant::read(key, authorization, None, UnixMs(NOW), &config);
            let refused = read.unwrap_err();
            (refused.code, refused.message)
        };
        let none = "this worker takes no tokens (TOKEN_SECRET)";
        assert_eq!(read(&token(&["top"], None), None), (Code::BadKey, none.into()));
        let bearer = format!("Bearer {ADMIN_KEY}");
        let none = "this worker has no admin key (ADMIN_KEY)";
        assert_eq!(read("pk_open", Some(&bearer)), (Code::Forbidden, none.into()));
    }
}
