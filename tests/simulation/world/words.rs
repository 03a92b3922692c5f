//! Words for whoever reads a run that is told.

/// Debug's text with each UUID as its last bytes.
pub fn short(what: &impl std::fmt::Debug) -> String {
    let text = format!("{what:?}");
    let mut parts = text.split("Uuid([");
    let mut out = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let (bytes, rest) = part.split_once("])").unwrap_or((part, ""));
        let last: Vec<&str> = bytes.rsplit(", ").take(3).collect();
        for byte in last.iter().rev() {
            out.push_str(&format!("{:02x}", byte.parse::<u8>().unwrap_or(0)));
        }
        out.push_str(rest);
    }
    out
}
