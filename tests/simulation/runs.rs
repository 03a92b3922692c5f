//! Many runs on all processors, each alone with its seed.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::tally::Tally;
use crate::world::World;

/// The runs of a range of seeds.
pub struct Runs {
    seeds: Range<u64>,
    mutant: String,
    tells: bool,
    /// The next seed that nobody runs.
    next: AtomicU64,
    /// The lowest seed that failed, and why.
    failed: Mutex<Option<(u64, String)>>,
    /// Its number alone, for a quick look.
    end: AtomicU64,
}

impl Runs {
    pub fn new(seeds: Range<u64>, mutant: String, tells: bool) -> Self {
        let (next, end) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
        Self { seeds, mutant, tells, next, failed: Mutex::new(None), end }
    }

    /// How often each thing happened; or the lowest seed that fails, however many processors
    /// there are.
    pub fn all(self) -> Result<Tally, (u64, String)> {
        let processors = thread::available_parallelism().map_or(1, usize::from) as u64;
        let threads = processors.min(self.seeds.end - self.seeds.start);
        let mut tally = Tally::default();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.some())).collect();
            workers.into_iter().for_each(|worker| tally.merge(worker.join().unwrap()));
        });
        self.failed.into_inner().unwrap().map_or(Ok(tally), Err)
    }

    /// Runs seeds until none is left below the lowest that failed.
    fn some(&self) -> Tally {
        let mut tally = Tally::default();
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end.load(Ordering::Relaxed) {
                return tally;
            }
            match self.one(seed) {
                Ok(of_seed) => tally.merge(of_seed),
                Err(broken) => self.fail(seed, broken),
            }
        }
    }

    fn one(&self, seed: u64) -> Result<Tally, String> {
        let run = || {
            let mut world = World::new(seed, &self.mutant, self.tells);
            world.run().map(|()| world.tally)
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(words(&*panic)))
    }

    fn fail(&self, seed: u64, broken: String) {
        self.end.fetch_min(seed, Ordering::Relaxed);
        let mut failed = self.failed.lock().unwrap();
        if failed.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
            *failed = Some((seed, broken));
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}
