//! Named queries: a file each under `queries/`, run with bound parameters, never with SQL from
//! outside.

mod bind;
mod cache;
mod head;
mod pending;
mod run;
pub mod typescript;

pub use bind::{Given, bind, from_text};
pub use cache::Cache;
pub use head::{Access, Column, Head, HeadError, Kind, Param};
pub use pending::{Pending, Store, Turn};
pub use run::{Ask, asks, prepare};

/// Every query's file. The head inside names it; [`Catalogue`] goes by that.
pub const FILES: [&str; 19] = [
    include_str!("../../queries/activity.sql"),
    include_str!("../../queries/compare.sql"),
    include_str!("../../queries/compare_followers.sql"),
    include_str!("../../queries/daily.sql"),
    include_str!("../../queries/engagement_score.sql"),
    include_str!("../../queries/engagement_trend.sql"),
    include_str!("../../queries/entity_counts.sql"),
    include_str!("../../queries/follower_count.sql"),
    include_str!("../../queries/hourly_views.sql"),
    include_str!("../../queries/loss.sql"),
    include_str!("../../queries/period.sql"),
    include_str!("../../queries/retention.sql"),
    include_str!("../../queries/summaries.sql"),
    include_str!("../../queries/summary.sql"),
    include_str!("../../queries/top.sql"),
    include_str!("../../queries/user_growth.sql"),
    include_str!("../../queries/user_metrics.sql"),
    include_str!("../../queries/user_rank.sql"),
    include_str!("../../queries/user_standing.sql"),
];

/// One named query: its head and its whole text.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What the head says.
    pub head: Head,
    /// The file, head included: ClickHouse's log then names the query.
    pub sql: &'static str,
    /// `"columns":[…]` of every answer, as JSON.
    columns_json: String,
}

impl Query {
    /// The parameter of this name.
    fn param(&self, name: &str) -> Option<&Param> {
        self.head.params.iter().find(|param| param.name == name)
    }
}

/// All named queries of this worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue(Vec<Query>);

impl Catalogue {
    /// Parses the heads of `files`.
    ///
    /// # Errors
    /// The first head that is wrong: a mistake of our own, which a test finds first.
    pub fn parse(files: &[&'static str]) -> Result<Self, HeadError> {
        let query = |sql: &&'static str| {
            let head = Head::parse(sql)?;
            let columns_json = head.columns_json();
            Ok(Query { head, sql, columns_json })
        };
        files.iter().map(query).collect::<Result<_, _>>().map(Self)
    }

    /// The query of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Query> {
        self.0.iter().find(|query| query.head.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_the_folder_is_in_the_catalogue_under_its_own_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/queries");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let names: Vec<_> =
            Catalogue::parse(&FILES).unwrap().0.into_iter().map(|query| query.head.name).collect();
        assert_eq!(names, files);
    }

    /// The weights of a file's `multiIf(name = 'Download', 1, …, 0.1)`, the rest as `else`.
    fn weights(sql: &str) -> Vec<(String, f64)> {
        let (_, after) = sql.split_once("multiIf(").unwrap();
        let (inside, _) = after.split_once(')').unwrap();
        let mut parts: Vec<_> = inside.split(',').map(str::trim).collect();
        let rest = ("else".into(), parts.pop().unwrap().parse().unwrap());
        let named = parts.chunks_exact(2).map(|pair| {
            let name = pair[0].strip_prefix("name = '").unwrap().strip_suffix('\'').unwrap();
            (name.to_owned(), pair[1].parse().unwrap())
        });
        named.chain([rest]).collect()
    }

    #[test]
    fn a_score_has_the_same_weights_wherever_it_is_computed() {
        let (_, after) = include_str!("../../queries/engagement_score.sql")
            .split_once("-- param: weights Map(String,Float64) ")
            .unwrap();
        let default = after.split_once(" -- ").unwrap().0;
        let default: std::collections::BTreeMap<String, f64> =
            serde_json::from_str(default).unwrap();
        for sql in [
            include_str!("../../queries/engagement_trend.sql"),
            include_str!("../../queries/user_metrics.sql"),
            include_str!("../../schema/022_user_ranks_view.sql"),
        ] {
            let found = weights(sql);
            assert_eq!(found.len(), default.len());
            assert_eq!(found.into_iter().collect::<std::collections::BTreeMap<_, _>>(), default);
        }
    }

    #[test]
    fn a_query_is_found_by_its_exact_name() {
        let catalogue = Catalogue::parse(&FILES).unwrap();
        assert_eq!(catalogue.find("top").unwrap().head.name, "top");
        assert_eq!(catalogue.find("Top"), None);
        assert_eq!(catalogue.find(""), None);
    }

    #[test]
    fn every_parameter_in_the_sql_is_in_the_head_or_bound_by_the_worker() {
        for query in Catalogue::parse(&FILES).unwrap().0 {
            let code = query.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
            let code = code.collect::<Vec<_>>().join("\n");
            let mut used: Vec<_> = code
                .split('{')
                .skip(1)
                .map(|piece| piece.split('}').next().unwrap().to_owned())
                .filter(|used| !used.starts_with("site:") && !used.starts_with("now:"))
                .collect();
            used.sort();
            used.dedup();
            let mut named: Vec<_> = query
                .head
                .params
                .iter()
                .map(|param| format!("{}:{}", param.name, param.kind.name()))
                .collect();
            named.sort();
            assert_eq!(used, named, "{}", query.head.name);
            assert!(query.sql.contains("site = {site:String}"), "{}", query.head.name);
        }
    }
}
