//! The future that a flush returns.

use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::shell::Shell;
use crate::pending::FlushResult;

/// Resolves when everything that a flush covered has settled.
///
/// The flush has begun already, and goes on when this is dropped.
pub struct Flush {
    slot: Rc<Slot>,
    /// Keeps the tracker until the end of the flush, also after a shutdown.
    _shell: Rc<Shell>,
}

impl Flush {
    pub(super) const fn new(slot: Rc<Slot>, shell: Rc<Shell>) -> Self {
        Self { slot, _shell: shell }
    }
}

impl Future for Flush {
    type Output = FlushResult;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<FlushResult> {
        if let Some(result) = self.slot.result.get() {
            return Poll::Ready(result);
        }
        self.slot.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flush").field("result", &self.slot.result).finish_non_exhaustive()
    }
}

/// Where the result of a flush is put down for its future.
#[derive(Default)]
pub struct Slot {
    result: Cell<Option<FlushResult>>,
    waker: Cell<Option<Waker>>,
}

impl Slot {
    /// Puts the result down and wakes whoever waits for it.
    pub fn put(&self, result: FlushResult) {
        self.result.set(Some(result));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
