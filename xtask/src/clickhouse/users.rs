//! The local server's users: a role each, passwords drawn once a data directory.

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;

/// File in the data directory that holds the names and passwords.
pub const FILE: &str = "users.json";

/// Who may do what.
pub struct Users {
    /// INSERT on `events`; the worker's sink.
    pub insert: User,
    /// The same for pages that write straight to ClickHouse: they see its password, so every
    /// setting that could hurt is pinned.
    pub page: User,
    /// SELECT on the database, under limits; the worker's queries.
    pub read: User,
    /// Everything; migrations and tests.
    pub admin: User,
    /// May kill the query that keeps the server up, nothing else.
    pub stop: User,
}

/// A name and its password.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// As the server knows it.
    pub name: String,
    /// In the clear: it is local, random and never leaves this machine.
    pub password: String,
}

impl User {
    /// The password as `users.xml` wants it.
    pub fn password_sha256(&self) -> String {
        hex(&Sha256::digest(self.password.as_bytes()))
    }
}

impl Users {
    /// Reads the passwords of this data directory, or draws them.
    ///
    /// Random even for a demo: any page open in the same browser can reach 127.0.0.1.
    pub fn open_or_draw(data_dir: &Path) -> Result<Self> {
        let file = data_dir.join(FILE);
        if let Ok(text) = std::fs::read_to_string(&file) {
            return Self::parse(&text).with_context(|| format!("{} is damaged", file.display()));
        }
        let users = Self::draw()?;
        std::fs::write(&file, format!("{:#}\n", users.json()))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(users)
    }

    /// One user for every role: a server that is not ours to divide.
    pub fn all(user: &User) -> Self {
        let user = || user.clone();
        Self { insert: user(), page: user(), read: user(), admin: user(), stop: user() }
    }

    /// For programs: role to name and password.
    pub fn json(&self) -> Value {
        let user = |user: &User| json!({ "user": user.name, "password": user.password });
        json!({
            "insert": user(&self.insert),
            "page": user(&self.page),
            "read": user(&self.read),
            "admin": user(&self.admin),
            "stop": user(&self.stop),
        })
    }

    fn draw() -> Result<Self> {
        let user = |role: &str| -> Result<User> {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(|error| anyhow!("no randomness: {error}"))?;
            Ok(User { name: format!("tallymark_{role}"), password: hex(&bytes) })
        };
        Ok(Self {
            insert: user("insert")?,
            page: user("page")?,
            read: user("read")?,
            admin: user("admin")?,
            stop: user("stop")?,
        })
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let user = |role: &str| -> Result<User> {
            let field = |name: &str| {
                let text = value.get(role).and_then(|user| user.get(name)).and_then(Value::as_str);
                text.map(str::to_owned).ok_or_else(|| anyhow!("{role}.{name} is missing"))
            };
            Ok(User { name: field("user")?, password: field("password")? })
        };
        Ok(Self {
            insert: user("insert")?,
            page: user("page")?,
            read: user("read")?,
            admin: user("admin")?,
            stop: user("stop")?,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_survive_the_file() {
        let drawn = Users::draw().unwrap();
        let read = Users::parse(&drawn.json().to_string()).unwrap();
        assert_eq!(read.page, drawn.page);
        assert_eq!(read.admin, drawn.admin);
        assert_ne!(drawn.page.password, drawn.admin.password);
    }

    #[test]
    fn a_role_missing_in_the_file_is_named() {
        let error = Users::parse(r#"{"insert": {"user": "a", "password": "b"}}"#).err().unwrap();
        assert_eq!(error.to_string(), "page.user is missing");
    }

    #[test]
    fn sha256_as_the_server_expects() {
        let user = User { name: String::new(), password: "abc".to_owned() };
        assert_eq!(
            user.password_sha256(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
