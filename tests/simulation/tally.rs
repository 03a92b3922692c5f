//! How often each thing happened, over all runs.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    pub fn add(&mut self, what: &str, times: u64) {
        *self.0.entry(what.to_owned()).or_default() += times;
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub fn merge(&mut self, other: Self) {
        for (what, times) in other.0 {
            self.add(&what, times);
        }
    }

    pub fn print(&self) {
        for (what, times) in &self.0 {
            println!("{times:>12}  {what}");
        }
    }
}
