//! What the text of each variable must be.

use crate::limits;

/// A base URL. Credentials in it would reach logs, hence no `@`.
pub fn base_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"@?#".contains(&byte);
    match host {
        Some(host)
            if !host.is_empty()
                && !host.starts_with('/')
                && text.len() <= limits::ORIGIN_BYTES
                && host.bytes().all(plain) =>
        {
            Ok(text.trim_end_matches('/').into())
        }
        _ => Err("must be like \"https://clickhouse.example.com:8443\", without user, password, \
                  ? and #"
            .into()),
    }
}

/// A database's name. It goes into URLs, and into the one statement that makes it ([`crate::admin`]).
pub fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (1..=limits::SITE_BYTES).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.into());
    }
    Err("must be letters, digits and _".into())
}

/// What an HTTP header can carry unchanged.
pub fn header_value(text: &str) -> Result<String, String> {
    if text.len() <= limits::KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.into());
    }
    Err(format!("must be at most {} ASCII characters without spaces", limits::KEY_BYTES))
}

/// A key or secret of the operator's, or none.
pub fn secret(text: &str) -> Result<Option<String>, String> {
    let bytes = limits::SECRET_BYTES_MIN..=limits::KEY_BYTES;
    if text.is_empty() || bytes.contains(&text.len()) && header_value(text).is_ok() {
        return Ok((!text.is_empty()).then(|| text.into()));
    }
    let (least, most) = (limits::SECRET_BYTES_MIN, limits::KEY_BYTES);
    Err(format!("must be {least} to {most} ASCII characters without spaces, or empty"))
}

/// A user's name.
pub fn user(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".into()) } else { header_value(text) }
}

/// The name of a header, or nothing.
pub fn header_name(text: &str) -> Result<Option<String>, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.len() <= limits::KEY_BYTES && text.bytes().all(plain) {
        return Ok((!text.is_empty()).then(|| text.to_ascii_lowercase()));
    }
    Err("must be the name of a header, such as cf-connecting-ip, or empty".into())
}

pub fn stores_whole_ip(text: &str) -> Result<bool, String> {
    match text {
        "whole" => Ok(true),
        "truncated" => Ok(false),
        _ => Err("must be \"truncated\" or \"whole\"".into()),
    }
}

pub fn reads_agents(text: &str) -> Result<bool, String> {
    match text {
        "store" => Ok(true),
        "ignore" => Ok(false),
        _ => Err("must be \"store\" or \"ignore\"".into()),
    }
}

/// A whole number within bounds.
pub fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("must be a whole number from {least} to {most}")),
    }
}
