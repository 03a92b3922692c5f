//! What an exception code of ClickHouse's means to whoever runs the worker.
//!
//! The code alone is told, never the exception's text, which may quote data; so the worker says in
//! its own words what most often stands behind it, and what to do.

/// A code in words, for a log or `/v1/health`.
///
/// ```
/// use tallymark_worker::exception::told;
///
/// assert_eq!(told("60"), "exception code 60 (a table is missing: run the migrations)");
/// assert_eq!(told("36"), "exception code 36");
/// ```
#[must_use]
pub fn told(code: &str) -> String {
    match meaning(code) {
        Some(meaning) => format!("exception code {code} ({meaning})"),
        None => format!("exception code {code}"),
    }
}

/// Whether the code is about the whole server, or about who asks, and never about a table or the data
/// of an insert. No memory (241) is not among these: one insert may be too large for what there is.
///
/// ```
/// use tallymark_worker::exception::is_of_server;
///
/// assert!(is_of_server("243") && !is_of_server("60"));
/// ```
#[must_use]
pub fn is_of_server(code: &str) -> bool {
    matches!(code, "81" | "192" | "193" | "202" | "243" | "516")
}

/// By the numbers of `src/Common/ErrorCodes.cpp` (26.7.2.1).
fn meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "16" => "the table lacks a column: run the migrations",
        "60" => "a table is missing: run the migrations",
        "81" => "the database is missing: run the migrations",
        "117" => "the data is not what its column holds, JSON that is none for example",
        "158" => "the query would read more rows than its user may",
        "159" => "it took longer than its user may",
        "202" => "the server runs as many queries as it may",
        "241" => "the server or the user has no memory left",
        "242" => "the table is read-only: look at its replica",
        "243" => "the server's disk is full",
        "252" => "the table has too many parts: its merges do not keep up",
        "497" => "the user lacks a grant for this table",
        "192" | "193" | "516" => "the user or its password is wrong",
        _ => return None,
    })
}
