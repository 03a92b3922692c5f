//! One variable after the other is read, and every wrong one is noted.

use super::User;
use super::environment::Variable;
use super::parse;

/// One wrong variable. The message never repeats the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable's name.
    pub variable: &'static str,
    /// What it must be.
    pub message: String,
}

/// The wrong variables found so far.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// One variable, or its default where there is one; `None` once its problem is noted.
    pub fn read<T>(
        &mut self,
        variable: &'static str,
        value: &Option<Variable>,
        default: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = match (value, default) {
            (Some(Variable::Text(text)), _) => parse(text),
            (Some(Variable::Number(number)), _) => parse(&number.to_string()),
            (Some(Variable::Other(_)), _) => Err("must be text".into()),
            (None, Some(default)) => parse(default),
            (None, None) => Err("is missing".into()),
        };
        parsed.map_err(|message| self.0.push(Problem { variable, message })).ok()
    }

    /// A number within bounds, or its default.
    pub fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
        &mut self,
        variable: &'static str,
        value: &Option<Variable>,
        default: T,
        (least, most): (T, T),
    ) -> Option<T> {
        let default = default.to_string();
        self.read(variable, value, Some(&default), |text| parse::number(text, least, most))
    }

    /// A user that has to be named.
    pub fn user(
        &mut self,
        (user, name): (&'static str, &Option<Variable>),
        (variable, password): (&'static str, &Option<Variable>),
    ) -> Option<User> {
        let name = self.read(user, name, None, parse::user);
        let password = self.password(variable, password);
        Some(User { name: name?, password: password? })
    }

    /// A user's password, none by default.
    pub fn password(&mut self, variable: &'static str, value: &Option<Variable>) -> Option<String> {
        self.read(variable, value, Some(""), parse::header_value)
    }

    /// The name of a header, none by default.
    pub fn header(
        &mut self,
        variable: &'static str,
        value: &Option<Variable>,
    ) -> Option<Option<String>> {
        self.read(variable, value, Some(""), parse::header_name)
    }
}
