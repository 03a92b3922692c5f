//! The two files that the embedded ClickHouse reads: its config and its users.

use super::users::Users;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tallymark_worker::tables::Tables;

/// Settings of the page's user that a page may not change: time, memory, threads and rows for
/// itself, and what the token's promise rests on.
const PAGE_SETTINGS: &[(&str, &str)] = &[
    ("add_http_cors_header", "1"),
    ("async_insert", "0"),
    ("date_time_input_format", "basic"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    ("input_format_allow_errors_num", "0"),
    ("input_format_allow_errors_ratio", "0"),
    ("input_format_parallel_parsing", "0"),
    ("input_format_skip_unknown_fields", "0"),
    ("insert_deduplicate", "1"),
    ("log_queries", "0"),
    ("max_ast_elements", "1000"),
    ("max_concurrent_queries_for_user", "32"),
    ("max_execution_time", "10"),
    ("max_http_get_redirects", "0"),
    ("max_insert_block_size", "10000"),
    ("max_insert_threads", "1"),
    ("max_memory_usage", "500000000"),
    ("max_memory_usage_for_user", "1000000000"),
    ("max_query_size", "10000"),
    ("max_rows_to_read", "20000"),
    ("max_bytes_to_read", "20000000"),
    ("max_result_rows", "1000"),
    ("max_threads", "1"),
    ("materialized_views_ignore_errors", "0"),
    ("parallel_view_processing", "0"),
    ("send_progress_in_http_headers", "0"),
];

/// Limits of the reader; `readonly = 1` forbids changing any of them.
///
/// `pread`: the default gives a read to another thread unless the system says at once that the bytes
/// are in memory, which a tmpfs never says; changing threads then takes longer than the many small
/// reads of a query (measured at 20M events: 120 ms of CPU for a hundred users' metrics, 82 so).
const READ_SETTINGS: &[(&str, &str)] = &[
    ("readonly", "1"),
    ("local_filesystem_read_method", "pread"),
    ("max_execution_time", "10"),
    ("max_memory_usage", "2000000000"),
    ("max_rows_to_read", "1000000000"),
    ("max_result_rows", "100000"),
    ("result_overflow_mode", "throw"),
    ("max_query_size", "100000"),
    ("max_concurrent_queries_for_user", "64"),
];

/// Writes both files into the data directory; gives the path of the config.
pub fn write(
    data_dir: &Path,
    http_port: u16,
    tcp_port: Option<u16>,
    users: &Users,
    tables: &Tables,
) -> Result<PathBuf> {
    let data_dir =
        data_dir.canonicalize().with_context(|| format!("cannot find {}", data_dir.display()))?;
    let put = |name: &str, text: String| -> Result<PathBuf> {
        let file = data_dir.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    };
    put("users.xml", users_xml(users, tables))?;
    put("config.xml", config_xml(&data_dir, http_port, tcp_port))
}

/// The preflight's answer is part of the config, not of a user's settings: a browser sends it
/// without a password.
fn config_xml(data_dir: &Path, http_port: u16, tcp_port: Option<u16>) -> String {
    let dir = xml(&data_dir.to_string_lossy());
    let tcp = tcp_port.map(|port| format!("\n  <tcp_port>{port}</tcp_port>")).unwrap_or_default();
    format!(
        "<clickhouse>
  <logger><level>warning</level><log>{dir}/clickhouse.log</log></logger>
  <path>{dir}/store/</path>
  <tmp_path>{dir}/tmp/</tmp_path>
  <user_files_path>{dir}/user_files/</user_files_path>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http_port}</http_port>{tcp}
  <users_config>{dir}/users.xml</users_config>
  <max_server_memory_usage>4000000000</max_server_memory_usage>
  <http_options_response>
{preflight}  </http_options_response>
</clickhouse>
",
        preflight = PREFLIGHT
            .iter()
            .map(|(name, value)| format!(
                "    <header><name>{name}</name><value>{value}</value></header>\n"
            ))
            .collect::<String>(),
    )
}

const PREFLIGHT: &[(&str, &str)] = &[
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "origin, x-requested-with, content-type"),
    ("Access-Control-Allow-Methods", "POST, GET, OPTIONS"),
    ("Access-Control-Max-Age", "86400"),
];

fn users_xml(users: &Users, tables: &Tables) -> String {
    let insert = "GRANT INSERT ON tallymark.events";
    let own: Vec<_> = tables
        .iter()
        .map(|declared| format!("GRANT INSERT ON tallymark.{}", declared.table.name))
        .collect();
    let inserts = std::iter::once(insert).chain(own.iter().map(String::as_str)).collect();
    let people = [
        (&users.insert, "insert", inserts),
        (&users.page, "page", vec![insert]),
        (&users.read, "read", vec!["GRANT SELECT, SHOW, dictGet ON tallymark.*"]),
        // All: tests make databases of their own and stop merges, and the server is local.
        (&users.admin, "admin", vec!["GRANT ALL ON *.*"]),
        (&users.stop, "stop", vec!["GRANT KILL QUERY ON *.*", "GRANT SELECT ON system.processes"]),
    ];
    let users = people.iter().map(|(user, profile, grants)| {
        format!(
            "    <{name}>
      <password_sha256_hex>{password}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>{profile}</profile>
      <quota>default</quota>
      <grants>{grants}</grants>
    </{name}>\n",
            name = user.name,
            password = user.password_sha256(),
            grants = grants.iter().map(|grant| query(grant)).collect::<String>(),
        )
    });
    // `default` runs the query that keeps the server up and must stay without a password, so it
    // may do that and nothing else.
    let own = [
        "GRANT SYSTEM LISTEN ON *.*",
        "GRANT SELECT ON system.numbers",
        "GRANT SELECT ON system.one",
    ];
    format!(
        "<clickhouse>
  <profiles>
    <default/>
    <insert/>
    <admin/>
    <stop/>
    <page>
{page}      <constraints>
{pinned}      </constraints>
    </page>
    <read>
{read}    </read>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>{own}</grants>
    </default>
{users}  </users>
</clickhouse>
",
        page = settings(PAGE_SETTINGS),
        pinned = PAGE_SETTINGS
            .iter()
            .map(|(name, _)| format!("        <{name}><const/></{name}>\n"))
            .collect::<String>(),
        read = settings(READ_SETTINGS),
        own = own.map(query).concat(),
        users = users.collect::<String>(),
    )
}

fn settings(list: &[(&str, &str)]) -> String {
    list.iter().map(|(name, value)| format!("      <{name}>{value}</{name}>\n")).collect()
}

fn query(grant: &str) -> String {
    format!("<query>{grant}</query>")
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_markup_stays_text() {
        let config = config_xml(Path::new("/tmp/a&b<c"), 8123, None);
        assert!(config.contains("<path>/tmp/a&amp;b&lt;c/store/</path>"));
        assert!(!config.contains("tcp_port"));
    }

    #[test]
    fn the_native_port_is_there_when_asked_for() {
        let config = config_xml(Path::new("/d"), 8123, Some(9000));
        assert!(config.contains("<tcp_port>9000</tcp_port>"));
    }
}
