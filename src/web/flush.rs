//! The future that a flush returns.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
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
        self.slot.poll(context)
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flush").field("result", &self.slot.result).finish_non_exhaustive()
    }
}

/// Where the result of a flush is put down for its futures.
#[derive(Default)]
pub struct Slot {
    result: Cell<Option<FlushResult>>,
    /// One for each task that waits.
    wakers: RefCell<Vec<Waker>>,
}

impl Slot {
    fn poll(&self, context: &Context<'_>) -> Poll<FlushResult> {
        if let Some(result) = self.result.get() {
            return Poll::Ready(result);
        }
        let mut wakers = self.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Puts the result down and wakes whoever waits for it.
    pub fn put(&self, result: FlushResult) {
        self.result.set(Some(result));
        // Waking may poll at once, and so come back here.
        self.wakers.take().into_iter().for_each(Waker::wake);
    }
}
